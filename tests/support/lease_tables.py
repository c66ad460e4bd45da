"""A lease table for tests, on a clock that the test moves."""

from __future__ import annotations

from reelwright.dispatcher.lease_table import LeaseTable


class ManualClock:
    """A clock that a test moves.

    Attributes:
        now: the time in seconds.
    """

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def lease_table(
    clock: ManualClock, *, max_failures: int = 3, max_losses: int = 5, prefer_other_seconds: float = 10
) -> LeaseTable:
    """A lease table with leases of 60 s."""
    return LeaseTable(
        seconds=60,
        max_failures=max_failures,
        max_losses=max_losses,
        prefer_other_seconds=prefer_other_seconds,
        clock=clock,
    )
