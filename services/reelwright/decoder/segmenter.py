"""Cuts a stream of frames into segments and batches.

Where segments begin depends on source and recipe alone, not on settings or on earlier work, because a resumed run must
find the same segments. So their lengths are constants.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, takewhile

from reelwright.media.frame_record import DecodedFrame
from reelwright.media.picture import Picture, without_chroma, without_neutral_chroma

# One to two seconds of film: the GOP length that streaming services ask for. A killed run loses seconds, not minutes.
SEGMENT_MIN_FRAMES = 24
SEGMENT_MAX_FRAMES = 48
# A short first segment is committed early, which shows that the title is being restored.
FIRST_SEGMENT_MAX_FRAMES = 24
# Segments and batches of large frames are shorter, so that the window limits bytes as well as frames.
SEGMENT_MAX_BYTES = 320 << 20
# Divides both lengths of a segment. Longer batches have fewer halo frames, shorter ones wait less for each other:
# docs/architecture.md has the bytes per frame.
BATCH_MAX_FRAMES = 12
BATCH_MAX_BYTES = 24 << 20
# A shot's first frame may still be a dissolve or black, so the report shows the later one if the shot has it.
PREVIEW_OFFSETS = (0, 18)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFrames:
    """A few consecutive frames of one segment.

    Attributes:
        segment: number of the segment in the title.
        number: number of the batch in the segment.
        frames: the frames, in order, with the shots' previews marked in their records.
        last: the segment ends with this batch.
        before: halo frames: the frames of the same shot directly before the first of `frames`, in order; none where a
            shot begins.
        after: the same directly after the last of `frames`; none where a shot ends.
    """

    segment: int
    number: int
    frames: tuple[DecodedFrame, ...]
    last: bool
    before: tuple[DecodedFrame, ...] = ()
    after: tuple[DecodedFrame, ...] = ()

    def pictures(self) -> list[Picture]:
        """The pictures with those of the halo frames, in order; without chroma if no frame of the batch has colour."""
        pictures = [frame.picture for frame in (*self.before, *self.frames, *self.after)]
        # The chroma of halo frames is not used, so it must not decide.
        if all(without_neutral_chroma(frame.picture).format.planes == 1 for frame in self.frames):
            return [without_chroma(picture) for picture in pictures]
        return pictures


def lengths(frame_bytes_in: int, frame_bytes_out: int) -> tuple[int, int]:
    """The largest numbers of frames per segment and per batch.

    Args:
        frame_bytes_in: size of a source picture in bytes.
        frame_bytes_out: size of a restored picture in bytes.
    """
    segment = min(SEGMENT_MAX_FRAMES, max(2, SEGMENT_MAX_BYTES // (frame_bytes_in + frame_bytes_out)))
    batch = min(BATCH_MAX_FRAMES, max(1, BATCH_MAX_BYTES // frame_bytes_in))
    return segment, batch


def batches(
    frames: Iterable[DecodedFrame],
    segment_frames: int,
    batch_frames: int,
    halo_frames: int = 0,
    *,
    segment: int = 0,
    in_segment: int = 0,
) -> Iterator[BatchFrames]:
    """Yields the batches of a title in order and holds one batch with its halo frames in memory.

    Args:
        frames: the title's frames in presentation order. From a later frame on that starts a shot, they give the same
            batches of all segments that begin behind it.
        segment_frames: most frames per segment.
        batch_frames: most frames per batch.
        halo_frames: most halo frames before and after a batch. Batches and segments do not depend on it.
        segment: number of the first frame's segment.
        in_segment: number of frames of that segment that are left out before it.
    """
    number = in_shot = 0
    pending: list[DecodedFrame] = []
    before: tuple[DecodedFrame, ...] = ()
    after: tuple[DecodedFrame, ...] = ()
    for frame, earlier, later in with_neighbours(frames, halo_frames):
        longest = min(segment_frames, FIRST_SEGMENT_MAX_FRAMES) if segment == 0 else segment_frames
        ends = in_segment >= longest or (frame.record.shot_start and in_segment >= min(SEGMENT_MIN_FRAMES, longest))
        if pending and (ends or len(pending) == batch_frames):
            yield BatchFrames(
                segment=segment, number=number, frames=tuple(pending), last=ends, before=before, after=after
            )
            pending, number = [], number + 1
        if ends:
            segment, number, in_segment = segment + 1, 0, 0
        in_shot = 0 if frame.record.shot_start else in_shot + 1
        preview = in_shot in PREVIEW_OFFSETS
        before, after = before if pending else earlier, later
        pending.append(replace(frame, record=frame.record.model_copy(update={"preview": preview})))
        in_segment += 1
    if pending:
        yield BatchFrames(segment=segment, number=number, frames=tuple(pending), last=True, before=before, after=after)


def with_neighbours(
    frames: Iterable[DecodedFrame], count: int
) -> Iterator[tuple[DecodedFrame, tuple[DecodedFrame, ...], tuple[DecodedFrame, ...]]]:
    """Yields each frame with up to `count` frames of its shot before it and as many after it, in order."""
    stream = iter(frames)
    earlier: deque[DecodedFrame] = deque(maxlen=count)
    ahead = deque(islice(stream, count + 1))
    while ahead:
        frame = ahead.popleft()
        if frame.record.shot_start:
            earlier.clear()
        yield frame, tuple(earlier), tuple(takewhile(lambda later: not later.record.shot_start, ahead))
        earlier.append(frame)
        ahead.extend(islice(stream, 1))
