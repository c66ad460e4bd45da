"""The batches that the dispatcher queues and leases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from reelwright.dispatcher.engine_assignment import EngineRequest
from reelwright.titles.identity import FIRST_ATTEMPT

LEASE_BYTES = 1024
"""Upper bound of what a lease adds to the bytes of its batch."""


class BatchKey(NamedTuple):
    """Identifies a batch.

    Attributes:
        run: the run's id.
        segment: the segment's number in the run.
        batch: the batch's number in the segment.
        attempt: number of the run's attempt.
    """

    run: str
    segment: int
    batch: int
    attempt: int = FIRST_ATTEMPT


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class QueuedBatch:
    """A batch as the dispatcher handles it; its frames are never decoded here.

    Attributes:
        key: run, segment, batch and attempt.
        priority: its priority class, one of `ready_queue.CLASS_WEIGHTS`.
        model: name of the model, for log lines.
        model_sha256: SHA-256 of the model that a worker must serve, as hex.
        engine: the engine that a worker must have, in words as for `titles.identity.engine_matches`.
        first_frame: index in the title of its first frame.
        frames: number of frames.
        film_frames: number of frames of the film that they are: with their repeats.
        pixels: luma samples of these frames together.
        deadline: when the film is wanted, in unix seconds; None without a deadline.
        value: the FrameBatch message, serialized.
        traceparent: of the span in which it was published; empty when nothing is traced.
    """

    key: BatchKey
    priority: str
    model: str
    model_sha256: str
    engine: str
    first_frame: int
    frames: int
    film_frames: int
    pixels: int
    deadline: float | None
    value: bytes
    traceparent: str = ""

    @property
    def message_bytes(self) -> int:
        """Upper bound of the message that leases it."""
        return len(self.value) + LEASE_BYTES

    @property
    def engine_request(self) -> EngineRequest:
        """What decides which engines may restore it."""
        return EngineRequest(self.key.run, self.model_sha256, self.engine)
