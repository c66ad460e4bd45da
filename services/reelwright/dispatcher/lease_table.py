"""Who is restoring what, until when, and how often it went wrong. Pure: no clock, thread or network of its own."""

from __future__ import annotations

import itertools
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from reelwright.dispatcher.ready_queue import BatchKey

Cause = Literal["failure", "expiry", "disconnect", "hand_back"]

# A worker that dies takes with it whatever waited in its prefetch. A batch lost once was unlucky, as a rule; one lost
# twice may be what kills, and only being restored alone can tell.
_SUSPECT_LOSSES = 2
# A batch that kills before it is begun, by its size say, is never alone to blame; it must end all the same.
_LOSSES_PER_LOSS_ALONE = 4


@dataclass(slots=True, eq=False)
class GrantedLease:
    """A batch in a worker's hands.

    Attributes:
        id: unique among all dispatchers.
        key: the batch.
        worker: the worker's name.
        deadline: when it ends, on the table's clock.
        alone: the worker is to restore the batch with nothing else under way.
        blamed: it does so now: what happens to it is the batch's doing.
    """

    id: str
    key: BatchKey
    worker: str
    deadline: float
    alone: bool
    blamed: bool = False


@dataclass(frozen=True, slots=True)
class ReturnedBatch:
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
    losses_alone: int = 0
    failed_by: set[str] = field(default_factory=set)
    prefer_other_until: float = 0.0
    lapsed: set[str] = field(default_factory=set)


class LeaseTable:
    """Leases end by a receipt, a failure, a hand-back, their deadline, or their worker's going. There is no renewal.

    Args:
        seconds: how long a lease lasts.
        attempts: reported failures after which a batch is given up.
        losses: workers lost while they restored a batch alone after which it is.
        prefer_other: seconds for which a batch that came back should go to another worker.
        clock: seconds that only rise.
    """

    def __init__(
        self, seconds: float, attempts: int, losses: int, prefer_other: float, clock: Callable[[], float]
    ) -> None:
        self.seconds, self._attempts, self._losses = seconds, attempts, losses
        self._prefer_other, self._clock = prefer_other, clock
        self._active: dict[str, GrantedLease] = {}
        self._by_worker: defaultdict[str, dict[str, GrantedLease]] = defaultdict(dict)
        self._by_key: defaultdict[BatchKey, dict[str, GrantedLease]] = defaultdict(dict)
        self._stalled: set[str] = set()
        # A lease that lapsed still tells which batch a late receipt is for.
        self._lapsed: dict[str, BatchKey] = {}
        self._history: dict[BatchKey, _History] = {}
        # The prefix keeps a receipt for an earlier dispatcher's lease from matching one of ours.
        self._prefix = uuid.uuid4().hex[:8]
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._active)

    @property
    def stalls(self) -> frozenset[str]:
        """Workers whose restored batches wait for bus or store."""
        return frozenset(self._stalled)

    def held_by(self, worker: str) -> int:
        """Leases a worker has."""
        return len(self._by_worker.get(worker, ()))

    def grant(self, key: BatchKey, worker: str) -> GrantedLease:
        """Leases a batch."""
        history = self._history.get(key)
        alone = history is not None and history.losses >= _SUSPECT_LOSSES
        lease = GrantedLease(f"{self._prefix}-{next(self._numbers)}", key, worker, self._clock() + self.seconds, alone)
        self._active[lease.id] = self._by_worker[worker][lease.id] = self._by_key[key][lease.id] = lease
        return lease

    def blame(self, lease_id: str) -> None:
        """The worker begins a batch leased alone, with nothing else under way; its time starts anew."""
        lease = self._active.get(lease_id)
        if lease is not None and lease.alone:
            lease.blamed, lease.deadline = True, self._clock() + self.seconds

    def stall(self, worker: str) -> None:
        """What a worker restored waits for bus or store: its leases that expire now cost their batches nothing."""
        self._stalled.add(worker)

    def unstall(self, worker: str) -> None:
        """The worker's batches get out again."""
        self._stalled.discard(worker)

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

    def failure(self, lease_id: str, reason: str) -> ReturnedBatch | None:
        """The worker could not restore the batch; None for a lease that is not active."""
        return self._back(lease_id, "failure", reason)

    def hand_back(self, lease_id: str) -> ReturnedBatch | None:
        """The worker has not touched the batch: costs no attempt. None for a lease that is not active."""
        return self._back(lease_id, "hand_back", "handed back")

    def expire(self) -> list[ReturnedBatch]:
        """Ends every lease whose deadline has come."""
        now = self._clock()
        late = [lease for lease in self._active.values() if lease.deadline <= now]
        return self._lost(late, "expiry", f"did not answer within {self.seconds:g} s")

    def leave(self, worker: str, orderly: bool) -> list[ReturnedBatch]:
        """Ends every lease of a worker whose stream ended; only a stream that broke costs its batches an attempt."""
        self.unstall(worker)
        held = list(self._by_worker.get(worker, {}).values())
        return self._lost(held, "hand_back" if orderly else "disconnect", "was lost")

    def forget(self, key: BatchKey) -> list[GrantedLease]:
        """Drops all that is known of a batch; returns the leases that were active."""
        dropped = list(self._by_key.get(key, {}).values())
        for lease in dropped:
            self._remove(lease)
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

    def _remove(self, lease: GrantedLease) -> None:
        del self._active[lease.id]
        for index, name in ((self._by_worker, lease.worker), (self._by_key, lease.key)):
            del index[name][lease.id]  # type: ignore[index]
            if not index[name]:  # type: ignore[index]
                del index[name]  # type: ignore[arg-type]

    def _lost(self, leases: Iterable[GrantedLease], cause: Cause, what: str) -> list[ReturnedBatch]:
        returned = [self._back(lease.id, cause, what) for lease in leases]
        return [back for back in returned if back is not None]

    def _back(self, lease_id: str, cause: Cause, reason: str) -> ReturnedBatch | None:
        lease = self._active.get(lease_id)
        if lease is None:
            return None
        self._remove(lease)
        history = self._history.setdefault(lease.key, _History())
        history.lapsed.add(lease_id)
        self._lapsed[lease_id] = lease.key
        if cause != "hand_back":
            history.failed_by.add(lease.worker)
            history.prefer_other_until = self._clock() + self._prefer_other
            self._count(history, lease, cause)
        given_up = (
            history.failures >= self._attempts
            or history.losses_alone >= self._losses
            or history.losses >= _LOSSES_PER_LOSS_ALONE * self._losses
        )
        return ReturnedBatch(lease.key, cause, given_up, f"worker {lease.worker}: {reason}")

    def _count(self, history: _History, lease: GrantedLease, cause: Cause) -> None:
        if cause == "failure":
            history.failures += 1
        elif cause == "disconnect" or lease.worker not in self._stalled:
            history.losses += 1
            history.losses_alone += lease.blamed
