"""The dispatcher's whole state and its decisions: which batch goes to which worker. No thread, clock or network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from reelwright.dispatcher.lease_table import LeaseTable, ReturnedBatch
from reelwright.dispatcher.ready_queue import BatchKey, QueuedBatch, ReadyQueue
from reelwright.dispatcher.unserved_models import UnservedModels
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger
from reelwright.wire.dispatch_pb2 import Begin, DispatcherMessage, Lease, Revoke

log = get_logger(__name__)


@dataclass(slots=True, eq=False)
class ConnectedWorker:
    """A worker with an open stream.

    Attributes:
        name: its own, unique among workers.
        models: SHA-256 of the models it serves, as hex.
        send: puts a DispatcherMessage, serialized, on its stream; never waits.
        hang_up: ends its stream.
        credits: batches it has room for.
        draining: it takes nothing more and will go.
    """

    name: str
    models: frozenset[str]
    send: Callable[[bytes], None]
    hang_up: Callable[[], None]
    credits: int = 0
    draining: bool = False


class Scheduler:
    """Takes batches in, leases them out, and tells when each one is settled. Used by one thread.

    Args:
        leases: the lease table.
        ready: the queue.
        unserved: told what no worker serves.
        finished: called once for each batch that needs no more work: restored, or of a run that was dropped.
        given_up: called once for each batch that failed too often, with the last reason.
        unusable: called once for each batch whose bytes are damaged or gone, with the reason.
    """

    def __init__(
        self,
        leases: LeaseTable,
        ready: ReadyQueue,
        unserved: UnservedModels,
        finished: Callable[[QueuedBatch], None],
        given_up: Callable[[QueuedBatch, str], None],
        unusable: Callable[[QueuedBatch, str], None],
    ) -> None:
        self._leases, self._ready, self._unserved = leases, ready, unserved
        self._finished, self._given_up, self._unusable = finished, given_up, unusable
        self._batches: dict[BatchKey, QueuedBatch] = {}
        self._workers: dict[str, ConnectedWorker] = {}
        self._draining = False

    @property
    def leased(self) -> int:
        """Batches in workers' hands."""
        return len(self._leases)

    def add(self, batch: QueuedBatch) -> None:
        """Takes a batch in; one that is held already is not taken twice."""
        if batch.key not in self._batches:
            self._batches[batch.key] = batch
            self._offer(batch)

    def join(self, worker: ConnectedWorker) -> None:
        """A worker opened its stream; an older stream of the same name is taken for dead."""
        if former := self._workers.get(worker.name):
            self.leave(former)
            former.hang_up()
        self._workers[worker.name] = worker

    def leave(self, worker: ConnectedWorker) -> None:
        """A worker's stream ended; its batches go to others."""
        if self._workers.get(worker.name) is worker:
            del self._workers[worker.name]
            self._take_back(self._leases.leave(worker.name, orderly=worker.draining))
            # What was kept from others for this one's sake is not any more.
            self._match()

    def pull(self, worker: ConnectedWorker, credits_: int) -> None:
        """A worker has room for more batches."""
        worker.credits += credits_
        self._fill(worker)

    def ready(self, worker: ConnectedWorker, lease_id: str) -> None:
        """A worker is free to begin a batch that was leased alone."""
        self._leases.blame(lease_id)
        # Said of a lapsed lease too, or the worker would wait for ever; its late receipt counts.
        worker.send(DispatcherMessage(begin=Begin(lease=lease_id)).SerializeToString())

    def stalled(self, worker: ConnectedWorker) -> None:
        """What a worker restored does not get out."""
        self._leases.stall(worker.name)

    def receipt(self, worker: ConnectedWorker, lease_id: str) -> None:
        """A restored batch is on the bus."""
        self._leases.unstall(worker.name)
        if batch := self._take_out(lease_id):
            self._finished(batch)

    def failure(self, lease_id: str, reason: str) -> None:
        """A worker could not restore a batch."""
        self._take_back([self._leases.failure(lease_id, reason)])

    def unusable(self, lease_id: str, reason: str) -> None:
        """A batch's bytes are damaged or gone: whoever tries, it cannot be restored as it is."""
        if batch := self._take_out(lease_id):
            log.warning("batch unusable", batch=batch.key, reason=reason)
            self._unusable(batch, reason)

    def hand_back(self, worker: ConnectedWorker, lease_id: str) -> None:
        """A worker gives a batch back that it has not restored, or says by an empty `lease_id` that it drains."""
        if not lease_id:
            worker.draining = True
            worker.credits = 0
        self._take_back([self._leases.hand_back(lease_id)])

    def tick(self) -> None:
        """Acts on the time that passed; to be called a few times a second."""
        self._take_back(self._leases.expire())
        self._match()
        metrics.BATCHES_QUEUED.set(len(self._ready))
        metrics.BATCHES_IN_FLIGHT.set(len(self._leases))
        metrics.WORKERS_CONNECTED.set(len(self._workers))
        served = {model for worker in self._workers.values() for model in worker.models}
        self._unserved.watch(self._ready.unserved(served), len(self._workers))

    def drop_run(self, run: str) -> None:
        """Forgets what is held of a run, and tells the workers that hold some of it."""
        self._ready.drop_run(run)
        holders: set[str] = set()
        for batch in [batch for batch in self._batches.values() if batch.run == run]:
            holders |= {lease.worker for lease in self._leases.forget(batch.key)}
            del self._batches[batch.key]
            self._finished(batch)
        for name in holders & self._workers.keys():
            self._workers[name].send(DispatcherMessage(revoke=Revoke(run=run)).SerializeToString())

    def drain(self) -> None:
        """Leases nothing more."""
        self._draining = True

    def _take_out(self, lease_id: str) -> QueuedBatch | None:
        """The batch of a lease, which is not held any more."""
        key = self._leases.receipt(lease_id)
        if key is None:
            return None
        batch = self._batches.pop(key)
        # It may wait here again when the word comes after the lease's end.
        self._ready.discard(batch)
        return batch

    def _take_back(self, returned: Iterable[ReturnedBatch | None]) -> None:
        for back in returned:
            if back is None:
                continue
            batch = self._batches[back.key]
            _count(back)
            if back.given_up:
                self._leases.forget(back.key)
                del self._batches[back.key]
                self._given_up(batch, back.reason)
            else:
                self._offer(batch)

    def _offer(self, batch: QueuedBatch) -> None:
        """Puts a batch into the queue; the least burdened of the workers that would take it has the next one."""
        self._ready.put(batch)
        hungry = [worker for worker in self._workers.values() if worker.credits > 0 and self._suits(batch, worker)]
        if hungry:
            self._fill(min(hungry, key=lambda worker: self._leases.held_by(worker.name)))

    def _match(self) -> None:
        """Leases whatever can be leased, the least burdened worker first, so that none idles while another hoards."""
        for worker in sorted(self._workers.values(), key=lambda worker: self._leases.held_by(worker.name)):
            self._fill(worker)

    def _fill(self, worker: ConnectedWorker) -> None:
        while worker.credits > 0 and len(self._ready) and not self._draining:
            batch = self._ready.take(worker.models, lambda candidate: self._suits(candidate, worker))
            if batch is None:
                return
            worker.credits -= 1
            lease = self._leases.grant(batch.key, worker.name)
            message = DispatcherMessage(lease=Lease(lease=lease.id, seconds=self._leases.seconds, alone=lease.alone))
            # Not as an argument above: protobuf would serialize and parse the lease to copy it, 2 ms for 700 kB.
            message.lease.batch = batch.value
            worker.send(message.SerializeToString())

    def _suits(self, batch: QueuedBatch, worker: ConnectedWorker) -> bool:
        if batch.model_sha256 not in worker.models:
            return False
        avoided = self._leases.avoided(batch.key)
        return worker.name not in avoided or not any(
            batch.model_sha256 in other.models and other.name not in avoided for other in self._workers.values()
        )


def _count(back: ReturnedBatch) -> None:
    if back.cause == "expiry":
        metrics.LEASE_EXPIRIES.inc()
    if not back.given_up and back.cause != "hand_back":
        metrics.RETRIES.labels(cause=back.cause).inc()
    log.info("batch came back", batch=back.key, cause=back.cause, reason=back.reason)
