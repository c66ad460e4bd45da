"""The scheduler's outbox: what it decides, as values for the gRPC server and the frame consumer to carry out."""

from __future__ import annotations

from dataclasses import dataclass

from reelwright.dispatcher.connected_worker import ConnectedWorker
from reelwright.dispatcher.queued_batch import QueuedBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseGranted:
    """A worker gets a batch.

    Attributes:
        stream: number of the worker's stream.
        lease_id: the lease's id.
        seconds: how long the lease lasts.
        exclusive: the worker must restore the batch with nothing else under way.
        batch: the batch.
    """

    stream: int
    lease_id: str
    seconds: float
    exclusive: bool
    batch: QueuedBatch


@dataclass(frozen=True, slots=True)
class StartAllowed:
    """A worker may start an exclusive batch.

    Attributes:
        stream: number of the worker's stream.
        lease_id: the batch's lease.
    """

    stream: int
    lease_id: str


@dataclass(frozen=True, slots=True)
class RunRevoked:
    """A worker must drop what it holds of a run.

    Attributes:
        stream: number of the worker's stream.
        run: the run's id.
        attempt: number of the attempt that has ended.
    """

    stream: int
    run: str
    attempt: int


@dataclass(frozen=True, slots=True)
class WorkerQuarantined:
    """A worker fails batches that others restore, and must leave.

    Attributes:
        stream: number of the worker's stream.
        reason: one line.
    """

    stream: int
    reason: str


@dataclass(frozen=True, slots=True)
class StreamClosed:
    """A stream must end: its worker has opened another one or is quarantined, or a message could not be handled.

    Attributes:
        stream: number of the stream.
    """

    stream: int


@dataclass(frozen=True, slots=True)
class BatchFinished:
    """A batch needs no more work: it is restored, or its run was dropped.

    Attributes:
        batch: the batch.
        restored_by: the worker that restored it; None when its run was dropped.
    """

    batch: QueuedBatch
    restored_by: ConnectedWorker | None = None


@dataclass(frozen=True, slots=True)
class BatchGivenUp:
    """A batch failed or was lost as often as it may; its title fails.

    Attributes:
        batch: the batch.
        reason: one line about the last failure or loss.
    """

    batch: QueuedBatch
    reason: str


@dataclass(frozen=True, slots=True)
class BatchRejected:
    """No worker can restore a batch before a person corrects a setting; its title fails.

    Attributes:
        batch: the batch.
        reason: one line that names the setting.
    """

    batch: QueuedBatch
    reason: str


@dataclass(frozen=True, slots=True)
class BatchUnusable:
    """A batch's payload is damaged or missing; its segment must be published again.

    Attributes:
        batch: the batch.
        reason: one line about what is wrong.
    """

    batch: QueuedBatch
    reason: str


StreamDecision = LeaseGranted | StartAllowed | RunRevoked | WorkerQuarantined | StreamClosed
BatchOutcome = BatchFinished | BatchGivenUp | BatchRejected | BatchUnusable
Decision = StreamDecision | BatchOutcome
