"""Which worker has which batch, and until when. No clock, thread or network."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from reelwright.dispatcher.batch_retries import BatchHistory, Cause, RetryLimits
from reelwright.dispatcher.queued_batch import BatchKey

_ID_BYTES = 16


@dataclass(slots=True, eq=False, kw_only=True)
class GrantedLease:
    """A batch that a worker holds.

    Attributes:
        id: 128 random bits as hex: nobody can guess the lease of another worker.
        key: the batch.
        worker: the worker's name.
        session: the worker's session; messages about the lease count only from it.
        deadline: when the lease expires, on the table's clock, in seconds.
        exclusive: the worker must restore the batch with nothing else under way.
        started: an exclusive batch is being restored now; if its worker is lost, the batch is the cause.
    """

    id: str
    key: BatchKey
    worker: str
    session: str
    deadline: float
    exclusive: bool
    started: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnedBatch:
    """A batch whose lease ended before it was restored.

    Attributes:
        key: the batch.
        cause: why the lease ended.
        worker: the name of the worker that had it.
        given_up: the batch failed or was lost as often as it may.
        reason: one line for the title's report.
    """

    key: BatchKey
    cause: Cause
    worker: str
    given_up: bool
    reason: str


class LeaseTable:
    """The leases of one dispatcher.

    A lease ends by a receipt, a failure, a release, its deadline, or the end of its worker's stream. Nothing renews it
    but the start of an exclusive batch.

    Args:
        seconds: how long a lease lasts.
        max_failures: workers that reported a failure, after which a batch is given up.
        max_losses: workers lost while they restored a batch exclusively, after which it is given up.
        prefer_other_seconds: how long a returned batch avoids the workers that failed or lost it.
        clock: a monotonic clock in seconds.
    """

    def __init__(
        self,
        *,
        seconds: float,
        max_failures: int,
        max_losses: int,
        prefer_other_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self.seconds, self._limits = seconds, RetryLimits(max_failures, max_losses)
        self._prefer_other_seconds, self._clock = prefer_other_seconds, clock
        self._active: dict[str, GrantedLease] = {}
        self._by_worker: defaultdict[str, dict[str, GrantedLease]] = defaultdict(dict)
        self._by_key: defaultdict[BatchKey, dict[str, GrantedLease]] = defaultdict(dict)
        self._stalled: set[str] = set()
        # The batches of leases that ended without a receipt: a late receipt still counts.
        self._ended: dict[str, GrantedLease] = {}
        self._history: dict[BatchKey, BatchHistory] = {}

    def __len__(self) -> int:
        return len(self._active)

    @property
    def stalled_workers(self) -> frozenset[str]:
        """Names of the workers whose restored batches wait for the bus or the store."""
        return frozenset(self._stalled)

    def active_leases(self) -> list[GrantedLease]:
        """The leases that have not ended."""
        return list(self._active.values())

    def known_keys(self) -> set[BatchKey]:
        """The batches that the table remembers anything of."""
        return {*self._by_key, *self._history, *(lease.key for lease in self._ended.values())}

    def find(self, lease_id: str) -> GrantedLease | None:
        """A lease that is active, or has ended without a receipt while its batch is pending; None otherwise."""
        return self._active.get(lease_id) or self._ended.get(lease_id)

    @staticmethod
    def can_be_id(text: str) -> bool:
        """Whether a text has the length of a lease's id."""
        return len(text) == 2 * _ID_BYTES

    def failed_workers(self, key: BatchKey) -> frozenset[str]:
        """Names of the workers that have reported a failure of a batch."""
        history = self._history.get(key)
        return frozenset() if history is None else frozenset(history.failed_workers)

    def count_leases(self, worker: str) -> int:
        """The number of leases that a worker has."""
        return len(self._by_worker.get(worker, ()))

    def grant(self, key: BatchKey, worker: str, session: str) -> GrantedLease:
        """Leases a batch to a worker in a session."""
        history = self._history.get(key)
        lease = GrantedLease(
            id=secrets.token_hex(_ID_BYTES),
            key=key,
            worker=worker,
            session=session,
            deadline=self._clock() + self.seconds,
            exclusive=history is not None and history.needs_exclusive_lease,
        )
        self._active[lease.id] = self._by_worker[worker][lease.id] = self._by_key[key][lease.id] = lease
        return lease

    def start_exclusive(self, lease_id: str) -> None:
        """Records that a worker starts an exclusive batch, and restarts the lease's time."""
        lease = self._active.get(lease_id)
        if lease is not None and lease.exclusive:
            lease.started, lease.deadline = True, self._clock() + self.seconds

    def mark_stalled(self, worker: str) -> None:
        """Records that a worker waits for the bus or the store: leases of it that expire now count as no loss."""
        self._stalled.add(worker)

    def clear_stalled(self, worker: str) -> None:
        """Records that a worker can publish again."""
        self._stalled.discard(worker)

    def fail(self, lease_id: str, reason: str, candidates: Collection[str]) -> ReturnedBatch | None:
        """Ends a lease whose worker could not restore the batch.

        Args:
            lease_id: the lease.
            reason: one line.
            candidates: names of the workers that could have the batch now.

        Returns:
            The batch; None when the lease is not active.
        """
        return self._return_batch(lease_id, "failure", reason, candidates)

    def release(self, lease_id: str) -> ReturnedBatch | None:
        """Ends a lease whose worker has not restored the batch, at no cost; None when the lease is not active."""
        return self._return_batch(lease_id, "release", "released")

    def expire(self) -> list[ReturnedBatch]:
        """Ends every lease whose deadline has passed."""
        now = self._clock()
        expired = [lease for lease in self._active.values() if lease.deadline <= now]
        return self._return_all(expired, "expiry", f"no receipt within {self.seconds:g} s")

    def end_worker(self, worker: str, *, drained: bool) -> list[ReturnedBatch]:
        """Ends every lease of a worker whose stream ended; counts as no loss when the worker had drained."""
        self.clear_stalled(worker)
        held = list(self._by_worker.get(worker, {}).values())
        return self._return_all(held, "release" if drained else "disconnect", "connection lost")

    def forget_batch(self, key: BatchKey) -> list[GrantedLease]:
        """Removes a batch with its history and its leases; returns the leases that were active."""
        dropped = list(self._by_key.get(key, {}).values())
        for lease in dropped:
            self._remove(lease)
        history = self._history.pop(key, None)
        for lease_id in history.ended_leases if history else ():
            del self._ended[lease_id]
        return dropped

    def returned_by(self, key: BatchKey) -> frozenset[str]:
        """Names of the workers that have failed or lost a batch."""
        history = self._history.get(key)
        return frozenset() if history is None else frozenset(history.returned_by)

    def avoided_workers(self, key: BatchKey) -> frozenset[str]:
        """Names of the workers that a batch should not go to at present if another can take it."""
        history = self._history.get(key)
        return frozenset() if history is None else history.avoided_workers(self._clock())

    def _remove(self, lease: GrantedLease) -> None:
        del self._active[lease.id]
        for index, name in ((self._by_worker, lease.worker), (self._by_key, lease.key)):
            del index[name][lease.id]  # type: ignore[index]
            if not index[name]:  # type: ignore[index]
                del index[name]  # type: ignore[arg-type]

    def _return_all(self, leases: Iterable[GrantedLease], cause: Cause, reason: str) -> list[ReturnedBatch]:
        returned = [self._return_batch(lease.id, cause, reason) for lease in leases]
        return [batch for batch in returned if batch is not None]

    def _return_batch(
        self, lease_id: str, cause: Cause, reason: str, candidates: Collection[str] | None = None
    ) -> ReturnedBatch | None:
        lease = self._active.get(lease_id)
        if lease is None:
            return None
        self._remove(lease)
        history = self._history.setdefault(lease.key, BatchHistory())
        history.ended_leases.add(lease_id)
        self._ended[lease_id] = lease
        if cause != "release":
            history.avoid_worker(lease.worker, until=self._clock() + self._prefer_other_seconds)
        if cause == "failure":
            history.count_failure(lease.worker)
        elif cause == "disconnect" or (cause == "expiry" and lease.worker not in self._stalled):
            history.count_loss(while_exclusive=lease.started)
        given_up = history.exceeds(self._limits, candidates)
        return ReturnedBatch(
            key=lease.key,
            cause=cause,
            worker=lease.worker,
            given_up=given_up,
            reason=f"worker {lease.worker}: {reason}",
        )
