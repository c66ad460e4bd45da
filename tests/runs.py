"""Whole runs in a ledger, with no network or encoder behind them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from reelwright.ledger.manifest import FilmFacts
from reelwright.ledger.records import PlanEnd, SegmentPlan, SegmentRecord, TitleRecord
from reelwright.ledger.store import RunLedger
from reelwright.media.types import PlannedFrame
from tests.ledgers import RUN, put_file, title_of

SAMPLE_SIZE = (48, 32)


def frames_of(shots: Sequence[int], concealed: frozenset[int] = frozenset()) -> tuple[PlannedFrame, ...]:
    """The frames of shots of that many frames each, one tick apart; the middle one of each is its sample."""
    frames = []
    for count in shots:
        for offset in range(count):
            index = len(frames)
            sample, concealment = offset == count // 2, index in concealed
            frames.append(
                PlannedFrame(pts=index, duration=1, shot_start=offset == 0, sample=sample, concealed=concealment)
            )
    return tuple(frames)


def facts_of(frames: Sequence[PlannedFrame]) -> FilmFacts:
    """A film that holds those frames at their times, in milliseconds."""
    pts = tuple(40 * frame.pts for frame in frames)
    return FilmFacts("film.mp4", "ab" * 32, 1000, 8, 8, "yuv420p", Fraction(1, 1000), pts, lossless=False)


class FinishedRun:
    """A run of one segment per tuple of frames, every one planned and committed, with a JPEG for every sample.

    Args:
        folder: where it lies.
        segments: the frames of each segment.
        title: what the run is.
        jpeg: what every sample shows.
        truncated_at: PTS of a cut.
    """

    def __init__(
        self,
        folder: Path,
        segments: Sequence[Sequence[PlannedFrame]],
        title: TitleRecord | None = None,
        jpeg: bytes | None = None,
        truncated_at: int | None = None,
    ) -> None:
        self.ledger = RunLedger(str(folder), RUN)
        self.ledger.put_title(title or title_of())
        first = 0
        for number, frames in enumerate(segments):
            self._write(folder, number, first, tuple(frames), jpeg or picture(SAMPLE_SIZE))
            first += len(frames)
        self.ledger.put_plan_end(PlanEnd(segments=len(segments), frames=first, truncated_at=truncated_at))
        self.facts = facts_of([frame for frames in segments for frame in frames])

    def film(self, pts: Sequence[int]) -> FilmFacts:
        """The film with other times."""
        return replace(self.facts, pts=tuple(pts))

    def _write(self, folder: Path, number: int, first: int, frames: tuple[PlannedFrame, ...], jpeg: bytes) -> None:
        content = b"segment %d" % number
        put_file(self.ledger, folder, number, content)
        self.ledger.put_plan(SegmentPlan(segment=number, first_frame=first, frames=frames, source_digest="d"))
        for offset, frame in enumerate(frames):
            if frame.sample:
                self.ledger.put_plan_sample(number, offset, jpeg)
                self.ledger.put_segment_sample(number, offset, jpeg)
        self.ledger.commit(
            SegmentRecord(
                segment=number,
                first_frame=first,
                frames=frames,
                frame_digests=("aa",) * len(frames),
                file_sha256=hashlib.sha256(content).hexdigest(),
                file_bytes=len(content),
                engine="test",
                seconds={"encode": 0.5},
            )
        )


def picture(size: tuple[int, int], quality: int = 90) -> bytes:
    """A JPEG with as much detail as a grainy film, of that width and height."""
    noise = np.random.default_rng(7).integers(0, 256, (size[1], size[0], 3), np.uint8)
    _, coded = cv2.imencode(".jpg", cv2.GaussianBlur(noise, (0, 0), 0.7), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return coded.tobytes()
