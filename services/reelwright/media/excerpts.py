"""Leaves out of a film what its recipe does not restore."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

from reelwright.media.decode import RawFrame
from reelwright.telemetry.watchdog import heartbeat
from reelwright.titles.recipe import Excerpt


def excerpted(frames: Iterable[RawFrame], excerpt: Excerpt, time_base: Fraction) -> Iterator[RawFrame]:
    """Yields the frames of each part; a part follows the one before as its next frame did in the source.

    A frame belongs to a part by its time since the first frame. Each step between two frames of a part is the source's,
    and so is the step behind the last one.

    Args:
        frames: in order, with their times in the source.
        excerpt: which parts are kept.
        time_base: seconds per unit of the frames' times.

    Yields:
        Frames with `record.skipped`, and times from which it was taken.
    """
    start: int | None = None
    left_out: int | None = None
    skipped = 0
    for raw in frames:
        pts = raw.record.pts
        start = pts if start is None else start
        if (pts - start) * time_base % excerpt.period >= excerpt.length:
            left_out = pts if left_out is None else left_out
            heartbeat()
            continue
        if left_out is not None:
            skipped, left_out = skipped + pts - left_out, None
        record = raw.record.model_copy(update={"pts": pts - skipped, "skipped": skipped})
        yield replace(raw, record=record)
