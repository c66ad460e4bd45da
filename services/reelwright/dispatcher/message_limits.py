"""Batches that are larger than the messages that dispatcher or workers accept: their titles fail once, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from reelwright.dispatcher.connected_worker import ConnectedWorker
from reelwright.dispatcher.queued_batch import BatchKey, QueuedBatch
from reelwright.telemetry.logs import get_logger

log = get_logger(__name__)


class OversizedBatches:
    """Remembers since when queued batches have been too large for every worker that could restore them.

    Such a batch waits at first: while dispatchers restart or workers are replaced, the workers that are connected are
    not all there are.

    Args:
        seconds: how long a batch waits for a worker that accepts it.
        clock: a monotonic clock in seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds, self._clock = seconds, clock
        self._since: dict[BatchKey, float] = {}

    def find_lasting(self, reasons: Mapping[BatchKey, str]) -> list[BatchKey]:
        """The batches that have waited too long; must be called several times a second.

        Args:
            reasons: the batches that are too large for every worker at present, with the reason, one line.
        """
        now = self._clock()
        known_runs = {key.run for key in self._since}
        for key, reason in reasons.items():
            if key.run not in known_runs:
                known_runs.add(key.run)
                log.warning("batch waits for a worker that accepts it", **key._asdict(), reason=reason)
        self._since = {key: self._since.get(key, now) for key in reasons}
        return [key for key, since in self._since.items() if now - since >= self._seconds]


def too_large_to_send(batch: QueuedBatch, max_message_bytes: int) -> str:
    """Why the dispatcher can send a batch to no worker; empty when it can.

    Args:
        batch: the batch.
        max_message_bytes: largest message to a worker.
    """
    if batch.message_bytes <= max_message_bytes:
        return ""
    return _reason(batch, f"REELWRIGHT_DISPATCHER_MAX_MESSAGE_BYTES ({max_message_bytes})")


def too_large_for_all(batch: QueuedBatch, workers: Sequence[ConnectedWorker]) -> str:
    """Why none of the workers that could restore a batch accepts it; empty when one does, or there are none.

    Args:
        batch: the batch.
        workers: those with its model and engine.
    """
    if not workers or any(worker.accepts(batch.message_bytes) for worker in workers):
        return ""
    limit = max(worker.hello.max_message_bytes for worker in workers)
    return _reason(batch, f"REELWRIGHT_INFERENCE_MAX_MESSAGE_BYTES ({limit})")


def _reason(batch: QueuedBatch, setting: str) -> str:
    remedy = f"raise {setting}, or lower REELWRIGHT_BUS_INLINE_BYTES of the decoders"
    return f"a message of {batch.message_bytes} bytes is too large for the workers; {remedy}"
