"""What a scheduler holds, in numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerCounts:
    """What a scheduler holds, in numbers.

    Attributes:
        workers: connected workers.
        stalled_workers: workers whose restored batches wait for the bus or the store.
        batches: batches in all, queued and leased.
        queued: batches that wait for a worker.
        leases: leases that have not ended.
        draining: nothing more is leased.
    """

    workers: int
    stalled_workers: int
    batches: int
    queued: int
    leases: int
    draining: bool
