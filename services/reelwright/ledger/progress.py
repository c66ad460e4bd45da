"""How much of an attempt is done, in frames."""

from __future__ import annotations

from collections.abc import Collection

from reelwright.ledger.run_ledger import RunLedger


def count_committed_frames(ledger: RunLedger, committed: Collection[int]) -> int:
    """Frames of the committed segments.

    A film has thousands of segments, and the committed ones have few gaps. So the last committed record is read, and
    the frames of the missing segments before it are subtracted.

    Args:
        ledger: of the attempt.
        committed: the numbers of the segments.
    """
    last = ledger.segment(max(committed)) if committed else None
    if last is None:
        return 0
    gaps = (ledger.plan(segment) for segment in set(range(last.segment)) - set(committed))
    return last.first_frame + len(last.frames) - sum(len(plan.frames) for plan in gaps if plan is not None)
