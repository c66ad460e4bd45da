"""What tests of leases share: a lease table, on a clock of the test's own."""

from __future__ import annotations

from reelwright.dispatcher.lease_table import LeaseTable


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def table(clock: Clock, attempts: int = 3, losses: int = 5, prefer_other: float = 10) -> LeaseTable:
    """A lease table of 60 s leases."""
    return LeaseTable(60, attempts, losses, prefer_other, clock)
