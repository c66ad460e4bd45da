"""Collects what the report may show of a segment: of each shot the frame that departs most from its source."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import accumulate

import numpy as np

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.conversion import crop_from_wire
from reelwright.ledger.records import TitleRecord
from reelwright.ledger.shown_frame import ShownFrame
from reelwright.ledger.shown_frame_coding import code_shown_frame
from reelwright.media.frame_record import DecodedFrame
from reelwright.media.jpeg import PREVIEW_WIDTH, jpeg
from reelwright.media.picture import Picture
from reelwright.media.transport import decode_payload
from reelwright.media.worst_frame import STRIP_REACH, WorstFrame, cropped
from reelwright.wire.frames_pb2 import Payload, RestoredBatch


def worst_payloads(batch: RestoredBatch) -> list[Payload]:
    """The payloads of a batch's worst frames."""
    return [getattr(batch, name) for name in ("worst_pictures", "worst_crops", "worst_masks") if batch.HasField(name)]


def worst_of(batch: RestoredBatch, claims: ClaimCheck) -> dict[int, WorstFrame]:
    """The worst frames of a batch that was checked, by their index in it.

    Raises:
        CorruptPayload: their bytes are damaged or missing.
        UnavailableError: the store does not answer.
    """
    if not batch.worst:
        return {}

    def load(payload: Payload) -> list[Picture]:
        return decode_payload(payload, claims.load(payload, batch.run, batch.segment, batch.attempt))

    pictures, crops = load(batch.worst_pictures), load(batch.worst_crops)
    masks = load(batch.worst_masks) if batch.HasField("worst_masks") else [None] * len(pictures)
    ends = list(accumulate(info.strip for info in batch.worst))
    return {
        info.frame: WorstFrame(
            picture,
            crop_from_wire(info.crop),
            info.before,
            tuple(crops[end - info.strip : end]),
            np.asarray(mask.planes[0], np.uint8) if mask else None,
        )
        for info, picture, mask, end in zip(batch.worst, pictures, masks, ends, strict=True)
    }


@dataclass(slots=True)
class _Candidate:
    """The worst frame of a shot so far.

    Attributes:
        offset: its index in the segment.
        departure: how far it departs, in levels.
        worst: the source's side of it.
        after: the frame restored, as JPEG.
        left_out: frames at the beginning of its strip that are of another segment.
        frames: indices in the title of the frames of its strip that have been added.
        crops: the part of each that is shown.
    """

    offset: int
    departure: float
    worst: WorstFrame
    after: bytes
    left_out: int
    frames: list[int] = field(default_factory=list)
    crops: list[Picture] = field(default_factory=list)

    @property
    def wants_more(self) -> bool:
        return self.left_out + len(self.crops) < len(self.worst.crops)


class ShownFrames:
    """Keeps of each shot the worst frame so far, from the frames of a segment, which are added in order.

    A frame and the strip around it depend on the shot's frames in the segment alone, whatever batches they came in. Two
    restored frames are held beside one candidate.

    Args:
        title: the title.
        put: called at the end of each shot in the segment with the index in it of the worst frame, and that frame.
    """

    def __init__(self, title: TitleRecord, put: Callable[[int, ShownFrame], None]) -> None:
        self._colour, self._scale = title.source.video.colour, title.request.recipe.scale
        self._put = put
        # The frames of the shot before the next one.
        self._recent: deque[DecodedFrame] = deque(maxlen=STRIP_REACH)
        self._best: _Candidate | None = None

    def add(self, offset: int, frame: DecodedFrame, worst: tuple[WorstFrame, float] | None) -> None:
        """Adds the segment's next frame that is restored.

        Args:
            offset: its index in the segment.
            frame: the frame restored, without bars.
            worst: if it is the worst of its shot in its batch, the source's side of it, and by how many levels it
                departs.
        """
        if frame.record.shot_start:
            self.end()
        if self._best is not None and self._best.wants_more:
            self._add_to_strip(self._best, frame)
        if worst is not None and (self._best is None or worst[1] > self._best.departure):
            self._best = self._candidate(offset, frame, worst)
        self._recent.append(frame)

    def release(self) -> None:
        """Copies the pictures that are held, so that the buffer of the batch that they came in can go."""
        copies = [replace(frame, picture=_copied(frame.picture)) for frame in self._recent]
        self._recent.clear()
        self._recent.extend(copies)

    def end(self) -> None:
        """Puts the worst frame of the shot, if there is one; called after the segment's last frame."""
        best = self._best
        if best is not None:
            source_strip = best.worst.crops[best.left_out :][: len(best.crops)]
            shown = code_shown_frame(
                self._colour,
                best.frames,
                before=best.worst.picture,
                after=best.after,
                mask=best.worst.mask,
                strips=(source_strip, best.crops),
            )
            self._put(best.offset, shown)
        self._best = None
        self._recent.clear()

    def _candidate(self, offset: int, frame: DecodedFrame, worst: tuple[WorstFrame, float]) -> _Candidate:
        found, departure = worst
        earlier = list(self._recent)[-found.before :] if found.before else []
        after = jpeg(frame.picture, self._colour, PREVIEW_WIDTH)
        best = _Candidate(offset, departure, found, after, found.before - len(earlier))
        for each in (*earlier, frame):
            self._add_to_strip(best, each)
        return best

    def _add_to_strip(self, best: _Candidate, frame: DecodedFrame) -> None:
        best.frames.append(frame.index)
        best.crops.append(cropped(frame.picture, best.worst.crop, self._scale))


def _copied(picture: Picture) -> Picture:
    return Picture(picture.pix_fmt, picture.width, picture.height, tuple(plane.copy() for plane in picture.planes))
