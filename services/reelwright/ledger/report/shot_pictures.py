"""What the report shows of each shot: a frame before and after, what was repaired in it, and how the shot moves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from reelwright.ledger.manifest import Manifest, ShotEntry
from reelwright.ledger.report import formatting
from reelwright.ledger.report.images import Budget, mask_codes, shape_of
from reelwright.ledger.run_ledger import RunLedger
from reelwright.ledger.shown_frame import ShownFrame
from reelwright.media.repair_mask import DUST, SCRATCH


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotView:
    """A shot as the filmstrip shows it. Pictures are data URIs; empty text if there is no picture.

    Attributes:
        number: of the shot in the film, from 1.
        frame: index of the frame that is shown.
        at: time of that frame.
        damage: what was measured in the shot, in words; empty when nothing was.
        thumb: small picture of the restored frame.
        before: the source's frame.
        after: the same frame restored.
        mask: which of its samples the repair changed, or where two films differ; empty for none.
        marked: how many they are, in words; empty when that is not known.
    """

    number: int
    frame: int
    at: str
    damage: str
    thumb: str
    before: str
    after: str
    mask: str
    marked: str


@dataclass(frozen=True, slots=True)
class MotionView:
    """The motion strips of a shot.

    Attributes:
        number: of the shot in the film, from 1.
        first: index of the first frame in it.
        last: of the last.
        before: the source's frames side by side, as a data URI.
        after: the same frames restored.
    """

    number: int
    first: int
    last: int
    before: str
    after: str


class ShotPictures:
    """The pictures of a film's report, in at most so many bytes as `Budget` has.

    Args:
        manifest: of the film.
        ledger: of its run.
        shown: the shots of the filmstrip, each with its index, in order.
        worst: of some shots, by their index, the frame that is shown with its mask and motion strips. The others show
            their preview, and so do those of which the ledger has no such frame.
        words: says how large the shares of the samples are that have the first and the second bit in a mask.
    """

    def __init__(
        self,
        manifest: Manifest,
        ledger: RunLedger,
        shown: Sequence[tuple[int, ShotEntry]],
        worst: Mapping[int, int],
        *,
        words: Callable[[float, float], str],
    ) -> None:
        self._manifest, self._pictures, self._shown, self._worst = manifest, ledger.pictures, shown, worst
        self._words = words
        video = manifest.source.video
        self._rotation, self._mirrored, self._pixel = video.rotation, video.mirrored, video.sample_aspect_ratio
        self._budget = Budget(images=3 * len(shown) + 3 * len(worst))
        self._places = places_of(ledger, {*worst.values(), *(shot.preview_frame for _, shot in shown)})
        self.aspect = self._aspect()

    def shots(self) -> Iterator[ShotView]:
        """The shots of the filmstrip, one in memory at a time."""
        for index, shot in self._shown:
            worst, frame = self._worst_of(index), shot.preview_frame
            if worst is None:
                place = self._places[frame]
                before, after, mask, marked = self._pictures.source(*place), self._pictures.restored(*place), "", ""
            else:
                before, after, frame = worst.before, worst.after, self._worst[index]
                mask, marked = self._mask(worst.mask)
            thumb = after and self._budget.thumbnail(after, self.aspect, self._rotation, mirrored=self._mirrored)
            yield ShotView(
                number=index + 1,
                frame=frame,
                at=formatting.frame_time(self._manifest, frame),
                damage=formatting.shot_sentence(shot),
                thumb=thumb or "",
                before=(before and self._budget.fit(before, self._rotation, mirrored=self._mirrored)) or "",
                after=(after and self._budget.fit(after, self._rotation, mirrored=self._mirrored)) or "",
                mask=mask,
                marked=marked,
            )

    def motion(self) -> Iterator[MotionView]:
        """The motion strips of the worst shots, in their order; called after `shots` is used up."""
        for index in self._worst:
            if (worst := self._worst_of(index)) is not None:
                before, after = (self._strip(each, worst.frames) for each in (worst.strip_before, worst.strip_after))
                if before and after:
                    yield MotionView(index + 1, worst.first, worst.last, before, after)

    def _worst_of(self, index: int) -> ShownFrame | None:
        frame = self._worst.get(index)
        return None if frame is None else self._pictures.shown(*self._places[frame])

    def _strip(self, jpeg: bytes, frames: int) -> str | None:
        return self._budget.strip(jpeg, frames, self._pixel, self._rotation, mirrored=self._mirrored)

    def _mask(self, png: bytes) -> tuple[str, str]:
        """A mask, and what it says in words."""
        codes = mask_codes(png) if png else None
        if not isinstance(codes, np.ndarray):
            return "", ""
        uri = self._budget.mask(codes, self._rotation, mirrored=self._mirrored)
        shares = [np.count_nonzero(codes & code) / codes.size for code in (DUST, SCRATCH)]
        return uri or "", self._words(*shares)

    def _aspect(self) -> Fraction:
        """Width over height of a preview as displayed: the picture's area, its pixels' shape, its rotation."""
        width, height = self._preview_shape()
        aspect = Fraction(width, height) * self._pixel
        return 1 / aspect if self._rotation % 180 else aspect

    def _preview_shape(self) -> tuple[int, int]:
        for _, shot in self._shown[:1]:
            preview = self._pictures.restored(*self._places[shot.preview_frame])
            shape = shape_of(preview) if preview else None
            if shape:
                return shape
        return self._manifest.width, self._manifest.height


def places_of(ledger: RunLedger, frames: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Segment and offset in it of some frames of a film whose plan is whole, by one reading of the plan."""
    places = {}
    segment = first = count = 0
    for frame in sorted(frames):
        while not first <= frame < first + count:
            plan = ledger.plan(segment)
            assert plan is not None, "the manifest was built from a whole plan"
            first, count, segment = plan.first_frame, len(plan.frames), segment + 1
        places[frame] = (segment - 1, frame - first)
    return places
