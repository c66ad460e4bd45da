"""Publishes restored batches: coded for transport, in the store when large, and on the bus."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.conversion import (
    damage_to_wire,
    fidelity_to_wire,
    grain_to_wire,
    tone_change_to_wire,
    worst_to_wire,
)
from reelwright.bus.messages import publish_message
from reelwright.bus.protocol import Bus, BusClosed, BusFull
from reelwright.bus.topics import RESTORED, segment_key
from reelwright.media.picture import Picture
from reelwright.media.repair_mask import mask_picture
from reelwright.media.transport import choose_codec, encode_payload
from reelwright.media.worst_frame import WorstFrame
from reelwright.restoration.restore import RestoredFrame
from reelwright.telemetry import metrics
from reelwright.titles.errors import InternalError, UnavailableError
from reelwright.wire.frames_pb2 import FrameBatch, Payload, RestoredBatch

# How soon a publisher that waits for room on the bus notices that its batch was abandoned.
_PUBLISH_SECONDS = 0.2
_MAX_CODECS = 16


class BatchAbandoned(InternalError):
    """A started batch is not finished: its run was revoked, or the worker stops. It is leased again if still needed."""

    temporary = True


class RestoredPublisher:
    """Publishes restored batches. Thread-safe.

    Args:
        bus: the bus.
        claims: stores payloads that are too large for a message; waits for the store itself.
        codec: transport codec; `auto` measures once per run which one is fastest overall.
        worker: the worker's name.
        engine: the engine's identity.
        price_per_second: of a restoring thread: that of the worker's pod, divided by the batches it restores at a time.
    """

    def __init__(
        self, bus: Bus, claims: ClaimCheck, *, codec: str, worker: str, engine: str, price_per_second: float
    ) -> None:
        self._bus, self._claims, self._codec = bus, claims, codec
        self._worker, self._engine, self._price_per_second = worker, engine, price_per_second
        self._lock = threading.Lock()
        # The codecs chosen for the latest runs.
        self._codecs: dict[str, str] = {}
        self._closed = threading.Event()

    def close(self) -> None:
        """Abandons batches that wait for room on the bus. Other waits end when the bus or the store is closed."""
        self._closed.set()

    def publish(
        self,
        batch: FrameBatch,
        restored: Sequence[RestoredFrame],
        worst: Mapping[int, WorstFrame],
        *,
        seconds: float,
        is_wanted: Callable[[], bool],
    ) -> None:
        """Publishes a restored batch and returns when the bus has it.

        Args:
            batch: the batch as it was leased.
            restored: its frames, restored.
            worst: the worst frame of each shot in it, by its index.
            seconds: wall seconds that the restoration took.
            is_wanted: whether to go on waiting for the bus.

        Raises:
            BatchAbandoned: it is not wanted, or `close` was called, and the bus does not have it.
        """
        with metrics.timed("transport"):
            pictures = [frame.picture for frame in restored]
            payload = encode_payload(pictures, self._codec_of(batch.run, pictures[0]))
        with metrics.timed("publish"):
            message = self._message(batch, self._stored_if_large(payload, batch), seconds)
            message.damage.extend(damage_to_wire(frame.damage) for frame in restored if frame.damage is not None)
            changes = [frame.tone_change for frame in restored if frame.tone_change is not None]
            message.tone_changes.extend(map(tone_change_to_wire, changes))
            message.fidelity.extend(fidelity_to_wire(frame.fidelity) for frame in restored if frame.fidelity)
            message.grain.extend(grain_to_wire(frame.grain) for frame in restored if frame.grain)
            self._add_worst(message, worst)
            self._publish_when_room(message, is_wanted)

    def _add_worst(self, message: RestoredBatch, worst: Mapping[int, WorstFrame]) -> None:
        """Adds what the report may show of these frames; what has no room in the message goes to the store."""
        if not worst:
            return
        message.worst.extend(worst_to_wire(index, found) for index, found in worst.items())
        masks = [mask_picture(found.mask) for found in worst.values() if found.mask is not None]
        parts = {
            "worst_masks": masks,
            "worst_crops": [crop for found in worst.values() for crop in found.crops],
            "worst_pictures": [found.picture for found in worst.values()],
        }
        beside = len(message.payload.inline)
        for name, pictures in parts.items():
            if pictures:
                payload = self._stored_if_large(encode_payload(pictures, "zstd"), message, beside)
                beside += len(payload.inline)
                getattr(message, name).CopyFrom(payload)

    def _stored_if_large(self, payload: Payload, batch: FrameBatch | RestoredBatch, beside: int = 0) -> Payload:
        try:
            return self._claims.store_if_large(payload, batch.run, batch.segment, batch.attempt, beside=beside)
        except UnavailableError:
            raise BatchAbandoned from None

    def _codec_of(self, run: str, picture: Picture) -> str:
        if self._codec != "auto":
            return self._codec
        with self._lock:
            if run not in self._codecs:
                if len(self._codecs) >= _MAX_CODECS:
                    del self._codecs[next(iter(self._codecs))]
                self._codecs[run] = choose_codec(picture)
            return self._codecs[run]

    def _message(self, batch: FrameBatch, payload: Payload, seconds: float) -> RestoredBatch:
        message = RestoredBatch(
            run=batch.run,
            attempt=batch.attempt,
            segment=batch.segment,
            batch=batch.batch,
            first_frame=batch.first_frame,
            frames=batch.frames,
            last=batch.last,
            engine=self._engine,
            worker=self._worker,
            seconds=seconds,
            cost=seconds * self._price_per_second,
        )
        # As an argument it would be written and read again, which takes three times as long.
        message.payload.CopyFrom(payload)
        return message

    def _publish_when_room(self, message: RestoredBatch, is_wanted: Callable[[], bool]) -> None:
        key = segment_key(message.run, message.segment)
        while is_wanted():
            try:
                publish_message(self._bus, RESTORED, key, message, timeout=_PUBLISH_SECONDS)
            except BusFull:
                if self._closed.is_set():
                    break
            except BusClosed:
                break
            else:
                return
        raise BatchAbandoned
