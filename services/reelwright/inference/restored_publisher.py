"""Restored batches on their way out: coded for transport, checked into the store if large, on the bus."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.messages import publish_message
from reelwright.bus.protocol import Bus, BusClosed, BusFull
from reelwright.bus.topics import RESTORED, segment_key
from reelwright.media.picture import Picture
from reelwright.media.transport import choose_codec, encode_payload
from reelwright.telemetry import metrics
from reelwright.titles.errors import UnavailableError
from reelwright.wire.frames_pb2 import FrameBatch, Payload, RestoredBatch

# How soon a publisher that waits for room notices that its batch is wanted no more.
_PUBLISH_SECONDS = 0.2
_RUNS_REMEMBERED = 16


class BatchAbandoned(Exception):
    """The batch under way is dropped or handed back."""


class RestoredPublisher:
    """Publishes restored batches, waiting for store and bus as long as a batch is wanted. Thread-safe.

    Args:
        bus: where they go.
        claims: takes what is too large for a message; waits for the store itself.
        codec: transport codec; `auto` chooses what pays, once per run.
        worker: the worker's name.
        engine: the engine's identity.
    """

    def __init__(self, bus: Bus, claims: ClaimCheck, codec: str, worker: str, engine: str) -> None:
        self._bus, self._claims, self._codec = bus, claims, codec
        self._worker, self._engine = worker, engine
        self._codecs: dict[str, str] = {}
        self._closed = threading.Event()

    def close(self) -> None:
        """Ends the wait for room; waits for broker and store end with the bus and with the store's retry policy."""
        self._closed.set()

    def publish(
        self, batch: FrameBatch, restored: Sequence[Picture], seconds: float, wanted: Callable[[], bool]
    ) -> None:
        """Returns once the bus has the restored batch.

        Args:
            batch: as it was leased.
            restored: its pictures, restored.
            seconds: wall seconds that took.
            wanted: whether to go on waiting.

        Raises:
            BatchAbandoned: the bus does not have the batch: it is not wanted any more, `close` was called, or the
                bus is closed.
        """
        with metrics.timed("transport"):
            payload = encode_payload(restored, self._codec_of(batch.run, restored[0]))
        with metrics.timed("publish"):
            self._put(self._message(batch, self._checked_in(batch, payload), seconds), wanted)

    def _codec_of(self, run: str, picture: Picture) -> str:
        if self._codec != "auto":
            return self._codec
        codec = self._codecs.get(run) or choose_codec(picture)
        if len(self._codecs) >= _RUNS_REMEMBERED:
            self._codecs.clear()
        self._codecs[run] = codec
        return codec

    def _checked_in(self, batch: FrameBatch, payload: Payload) -> Payload:
        try:
            return self._claims.check_in(payload, batch.run, batch.segment)
        except UnavailableError:
            raise BatchAbandoned from None

    def _message(self, batch: FrameBatch, payload: Payload, seconds: float) -> RestoredBatch:
        return RestoredBatch(
            run=batch.run,
            segment=batch.segment,
            batch=batch.batch,
            first_frame=batch.first_frame,
            frames=batch.frames,
            last=batch.last,
            payload=payload,
            engine=self._engine,
            worker=self._worker,
            seconds=seconds,
        )

    def _put(self, message: RestoredBatch, wanted: Callable[[], bool]) -> None:
        key = segment_key(message.run, message.segment)
        while wanted():
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
