"""Batches that are larger than the messages that dispatcher or workers accept: their titles fail once, by name."""

from __future__ import annotations

from collections.abc import Sequence

from reelwright.dispatcher.connected_worker import ConnectedWorker
from reelwright.dispatcher.queued_batch import QueuedBatch


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
