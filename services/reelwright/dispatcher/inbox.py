"""The scheduler's inbox: everything that reaches it, as values, and how each one is applied."""

from __future__ import annotations

from dataclasses import dataclass

from reelwright.dispatcher.connected_worker import WorkerHello
from reelwright.dispatcher.queued_batch import QueuedBatch
from reelwright.dispatcher.scheduler import Scheduler
from reelwright.wire.dispatch_pb2 import Failure, WorkerMessage
from reelwright.wire.titles_pb2 import Event


@dataclass(frozen=True, slots=True)
class BatchesConsumed:
    """Batches were read from the bus.

    Attributes:
        batches: the batches.
    """

    batches: tuple[QueuedBatch, ...]


@dataclass(frozen=True, slots=True)
class WorkerConnected:
    """A worker opened a stream.

    Attributes:
        stream: number of the stream, unique in this dispatcher.
        hello: what the worker says of itself.
    """

    stream: int
    hello: WorkerHello


@dataclass(frozen=True, slots=True)
class WorkerMessageReceived:
    """A worker sent a message.

    Attributes:
        stream: number of the worker's stream.
        message: the message.
    """

    stream: int
    message: WorkerMessage


@dataclass(frozen=True, slots=True)
class WorkerDisconnected:
    """A worker's stream ended. The last message of a stream.

    Attributes:
        stream: number of the stream.
    """

    stream: int


@dataclass(frozen=True, slots=True)
class TitleEnded:
    """A title failed, was cancelled or is finished.

    Attributes:
        run: the title's run.
        attempt: number of the attempt that has ended.
    """

    run: str
    attempt: int


@dataclass(frozen=True, slots=True)
class EngineAnnounced:
    """The encoder has bound a run to an engine.

    Attributes:
        run: the run.
        engine: the engine's identity.
    """

    run: str
    engine: str


@dataclass(frozen=True, slots=True)
class EventReceived:
    """An event about a title, for the planner alone.

    Attributes:
        event: the event.
    """

    event: Event


@dataclass(frozen=True, slots=True)
class DrainRequested:
    """The dispatcher stops: nothing more is leased."""


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Sent several times a second, so that leases expire on time."""


InboxMessage = (
    BatchesConsumed
    | WorkerConnected
    | WorkerMessageReceived
    | WorkerDisconnected
    | TitleEnded
    | EngineAnnounced
    | EventReceived
    | DrainRequested
    | TimePassed
)


def apply_message(scheduler: Scheduler, message: InboxMessage) -> None:
    """Applies a message to the scheduler, which keeps its decisions for `pop_decisions`."""
    match message:
        case WorkerMessageReceived(stream, sent):
            _apply_worker_message(scheduler, stream, sent)
        case BatchesConsumed(batches):
            for batch in batches:
                scheduler.add_batch(batch)
        case WorkerConnected(stream, hello):
            scheduler.connect_worker(stream, hello)
        case WorkerDisconnected(stream):
            scheduler.disconnect_worker(stream)
        case TitleEnded(run, attempt):
            scheduler.drop_run(run, attempt)
        case EngineAnnounced(run, engine):
            scheduler.bind_engine(run, engine)
        case TimePassed():
            scheduler.expire_leases()
        case DrainRequested():
            scheduler.start_drain()


def _apply_worker_message(scheduler: Scheduler, stream: int, message: WorkerMessage) -> None:
    match message.WhichOneof("message"):
        case "receipt" if not message.receipt.lease:
            scheduler.clear_stalled(stream)
        case "receipt":
            scheduler.complete_batch(stream, message.receipt.lease)
        case "failure":
            _apply_failure(scheduler, stream, message.failure)
        case "start_request":
            scheduler.start_exclusive_batch(stream, message.start_request.lease)
        case "stalled":
            scheduler.mark_stalled(stream)
        case "release" if message.release.lease:
            scheduler.release_batch(stream, message.release.lease)
        case "release":
            scheduler.drain_worker(stream)
        case "quarantine":
            scheduler.quarantine_worker(stream, "self_test", message.quarantine.reason)
    if message.credits:
        scheduler.add_credits(stream, message.credits)


def _apply_failure(scheduler: Scheduler, stream: int, failure: Failure) -> None:
    if failure.payload_unusable:
        scheduler.reject_payload(stream, failure.lease, failure.reason)
    elif failure.permanent:
        scheduler.reject_batch(stream, failure.lease, failure.reason)
    else:
        scheduler.fail_batch(stream, failure.lease, failure.reason)
