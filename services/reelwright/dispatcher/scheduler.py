"""Decides which batch goes to which worker. Holds the dispatcher's whole state; no thread, clock or network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reelwright.dispatcher.decisions import (
    BatchFinished,
    BatchGivenUp,
    BatchUnusable,
    Decision,
    LeaseGranted,
    RunRevoked,
    StartAllowed,
    StreamClosed,
)
from reelwright.dispatcher.lease_table import LeaseTable, ReturnedBatch
from reelwright.dispatcher.ready_queue import BatchKey, QueuedBatch, ReadyQueue
from reelwright.dispatcher.unserved_models import UnservedModels
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger

log = get_logger(__name__)


@dataclass(slots=True, eq=False)
class ConnectedWorker:
    """A worker with an open stream.

    Attributes:
        stream: number of its stream.
        name: its name, unique among workers.
        models: SHA-256 of the models it serves, as hex.
        credits: batches that it has asked for and not received.
        draining: it takes no more batches and will disconnect.
    """

    stream: int
    name: str
    models: frozenset[str]
    credits: int = 0
    draining: bool = False


@dataclass(frozen=True, slots=True)
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


class Scheduler:
    """Leases batches to workers until each one is restored, given up or dropped. For one thread.

    Methods that belong to a stream which has ended change nothing, except that a receipt always counts.

    Args:
        leases: the lease table.
        ready: the queue of batches that wait.
        unserved: reports models that no worker serves.
    """

    def __init__(self, leases: LeaseTable, ready: ReadyQueue, unserved: UnservedModels) -> None:
        self._leases, self._ready, self._unserved = leases, ready, unserved
        self._batches: dict[BatchKey, QueuedBatch] = {}
        self._workers: dict[int, ConnectedWorker] = {}
        self._decisions: list[Decision] = []
        self._draining = False

    def pop_decisions(self) -> list[Decision]:
        """The decisions since the last call, in order."""
        decisions, self._decisions = self._decisions, []
        return decisions

    def counts(self) -> SchedulerCounts:
        """What the scheduler holds, in numbers."""
        return SchedulerCounts(
            workers=len(self._workers),
            stalled_workers=len(self._leases.stalled_workers),
            batches=len(self._batches),
            queued=len(self._ready),
            leases=len(self._leases),
            draining=self._draining,
        )

    def pending_keys(self) -> set[BatchKey]:
        """The batches that are neither finished, given up nor unusable."""
        return set(self._batches)

    def connected_workers(self) -> list[ConnectedWorker]:
        """The workers with an open stream."""
        return list(self._workers.values())

    def add_batch(self, batch: QueuedBatch) -> None:
        """Adds a batch; has no effect when a batch of the same key is pending."""
        if batch.key not in self._batches:
            self._batches[batch.key] = batch
            self._enqueue(batch)

    def connect_worker(self, stream: int, name: str, models: frozenset[str]) -> None:
        """Adds a worker. An older stream of a worker of that name is closed: its connection must be dead."""
        for former in self.connected_workers():
            if former.name == name:
                self.disconnect_worker(former.stream)
                self._decisions.append(StreamClosed(former.stream))
        self._workers[stream] = ConnectedWorker(stream, name, models)

    def disconnect_worker(self, stream: int) -> None:
        """Removes a worker whose stream ended; its batches go to others."""
        worker = self._workers.pop(stream, None)
        if worker is not None:
            self._return_batches(self._leases.end_worker(worker.name, drained=worker.draining))
            # Batches held back for this worker may go to others now.
            self._fill_workers()

    def drain_worker(self, stream: int) -> None:
        """Leases nothing more to a worker."""
        if worker := self._workers.get(stream):
            worker.draining = True
            worker.credits = 0

    def add_credits(self, stream: int, count: int) -> None:
        """Lets a worker have `count` batches more."""
        if worker := self._workers.get(stream):
            worker.credits += count
            self._fill_worker(worker)

    def start_exclusive_batch(self, stream: int, lease_id: str) -> None:
        """Allows a worker to start a batch that was leased exclusively."""
        self._leases.start_exclusive(lease_id)
        # Allowed for an expired lease too, because the worker waits for the answer and its late receipt counts.
        self._decisions.append(StartAllowed(stream, lease_id))

    def mark_stalled(self, stream: int) -> None:
        """Records that what a worker restored waits for the bus or the store; holds until its next receipt."""
        if worker := self._workers.get(stream):
            self._leases.mark_stalled(worker.name)

    def complete_batch(self, stream: int, lease_id: str) -> None:
        """Ends a batch that is restored and on the bus."""
        if worker := self._workers.get(stream):
            self._leases.clear_stalled(worker.name)
        if batch := self._remove_batch(lease_id):
            self._decisions.append(BatchFinished(batch))

    def fail_batch(self, lease_id: str, reason: str) -> None:
        """Ends a lease whose worker could not restore the batch."""
        self._return_batches([self._leases.fail(lease_id, reason)])

    def reject_payload(self, lease_id: str, reason: str) -> None:
        """Ends a batch whose payload is damaged or missing: no worker can restore it."""
        if batch := self._remove_batch(lease_id):
            log.warning("payload unusable", **batch.key._asdict(), reason=reason)
            self._decisions.append(BatchUnusable(batch, reason))

    def release_batch(self, lease_id: str) -> None:
        """Ends a lease whose worker has not restored the batch; the batch goes to another at no cost."""
        self._return_batches([self._leases.release(lease_id)])

    def expire_leases(self) -> None:
        """Ends expired leases and leases what can be leased by now; must be called several times a second."""
        self._return_batches(self._leases.expire())
        self._fill_workers()
        metrics.BATCHES_QUEUED.set(len(self._ready))
        metrics.BATCHES_LEASED.set(len(self._leases))
        metrics.WORKERS_CONNECTED.set(len(self._workers))
        served = {model for worker in self._workers.values() for model in worker.models}
        self._unserved.report(self._ready.unserved_models(served), workers=len(self._workers))

    def drop_run(self, run: str, attempt: int) -> None:
        """Ends all batches of an attempt and of those before it, and revokes them at the workers that hold some."""
        holders: set[str] = set()
        for batch in [each for each in self._batches.values() if each.key.run == run and each.key.attempt <= attempt]:
            self._ready.remove_batch(batch)
            holders |= {lease.worker for lease in self._leases.forget_batch(batch.key)}
            del self._batches[batch.key]
            self._decisions.append(BatchFinished(batch))
        for worker in self._workers.values():
            if worker.name in holders:
                self._decisions.append(RunRevoked(worker.stream, run, attempt))

    def start_drain(self) -> None:
        """Leases nothing more."""
        self._draining = True

    def _remove_batch(self, lease_id: str) -> QueuedBatch | None:
        key = self._leases.complete(lease_id)
        if key is None:
            return None
        batch = self._batches.pop(key)
        # After the end of its lease the batch may be waiting in the queue again.
        self._ready.remove_batch(batch)
        return batch

    def _return_batches(self, returned: Iterable[ReturnedBatch | None]) -> None:
        for each in returned:
            if each is None:
                continue
            batch = self._batches[each.key]
            _record_return(each)
            if each.given_up:
                self._leases.forget_batch(each.key)
                del self._batches[each.key]
                self._decisions.append(BatchGivenUp(batch, each.reason))
            else:
                self._enqueue(batch)

    def _enqueue(self, batch: QueuedBatch) -> None:
        """Queues a batch; of the workers that may have it, the one with the fewest leases gets the next batch."""
        self._ready.add_batch(batch)
        waiting = [w for w in self._workers.values() if w.credits > 0 and self._is_allowed(batch, w)]
        if waiting:
            self._fill_worker(min(waiting, key=self._count_leases))

    def _fill_workers(self) -> None:
        """Leases all that can be leased; workers with few leases come first, so that none of them idles."""
        for worker in sorted(self._workers.values(), key=self._count_leases):
            self._fill_worker(worker)

    def _fill_worker(self, worker: ConnectedWorker) -> None:
        while worker.credits > 0 and len(self._ready) and not self._draining:
            batch = self._ready.pop_batch(worker.models, lambda candidate: self._is_allowed(candidate, worker))
            if batch is None:
                return
            worker.credits -= 1
            lease = self._leases.grant(batch.key, worker.name)
            self._decisions.append(
                LeaseGranted(
                    stream=worker.stream,
                    lease_id=lease.id,
                    seconds=self._leases.seconds,
                    exclusive=lease.exclusive,
                    batch=batch,
                )
            )

    def _count_leases(self, worker: ConnectedWorker) -> int:
        return self._leases.count_leases(worker.name)

    def _is_allowed(self, batch: QueuedBatch, worker: ConnectedWorker) -> bool:
        if batch.model_sha256 not in worker.models:
            return False
        avoided = self._leases.avoided_workers(batch.key)
        return worker.name not in avoided or not any(
            batch.model_sha256 in other.models and other.name not in avoided for other in self._workers.values()
        )


def _record_return(returned: ReturnedBatch) -> None:
    fields = {**returned.key._asdict(), "worker": returned.worker, "reason": returned.reason}
    if returned.cause == "expiry":
        metrics.LEASES_EXPIRED.inc()
        log.info("lease expired", **fields)
    else:
        log.info("batch returned", cause=returned.cause, **fields)
    if not returned.given_up and returned.cause != "release":
        metrics.BATCHES_RETRIED.labels(cause=returned.cause).inc()
