"""Says which of the connected workers may restore a batch, and which of them should."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping

from reelwright.dispatcher.connected_worker import ConnectedWorker
from reelwright.dispatcher.engine_assignment import EngineAssignment
from reelwright.dispatcher.lease_table import LeaseTable
from reelwright.dispatcher.message_limits import too_large_for_all
from reelwright.dispatcher.queued_batch import BatchKey, QueuedBatch


class WorkerChoice:
    """Compares the workers by what they serve, and by what they have failed or lost.

    Args:
        workers: the connected workers by stream, as they are at any time.
        leases: the lease table.
        engines: the engine of each run.
    """

    def __init__(self, workers: Mapping[int, ConnectedWorker], leases: LeaseTable, engines: EngineAssignment) -> None:
        self._workers, self._leases, self._engines = workers, leases, engines

    def serves(self, batch: QueuedBatch, worker: ConnectedWorker) -> bool:
        """Whether a worker takes work, and has the model and the engine of a batch."""
        return (
            not worker.draining
            and batch.model_sha256 in worker.hello.models
            and self._engines.is_allowed(batch.engine_request, worker.hello.engine)
        )

    def can_restore(self, batch: QueuedBatch, worker: ConnectedWorker) -> bool:
        """Whether a worker serves a batch, and accepts a message of its size."""
        return worker.accepts(batch.message_bytes) and self.serves(batch, worker)

    def should_restore(self, batch: QueuedBatch, worker: ConnectedWorker) -> bool:
        """Whether a worker should have a batch that it serves, and not leave it to a better one."""
        if not worker.accepts(batch.message_bytes):
            return False
        returned_by = self._leases.returned_by(batch.key)
        if not returned_by:
            return True
        mine, waits = _rank(worker, returned_by), bool(self._leases.avoided_workers(batch.key))
        return not any(
            _rank(other, returned_by) > mine and (waits or other.credits) and self.can_restore(batch, other)
            for other in self._workers.values()
        )

    def waiting_for(self, batch: QueuedBatch) -> list[ConnectedWorker]:
        """The workers that ask for a batch and should have this one."""
        return [
            worker
            for worker in self._workers.values()
            if worker.credits > 0 and self.serves(batch, worker) and self.should_restore(batch, worker)
        ]

    def trying(self, batch: QueuedBatch) -> list[str]:
        """Names of the workers that can restore a batch, and will try."""
        # A worker that neither holds a batch nor asks for one hangs, and will not try this one.
        return [
            worker.name
            for worker in self._workers.values()
            if self.can_restore(batch, worker) and (worker.credits or self._leases.count_leases(worker.name))
        ]

    def too_large(self, batches: Iterable[QueuedBatch]) -> dict[BatchKey, str]:
        """The batches that are too large for every worker that serves them, each with the reason, one line."""
        workers, reasons = self._workers.values(), dict[BatchKey, str]()
        smallest = min((worker.hello.max_message_bytes or math.inf for worker in workers), default=math.inf)
        for batch in batches:
            if batch.message_bytes > smallest and (
                reason := too_large_for_all(batch, [worker for worker in workers if self.serves(batch, worker)])
            ):
                reasons[batch.key] = reason
        return reasons


def _rank(worker: ConnectedWorker, returned_by: Collection[str]) -> int:
    """How well a worker suits a batch that others have failed or lost; the higher, the better.

    A worker that has restored nothing yet may be the broken one that was replaced and has a new name.
    """
    return 0 if worker.name in returned_by else 1 + worker.proven
