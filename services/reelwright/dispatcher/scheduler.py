"""Decides which batch goes to which worker. Holds the dispatcher's whole state; no thread, clock or network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from reelwright.dispatcher.connected_worker import ConnectedWorker, WorkerHello
from reelwright.dispatcher.decisions import (
    BatchFinished,
    BatchGivenUp,
    BatchRejected,
    BatchUnusable,
    Decision,
    LeaseGranted,
    RunRevoked,
    StartAllowed,
    StreamClosed,
    WorkerQuarantined,
)
from reelwright.dispatcher.engine_assignment import EngineAssignment
from reelwright.dispatcher.lease_table import GrantedLease, LeaseTable, ReturnedBatch
from reelwright.dispatcher.message_limits import OversizedBatches
from reelwright.dispatcher.quarantine import WorkerQuarantine
from reelwright.dispatcher.queued_batch import BatchKey, QueuedBatch
from reelwright.dispatcher.ready_queue import ReadyQueue
from reelwright.dispatcher.scheduler_counts import SchedulerCounts
from reelwright.dispatcher.unserved_models import UnservedModels
from reelwright.dispatcher.worker_choice import WorkerChoice
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger

log = get_logger(__name__)


class Scheduler:
    """Leases batches to workers until each one is restored, given up or dropped. For one thread.

    Methods that belong to a stream which has ended change nothing. Messages about a lease count only from the session
    that the lease was granted to; all others are refused and counted.

    Args:
        leases: the lease table.
        ready: the queue of batches that wait.
        unserved: reports models and engines that no worker has.
        quarantine: finds broken workers.
        oversized: says which batches have been too large for their workers for too long.
        max_credits: batches that a worker may hold and ask for.
    """

    def __init__(
        self,
        leases: LeaseTable,
        ready: ReadyQueue,
        unserved: UnservedModels,
        quarantine: WorkerQuarantine,
        *,
        oversized: OversizedBatches,
        max_credits: int,
    ) -> None:
        self._leases, self._ready, self._unserved = leases, ready, unserved
        self._quarantine, self._oversized, self._max_credits = quarantine, oversized, max_credits
        self._engines = EngineAssignment()
        self._batches: dict[BatchKey, QueuedBatch] = {}
        self._workers: dict[int, ConnectedWorker] = {}
        self._choice = WorkerChoice(self._workers, leases, self._engines)
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

    def pending_batches(self) -> list[QueuedBatch]:
        """The batches of `pending_keys`."""
        return list(self._batches.values())

    def connected_workers(self) -> list[ConnectedWorker]:
        """The workers with an open stream."""
        return list(self._workers.values())

    def count_leases(self, worker: ConnectedWorker) -> int:
        """The number of leases that a worker holds."""
        return self._leases.count_leases(worker.name)

    def add_batch(self, batch: QueuedBatch) -> None:
        """Adds a batch; has no effect when a batch of the same key is pending."""
        if batch.key not in self._batches:
            self._batches[batch.key] = batch
            self._enqueue(batch)

    def connect_worker(self, stream: int, hello: WorkerHello) -> None:
        """Adds a worker, or closes its stream when it is in quarantine.

        An older stream of a worker of that name is closed: its connection must be dead.
        """
        if hello.name in self._quarantine:
            metrics.MESSAGES_REFUSED.labels(cause="quarantine").inc()
            # A worker that is not replaced connects again every few seconds.
            if self._quarantine.count_refusal(hello.name) == 1:
                log.warning("worker refused", worker=hello.name, reason="it is in quarantine")
            self._decisions.append(StreamClosed(stream))
            return
        for former in self.connected_workers():
            if former.name == hello.name:
                self.disconnect_worker(former.stream)
                self._decisions.append(StreamClosed(former.stream))
        self._workers[stream] = ConnectedWorker(stream=stream, hello=hello)
        self._engines.add_worker(hello.engine, hello.models)

    def disconnect_worker(self, stream: int) -> None:
        """Removes a worker whose stream ended; its batches go to others."""
        worker = self._workers.pop(stream, None)
        if worker is not None:
            self._engines.remove_worker(worker.hello.engine, worker.hello.models)
            self._quarantine.forget(worker.name)
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
        worker = self._workers.get(stream)
        if worker is None or worker.draining:
            return
        allowed = min(count, self._max_credits - worker.credits - self.count_leases(worker))
        if allowed < count:
            metrics.MESSAGES_REFUSED.labels(cause="credits").inc()
        if allowed > 0:
            worker.credits += allowed
            self._fill_worker(worker)

    def start_exclusive_batch(self, stream: int, lease_id: str) -> None:
        """Allows a worker to start a batch that was leased exclusively; gives no answer about another worker's lease.

        The worker asks once and takes no other batch before the answer. A lease that has expired is therefore allowed
        too, and so is one whose batch has ended: that batch is restored, and its receipt is refused. Nothing is known
        of such a lease any more, so every text of the length of an id is answered.
        """
        is_own = self._find_lease(stream, lease_id) is not None
        has_ended = self._leases.find(lease_id) is None and self._leases.can_be_id(lease_id)
        if stream in self._workers and (is_own or has_ended):
            self._leases.start_exclusive(lease_id)
            self._decisions.append(StartAllowed(stream, lease_id))

    def mark_stalled(self, stream: int) -> None:
        """Records that what a worker restored waits for the bus or the store; holds until its next receipt."""
        if worker := self._workers.get(stream):
            self._leases.mark_stalled(worker.name)

    def clear_stalled(self, stream: int) -> None:
        """Records that what a worker restored no longer waits."""
        if worker := self._workers.get(stream):
            self._leases.clear_stalled(worker.name)

    def complete_batch(self, stream: int, lease_id: str) -> None:
        """Ends a batch that is restored and on the bus, also when the lease has ended before."""
        self.clear_stalled(stream)
        worker, lease = self._workers.get(stream), self._find_lease(stream, lease_id)
        if worker is None or lease is None:
            return
        worker.proven = True
        self._quarantine.count_restored(worker.name)
        failed = self._leases.failed_workers(lease.key)
        self._decisions.append(BatchFinished(self._remove_batch(lease), restored_by=worker))
        for name in failed - {worker.name}:
            self._count_broken(name, lease.key.run)

    def fail_batch(self, stream: int, lease_id: str, reason: str) -> None:
        """Ends a lease whose worker could not restore the batch."""
        if lease := self._find_lease(stream, lease_id):
            candidates = self._choice.trying(self._batches[lease.key])
            self._return_batches([self._leases.fail(lease_id, reason, candidates)])

    def reject_payload(self, stream: int, lease_id: str, reason: str) -> None:
        """Ends a batch whose payload is damaged or missing: no worker can restore it."""
        if lease := self._find_lease(stream, lease_id):
            log.warning("payload unusable", **lease.key._asdict(), reason=reason)
            self._decisions.append(BatchUnusable(self._remove_batch(lease), reason))

    def reject_batch(self, stream: int, lease_id: str, reason: str) -> None:
        """Ends a batch that no worker can restore before a person corrects a setting."""
        if lease := self._find_lease(stream, lease_id):
            self._decisions.append(BatchRejected(self._remove_batch(lease), reason))

    def release_batch(self, stream: int, lease_id: str) -> None:
        """Ends a lease whose worker has not restored the batch; the batch goes to another at no cost."""
        if self._find_lease(stream, lease_id):
            self._return_batches([self._leases.release(lease_id)])

    def quarantine_worker(self, stream: int, cause: str, reason: str) -> None:
        """Leases nothing more to a broken worker; its batches go to others at no cost.

        Args:
            stream: number of the worker's stream.
            cause: `failures`, then the worker is asked to leave, or `self_test`, then it has announced that it leaves.
            reason: one line.
        """
        worker = self._workers.get(stream)
        if worker is None:
            return
        metrics.WORKERS_QUARANTINED.labels(cause=cause).inc()
        log.error("worker quarantined", worker=worker.name, cause=cause, reason=reason)
        self._quarantine.add_worker(worker.name)
        if cause == "failures":
            self._decisions.append(WorkerQuarantined(stream, reason))
        self._decisions.append(StreamClosed(stream))
        worker.draining = True
        self.disconnect_worker(stream)

    def bind_engine(self, run: str, engine: str) -> None:
        """Gives a run the engine that the encoder has announced."""
        self._engines.bind(run, engine, announced=True)
        self._fill_workers()

    def expire_leases(self) -> None:
        """Ends expired leases and leases what can be leased by now; must be called several times a second."""
        self._return_batches(self._leases.expire())
        self._reject_oversized()
        self._fill_workers()
        metrics.BATCHES_QUEUED.set(len(self._ready))
        metrics.BATCHES_LEASED.set(len(self._leases))
        metrics.set_workers_connected(Counter(worker.hello.pool for worker in self._workers.values()))
        unserved = self._ready.unserved_models(self._engines.unserved_engine)
        self._unserved.report(unserved, workers=len(self._workers))

    def drop_run(self, run: str, attempt: int) -> None:
        """Ends all batches of an attempt and of those before it, and revokes them at the workers that hold some."""
        holders: set[str] = set()
        for batch in [each for each in self._batches.values() if each.key.run == run and each.key.attempt <= attempt]:
            self._ready.remove_batch(batch)
            holders |= {lease.worker for lease in self._leases.forget_batch(batch.key)}
            del self._batches[batch.key]
            self._decisions.append(BatchFinished(batch))
        # The next attempt may be under way when the event of this one's end arrives.
        if all(key.run != run for key in self._batches):
            self._engines.forget(run)
        for worker in self._workers.values():
            if worker.name in holders:
                self._decisions.append(RunRevoked(worker.stream, run, attempt))

    def start_drain(self) -> None:
        """Leases nothing more."""
        self._draining = True

    def _find_lease(self, stream: int, lease_id: str) -> GrantedLease | None:
        """A lease, active or ended, of the worker with this stream; None, and counted, when it is not its lease."""
        worker, lease = self._workers.get(stream), self._leases.find(lease_id)
        if worker is None:
            return None
        if lease is None or lease.session != worker.hello.session:
            # Most unknown leases are forged; some are of a dropped run, whose workers still have them.
            metrics.MESSAGES_REFUSED.labels(cause="unknown_lease" if lease is None else "foreign_lease").inc()
            return None
        return lease

    def _remove_batch(self, lease: GrantedLease) -> QueuedBatch:
        self._leases.forget_batch(lease.key)
        batch = self._batches.pop(lease.key)
        # After the end of its lease the batch may be waiting in the queue again.
        self._ready.remove_batch(batch)
        return batch

    def _count_broken(self, name: str, run: str) -> None:
        """Counts a batch that a worker failed and another one restored."""
        for worker in self.connected_workers():
            if worker.name == name and self._quarantine.count_failed(name, run):
                self.quarantine_worker(worker.stream, "failures", "it fails batches that other workers restore")

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
        if waiting := self._choice.waiting_for(batch):
            self._fill_worker(min(waiting, key=self.count_leases))

    def _fill_workers(self) -> None:
        """Leases all that can be leased; workers with few leases come first, so that none of them idles."""
        for worker in sorted(self._workers.values(), key=self.count_leases):
            self._fill_worker(worker)

    def _fill_worker(self, worker: ConnectedWorker) -> None:
        while worker.credits > 0 and len(self._ready) and not self._draining:
            batch = self._ready.pop_batch(
                worker.hello.models,
                lambda candidate: self._choice.should_restore(candidate, worker),
                is_engine_allowed=lambda request: self._engines.is_allowed(request, worker.hello.engine),
            )
            if batch is None:
                return
            worker.credits -= 1
            self._engines.bind(batch.key.run, worker.hello.engine)
            lease = self._leases.grant(batch.key, worker.name, worker.hello.session)
            self._decisions.append(
                LeaseGranted(
                    stream=worker.stream,
                    lease_id=lease.id,
                    seconds=self._leases.seconds,
                    exclusive=lease.exclusive,
                    batch=batch,
                )
            )

    def _reject_oversized(self) -> None:
        """Ends the queued batches that have been too large for all workers with their model and engine for too long."""
        reasons = self._choice.too_large(self._ready)
        for key in self._oversized.find_lasting(reasons):
            batch = self._batches.pop(key)
            self._ready.remove_batch(batch)
            self._leases.forget_batch(key)
            self._decisions.append(BatchRejected(batch, reasons[key]))


def _record_return(returned: ReturnedBatch) -> None:
    fields = {**returned.key._asdict(), "worker": returned.worker, "reason": returned.reason}
    if returned.cause == "expiry":
        metrics.LEASES_EXPIRED.inc()
        log.info("lease expired", **fields)
    else:
        log.info("batch returned", cause=returned.cause, **fields)
    if not returned.given_up and returned.cause != "release":
        metrics.BATCHES_RETRIED.labels(cause=returned.cause).inc()
