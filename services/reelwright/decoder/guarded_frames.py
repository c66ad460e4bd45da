"""Guards the decoding of a title against frames that kill the process."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from itertools import count

from reelwright.ledger.crash_guard import CrashGuard
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.types import DecodedFrame

# As long as a segment, so that it costs as little as the documents of one.
_BLOCK_FRAMES = 48


def guarded_frames(
    frames: Iterable[DecodedFrame], ledger: RunLedger, guard: CrashGuard
) -> Generator[DecodedFrame, None, None]:
    """Yields the frames; each block of 48 frames is a piece of work of the guard.

    Args:
        frames: decodes a frame at each step.
        ledger: of the title's attempt.
        guard: of this process.

    Raises:
        RestorationFailed: the decoding of the next block has killed as many processes as it may.
    """
    steps = iter(frames)
    for block in count():
        first = block * _BLOCK_FRAMES
        what = f"decoding of frames {first}-{first + _BLOCK_FRAMES - 1}"
        with guard.begin(ledger, f"decode-{block:06d}", what) as work:
            for _ in range(_BLOCK_FRAMES):
                with work.call():
                    frame = next(steps, None)
                if frame is None:
                    return
                yield frame
