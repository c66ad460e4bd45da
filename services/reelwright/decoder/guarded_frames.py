"""Guards the decoding of a title against frames that kill the process."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from itertools import chain, count

from reelwright.ledger.crash_guard import CrashGuard
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.frame_record import DecodedFrame

# As long as a segment, so that it costs as little as the documents of one.
_BLOCK_FRAMES = 48

SEEK_UNIT = "seek"
"""Name of the work of moving to a frame in the middle of a film and decoding it."""


def sought_frames(frames: Iterable[DecodedFrame], ledger: RunLedger, guard: CrashGuard) -> Iterator[DecodedFrame]:
    """The frames of a reading that begins in the middle, of which the first one was decoded.

    Args:
        frames: decodes a frame at each step.
        ledger: of the title's attempt.
        guard: of this process; the decoding of the first frame is a piece of work of it.

    Raises:
        SeekFailed: see `media.reader.FrameReader`.
    """
    steps = iter(frames)
    with guard.begin(ledger, SEEK_UNIT, "seeking in the source") as work, work.call():
        first = next(steps, None)
    return chain(() if first is None else (first,), steps)


def guarded_frames(
    frames: Iterable[DecodedFrame], ledger: RunLedger, guard: CrashGuard, begin: int = 0
) -> Generator[DecodedFrame, None, None]:
    """Yields the frames; each block of 48 frames of the title is a piece of work of the guard.

    Args:
        frames: decodes a frame at each step.
        ledger: of the title's attempt.
        guard: of this process.
        begin: index of the first frame in the title.

    Raises:
        RestorationFailed: the decoding of the next block has killed as many processes as it may.
    """
    steps = iter(frames)
    for block in count(begin // _BLOCK_FRAMES):
        first = block * _BLOCK_FRAMES
        what = f"decoding of frames {first}-{first + _BLOCK_FRAMES - 1}"
        with guard.begin(ledger, f"decode-{block:06d}", what) as work:
            for _ in range(max(begin, first), first + _BLOCK_FRAMES):
                with work.call():
                    frame = next(steps, None)
                if frame is None:
                    return
                yield frame
