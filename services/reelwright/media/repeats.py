"""Repeated frames that are restored once: how they travel with the frame that they repeat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from reelwright.media.duplicates import with_duplicates
from reelwright.media.frame_record import DecodedFrame, FrameRecord, Repeat
from reelwright.titles.recipe import Recipe

# More than telecine, silent film and drawings have in a row; a frame that repeats after so many is restored again.
MOST_REPEATS = 8


def restored_frames(frames: Iterable[DecodedFrame], recipe: Recipe) -> Iterator[DecodedFrame]:
    """Yields the frames that are restored; `record.duplicate` says of each whether it repeats the frame before.

    With `duplicates` set to `restore-once` repeats travel with the frame that they repeat, which is of the same shot.
    """
    marked = with_duplicates(frames)
    return folded(marked) if recipe.duplicates == "restore-once" else marked


def folded(frames: Iterable[DecodedFrame]) -> Iterator[DecodedFrame]:
    """Yields the frames that repeat none, each with the records of those after it that repeat it.

    One frame is held back. Indices are those of the title, so they jump behind a frame with repeats.
    """
    held: DecodedFrame | None = None
    repeats: list[Repeat] = []
    for frame in frames:
        record = frame.record
        if held is not None and record.duplicate and len(repeats) < MOST_REPEATS:
            repeats.append(Repeat(pts=record.pts, duration=record.duration, concealed=record.concealed))
            continue
        if held is not None:
            yield _with(held, repeats)
        held, repeats = frame, []
    if held is not None:
        yield _with(held, repeats)


def unfolded(record: FrameRecord) -> tuple[FrameRecord, ...]:
    """The record of a frame and those of its repeats, which share what was found out about it."""
    if not record.repeats:
        return (record,)
    own = record.model_copy(update={"repeats": ()})
    shared = {"duplicate": True, "shot_start": False, "preview": False}
    return own, *(own.model_copy(update={**shared, **dict(repeat)}) for repeat in record.repeats)


def _with(frame: DecodedFrame, repeats: list[Repeat]) -> DecodedFrame:
    if not repeats:
        return frame
    return replace(frame, record=frame.record.model_copy(update={"repeats": tuple(repeats)}))
