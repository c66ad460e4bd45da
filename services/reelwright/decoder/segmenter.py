"""Cuts a stream of frames into segments and batches.

Where segments begin depends on source and recipe alone, not on settings or on earlier work, because a resumed run must
find the same segments. So their lengths are constants.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from reelwright.media.types import DecodedFrame

# One to two seconds of film: the GOP length that streaming services ask for. A killed run loses seconds, not minutes.
SEGMENT_MIN_FRAMES = 24
SEGMENT_MAX_FRAMES = 48
# A short first segment is committed early, which shows that the title is being restored.
FIRST_SEGMENT_MAX_FRAMES = 24
# Segments and batches of large frames are shorter, so that the window limits bytes as well as frames.
SEGMENT_MAX_BYTES = 320 << 20
BATCH_MAX_FRAMES = 4
BATCH_MAX_BYTES = 8 << 20
# A shot's first frame may still be a dissolve or black, so the report shows the later one if the shot has it.
PREVIEW_OFFSETS = (0, 18)


@dataclass(frozen=True, slots=True)
class BatchFrames:
    """A few consecutive frames of one segment.

    Attributes:
        segment: number of the segment in the title.
        number: number of the batch in the segment.
        frames: the frames, in order, with the shots' previews marked in their records.
        last: the segment ends with this batch.
    """

    segment: int
    number: int
    frames: tuple[DecodedFrame, ...]
    last: bool


def lengths(frame_bytes_in: int, frame_bytes_out: int) -> tuple[int, int]:
    """The largest numbers of frames per segment and per batch.

    Args:
        frame_bytes_in: size of a source picture in bytes.
        frame_bytes_out: size of a restored picture in bytes.
    """
    segment = min(SEGMENT_MAX_FRAMES, max(2, SEGMENT_MAX_BYTES // (frame_bytes_in + frame_bytes_out)))
    batch = min(BATCH_MAX_FRAMES, max(1, BATCH_MAX_BYTES // frame_bytes_in))
    return segment, batch


def batches(frames: Iterable[DecodedFrame], segment_frames: int, batch_frames: int) -> Iterator[BatchFrames]:
    """Yields the batches of a title in order and holds one batch in memory.

    Args:
        frames: the title's frames in presentation order.
        segment_frames: most frames per segment.
        batch_frames: most frames per batch.
    """
    segment = number = in_segment = in_shot = 0
    pending: list[DecodedFrame] = []
    for frame in frames:
        longest = min(segment_frames, FIRST_SEGMENT_MAX_FRAMES) if segment == 0 else segment_frames
        ends = in_segment >= longest or (frame.record.shot_start and in_segment >= min(SEGMENT_MIN_FRAMES, longest))
        if pending and (ends or len(pending) == batch_frames):
            yield BatchFrames(segment, number, tuple(pending), last=ends)
            pending, number = [], number + 1
        if ends:
            segment, number, in_segment = segment + 1, 0, 0
        in_shot = 0 if frame.record.shot_start else in_shot + 1
        preview = in_shot in PREVIEW_OFFSETS
        pending.append(replace(frame, record=frame.record.model_copy(update={"preview": preview})))
        in_segment += 1
    if pending:
        yield BatchFrames(segment, number, tuple(pending), last=True)
