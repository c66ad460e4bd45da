"""Who is restoring what, until when, and how often it went wrong. Pure: no clock, thread or network of its own."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from reelwright.dispatcher.queue import BatchKey

Cause = Literal["failure", "expiry", "disconnect", "hand_back"]


@dataclass(frozen=True, slots=True)
class Lease:
    """A batch in a worker's hands until `deadline` on the table's clock."""

    id: str
    key: BatchKey
    worker: str
    deadline: float


@dataclass(frozen=True, slots=True)
class Returned:
    """A batch that came back unrestored.

    Attributes:
        key: the batch.
        cause: how it came back.
        given_up: it failed as often as it may.
        reason: one line about the last time, for the title's report.
    """

    key: BatchKey
    cause: Cause
    given_up: bool
    reason: str


@dataclass(slots=True)
class _History:
    failures: int = 0
    losses: int = 0
    failed_by: set[str] = field(default_factory=set)
    prefer_other_until: float = 0.0
    lapsed: set[str] = field(default_factory=set)


class LeaseTable:
    """Leases end by a receipt, a failure, a hand-back, their deadline, or their worker's going. There is no renewal.

    Args:
        seconds: how long a lease lasts.
        attempts: reported failures after which a batch is given up.
        losses: expiries and disconnects after which it is.
        prefer_other: seconds for which a batch that came back should go to another worker.
        clock: seconds that only rise.
    """

    def __init__(
        self, seconds: float, attempts: int, losses: int, prefer_other: float, clock: Callable[[], float]
    ) -> None:
        self.seconds, self._attempts, self._losses = seconds, attempts, losses
        self._prefer_other, self._clock = prefer_other, clock
        self._active: dict[str, Lease] = {}
        # A lease that lapsed still tells which batch a late receipt is for.
        self._lapsed: dict[str, BatchKey] = {}
        self._history: dict[BatchKey, _History] = {}
        # The prefix keeps a receipt for an earlier dispatcher's lease from matching one of ours.
        self._prefix = uuid.uuid4().hex[:8]
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._active)

    def held_by(self, worker: str) -> int:
        """Leases a worker has."""
        return sum(lease.worker == worker for lease in self._active.values())

    def grant(self, key: BatchKey, worker: str) -> Lease:
        """Leases a batch."""
        lease = Lease(f"{self._prefix}-{next(self._numbers)}", key, worker, self._clock() + self.seconds)
        self._active[lease.id] = lease
        return lease

    def receipt(self, lease_id: str) -> BatchKey | None:
        """The batch is restored; a late receipt counts too, since the frames are on the bus.

        Returns:
            The batch, of which nothing is remembered any more; None for a lease of a batch that is gone.
        """
        lease = self._active.get(lease_id)
        key = lease.key if lease else self._lapsed.get(lease_id)
        if key is not None:
            self.forget(key)
        return key

    def failure(self, lease_id: str, reason: str) -> Returned | None:
        """The worker could not restore the batch; None for a lease that is not active."""
        return self._back(lease_id, "failure", reason)

    def hand_back(self, lease_id: str) -> Returned | None:
        """The worker has not touched the batch: costs no attempt. None for a lease that is not active."""
        return self._back(lease_id, "hand_back", "handed back")

    def expire(self) -> list[Returned]:
        """Ends every lease whose deadline has come."""
        now = self._clock()
        late = [lease for lease in self._active.values() if lease.deadline <= now]
        return self._lost(late, "expiry", f"did not answer within {self.seconds:g} s")

    def leave(self, worker: str, orderly: bool) -> list[Returned]:
        """Ends every lease of a worker whose stream ended; only a stream that broke costs its batches an attempt."""
        held = [lease for lease in self._active.values() if lease.worker == worker]
        return self._lost(held, "hand_back" if orderly else "disconnect", "was lost")

    def forget(self, key: BatchKey) -> list[Lease]:
        """Drops all that is known of a batch; returns the leases that were active."""
        dropped = [lease for lease in self._active.values() if lease.key == key]
        for lease in dropped:
            del self._active[lease.id]
        history = self._history.pop(key, None)
        for lapsed in history.lapsed if history else ():
            del self._lapsed[lapsed]
        return dropped

    def avoided(self, key: BatchKey) -> frozenset[str]:
        """Workers that a batch should not go to just now if another would take it."""
        history = self._history.get(key)
        if history is None or self._clock() >= history.prefer_other_until:
            return frozenset()
        return frozenset(history.failed_by)

    def _lost(self, leases: list[Lease], cause: Cause, what: str) -> list[Returned]:
        returned = []
        for lease in leases:
            back = self._back(lease.id, cause, what)
            assert back is not None
            returned.append(back)
        return returned

    def _back(self, lease_id: str, cause: Cause, reason: str) -> Returned | None:
        lease = self._active.pop(lease_id, None)
        if lease is None:
            return None
        history = self._history.setdefault(lease.key, _History())
        history.lapsed.add(lease_id)
        self._lapsed[lease_id] = lease.key
        if cause != "hand_back":
            history.failures += cause == "failure"
            history.losses += cause != "failure"
            history.failed_by.add(lease.worker)
            history.prefer_other_until = self._clock() + self._prefer_other
        given_up = history.failures >= self._attempts or history.losses >= self._losses
        return Returned(lease.key, cause, given_up, f"worker {lease.worker}: {reason}")
