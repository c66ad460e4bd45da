"""What the report shows of each shot: a frame before and after, what was repaired in it, and how the shot moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from reelwright.ledger.records import Manifest, ShotEntry
from reelwright.ledger.report import formatting
from reelwright.ledger.report.certificate import WorstShot
from reelwright.ledger.report.images import Budget, mask_codes, shape_of
from reelwright.ledger.run_ledger import RunLedger
from reelwright.ledger.segments import PictureKind
from reelwright.media.repair_mask import DUST, SCRATCH


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotView:
    """A shot as the filmstrip shows it. Pictures are data URIs; empty text if there is no picture.

    Attributes:
        number: of the shot in the film, from 1.
        frame: index of the preview frame.
        at: time of that frame.
        damage: what was measured in the shot, in words; empty when nothing was.
        thumb: small picture of the restored frame.
        before: the source's frame.
        after: the same frame restored.
        mask: which of its samples the repair changed; empty when it changed none.
        repaired: how many it changed, in words; empty when that is not known.
    """

    number: int
    frame: int
    at: str
    damage: str
    thumb: str
    before: str
    after: str
    mask: str
    repaired: str


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


class _StripPart(NamedTuple):
    """A part of a motion strip: the segment and the first frame in it, number of frames, and the last one's index."""

    segment: int
    offset: int
    frames: int
    last: int


class ShotPictures:
    """The pictures of a film's report, in at most so many bytes as `Budget` has.

    Args:
        manifest: of the film.
        ledger: of its run.
        shown: the shots of the filmstrip, each with its index, in order.
        worst: the shots that have their repair mask and motion strips.
    """

    def __init__(
        self,
        manifest: Manifest,
        ledger: RunLedger,
        shown: Sequence[tuple[int, ShotEntry]],
        worst: Sequence[WorstShot],
    ) -> None:
        self._manifest, self._ledger, self._shown, self._worst = manifest, ledger, shown, worst
        video = manifest.source.video
        self._rotation, self._mirrored, self._pixel = video.rotation, video.mirrored, video.sample_aspect_ratio
        self._masked = {each.number for each in worst}
        self._budget = Budget(images=3 * len(shown) + 3 * len(worst))
        self.aspect = self._aspect()

    def shots(self) -> Iterator[ShotView]:
        """The shots of the filmstrip, one in memory at a time."""
        for (index, shot), place in zip(self._shown, preview_positions(self._ledger, self._shown), strict=True):
            before, after = self._ledger.source_picture(*place), self._ledger.restored_picture(*place)
            thumb = after and self._budget.thumbnail(after, self.aspect, self._rotation, mirrored=self._mirrored)
            mask, repaired = self._mask(*place) if index + 1 in self._masked else ("", "")
            yield ShotView(
                number=index + 1,
                frame=shot.preview_frame,
                at=formatting.frame_time(self._manifest, shot.preview_frame),
                damage=formatting.shot_sentence(shot),
                thumb=thumb or "",
                before=(before and self._budget.fit(before, self._rotation, mirrored=self._mirrored)) or "",
                after=(after and self._budget.fit(after, self._rotation, mirrored=self._mirrored)) or "",
                mask=mask,
                repaired=repaired,
            )

    def motion(self) -> Iterator[MotionView]:
        """The motion strips of the worst shots, in their order; called after `shots` is used up."""
        ordered = sorted(((each.number - 1, each.shot) for each in self._worst), key=lambda each: each[0])
        places = dict(zip((index for index, _ in ordered), preview_positions(self._ledger, ordered), strict=True))
        for each in self._worst:
            rows = list(self._rows(*places[each.number - 1]))
            before = self._strip(self._ledger.source_picture, rows)
            after = self._strip(self._ledger.restored_picture, rows)
            if before and after:
                yield MotionView(each.number, each.shot.preview_frame, rows[-1].last, before, after)

    def _mask(self, segment: int, offset: int) -> tuple[str, str]:
        """The mask of a preview, and what it says in words."""
        png = self._ledger.restored_picture(segment, offset, "mask")
        codes = png and mask_codes(png)
        if not isinstance(codes, np.ndarray):
            return "", ""
        uri = self._budget.mask(codes, self._rotation, mirrored=self._mirrored)
        shares = [np.count_nonzero(codes & code) / codes.size for code in (DUST, SCRATCH)]
        return uri or "", formatting.repair_sentence(*shares)

    def _rows(self, segment: int, offset: int) -> Iterator[_StripPart]:
        """The parts of the strips of the shot with this preview."""
        begun = False
        while (plan := self._ledger.plan(segment)) is not None:
            count, last, ends = 0, 0, False
            for index, frame in enumerate(plan.frames[offset:], plan.first_frame + offset):
                if begun and frame.duplicate and frame.crop is None:
                    # It shows the frame before once more.
                    continue
                if ends := frame.crop is None or (begun and frame.preview):
                    break
                count, last, begun = count + 1, index, True
            if count:
                yield _StripPart(segment, offset, count, last)
            if ends:
                return
            # A strip may go on in the next segment.
            segment, offset = segment + 1, 0

    def _strip(self, find: Callable[[int, int, PictureKind], bytes | None], rows: Sequence[_StripPart]) -> str:
        parts = [(find(row.segment, row.offset, "motion"), row.frames) for row in rows]
        known = [(jpeg, count) for jpeg, count in parts if jpeg is not None]
        if not known or len(known) < len(parts):
            return ""
        return self._budget.strip(known, self._pixel, self._rotation, mirrored=self._mirrored) or ""

    def _aspect(self) -> Fraction:
        """Width over height of a preview as displayed: the picture's area, its pixels' shape, its rotation."""
        width, height = self._preview_shape()
        aspect = Fraction(width, height) * self._pixel
        return 1 / aspect if self._rotation % 180 else aspect

    def _preview_shape(self) -> tuple[int, int]:
        for place in preview_positions(self._ledger, [(0, shot) for shot in self._manifest.shots[:1]]):
            preview = self._ledger.restored_picture(*place)
            shape = shape_of(preview) if preview else None
            if shape:
                return shape
        return self._manifest.width, self._manifest.height


def preview_positions(ledger: RunLedger, shown: Sequence[tuple[int, ShotEntry]]) -> Iterator[tuple[int, int]]:
    """Segment and offset in it of each shot's preview."""
    segment = first = count = 0
    for _, shot in shown:
        while not first <= shot.preview_frame < first + count:
            plan = ledger.plan(segment)
            assert plan is not None, "the manifest was built from a whole plan"
            first, count, segment = plan.first_frame, len(plan.frames), segment + 1
        yield segment - 1, shot.preview_frame - first
