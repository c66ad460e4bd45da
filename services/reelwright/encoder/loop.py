"""The encoder's loop: restored batches in, committed segments and finished films out."""

from __future__ import annotations

import logging
import threading
import zlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from reelwright.bus.events import EventListener, publish_event, title_failure
from reelwright.bus.protocol import Bus, Consumer, Record
from reelwright.bus.topics import RESTORED, segment_key
from reelwright.encoder.finish import finish_title, ready
from reelwright.encoder.lane import Lane
from reelwright.encoder.settings import EncoderSettings
from reelwright.ledger.store import RunLedger
from reelwright.titles.errors import UserError
from reelwright.wire.frames_pb2 import RestoredBatch
from reelwright.wire.titles_pb2 import Event, TitleFinished

log = logging.getLogger(__name__)

GROUP = "encoder"
_POLL_SECONDS = 0.1


class Encoder:
    """Encodes and assembles until told to stop.

    Args:
        bus: the bus.
        ledger: opens a run's ledger by its name.
        settings: the encoder's.
    """

    def __init__(self, bus: Bus, ledger: Callable[[str], RunLedger], settings: EncoderSettings) -> None:
        self._bus, self._ledger, self._settings = bus, ledger, settings
        self._finished: deque[Record] = deque()
        self._assembling: set[str] = set()
        self._lock = threading.Lock()

    def run(self, stop: threading.Event) -> None:
        """Serves until `stop` is set; segments that are not whole by then are left to redelivery."""
        restored = self._bus.consumer([RESTORED], GROUP)
        with ThreadPoolExecutor(1, thread_name_prefix="assemble") as self._assembler:
            self._lanes = [
                Lane(
                    self._bus,
                    self._ledger,
                    self._settings.scratch,
                    self._finished.append,
                    self._finish_if_ready,
                )
                for _ in range(self._settings.lanes)
            ]
            # One encoder starts an assembly, but every encoder must hear that a run was dropped.
            listeners = [
                EventListener(self._bus, self._planned, GROUP),
                EventListener(self._bus, self._heard),
            ]
            try:
                self._serve(restored, stop)
            finally:
                for listener in listeners:
                    listener.close()
                for lane in self._lanes:
                    lane.close()
                self._acknowledge(restored)
                restored.close()

    def _serve(self, restored: Consumer, stop: threading.Event) -> None:
        while not stop.is_set():
            for record in restored.poll(_POLL_SECONDS, limit=4):
                batch = RestoredBatch.FromString(record.value)
                key = segment_key(batch.run, batch.segment)
                self._lanes[zlib.crc32(key) % len(self._lanes)].add(record, batch)
            self._acknowledge(restored)

    def _acknowledge(self, restored: Consumer) -> None:
        while self._finished:
            restored.done(self._finished.popleft())

    def _planned(self, event: Event) -> None:
        if event.HasField("title_planned"):
            self._finish_if_ready(event.run)

    def _heard(self, event: Event) -> None:
        kind = event.WhichOneof("event")
        for lane in self._lanes:
            if kind in {"title_failed", "title_cancelled"}:
                lane.drop(event.run)
            elif kind == "title_started":
                lane.admit(event.run)

    def _finish_if_ready(self, run: str) -> None:
        """Starts the assembly once; several encoders doing so at once is harmless, since each writes the same film."""
        with self._lock:
            if run in self._assembling or not ready(self._ledger(run)):
                return
            self._assembling.add(run)
        self._assembler.submit(self._finish, run)

    def _finish(self, run: str) -> None:
        try:
            manifest = finish_title(self._ledger(run), self._settings.scratch)
            event = Event(run=run, title_finished=TitleFinished(frames=manifest.frames_out))
        except Exception as error:
            if not isinstance(error, UserError):
                log.exception("assembly failed", extra={"run": run})
            event = title_failure(run, "assembly", error)
        with self._lock:
            self._assembling.discard(run)
        publish_event(self._bus, event)
