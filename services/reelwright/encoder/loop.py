"""The encoder's loop: restored batches in, committed segments and finished films out."""

from __future__ import annotations

import threading
import time
import zlib
from collections import deque
from collections.abc import Callable

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.dead_letters import dead_letter_batch
from reelwright.bus.events import EventListener
from reelwright.bus.messages import read_message
from reelwright.bus.protocol import Bus, Consumer, Record, TopicPartition
from reelwright.bus.topics import RESTORED, segment_key
from reelwright.encoder.film_assembler import FilmAssembler
from reelwright.encoder.segment_worker import SegmentWorker
from reelwright.encoder.settings import EncoderSettings
from reelwright.ledger.run_ledger import RunLedger
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import UnusableMessage
from reelwright.wire.frames_pb2 import RestoredBatch
from reelwright.wire.titles_pb2 import Event

log = get_logger(__name__)

GROUP = "encoder"
_POLL_SECONDS = 0.1
_TEND_SECONDS = 10.0
# Between two tries at a segment for which there was no room.
_PAUSE_SECONDS = 2.0


class EncoderService:
    """Encodes and assembles until told to stop.

    Args:
        bus: the bus.
        ledger: opens a run's ledger by its name.
        claims: where payloads are that were too large for a message.
        settings: the encoder's.
    """

    def __init__(
        self, bus: Bus, ledger: Callable[[str], RunLedger], claims: ClaimCheck, settings: EncoderSettings
    ) -> None:
        self._bus, self._ledger, self._claims, self._settings = bus, ledger, claims, settings
        self._finished: deque[Record] = deque()
        self._again: deque[tuple[float, Record]] = deque()
        self._assignment: set[TopicPartition] = set()
        self._tended = time.monotonic()
        self._running = False

    @property
    def ready(self) -> bool:
        """Whether it takes restored frames."""
        return self._running and self._bus.connected

    def run(self, stop: threading.Event) -> None:
        """Serves until `stop` is set; segments that are not whole by then are left to redelivery."""
        restored = self._bus.consumer([RESTORED], GROUP)
        self._assembly = FilmAssembler(self._bus, self._ledger, self._settings)
        self._lanes = [self._lane() for _ in range(self._settings.lanes)]
        # One encoder assembles a film, but every encoder must hear that a run was dropped.
        listeners = [
            EventListener(self._bus, self._planned, GROUP),
            EventListener(self._bus, self._heard),
        ]
        self._running = True
        try:
            self._serve(restored, stop)
        finally:
            self._running = False
            for listener in listeners:
                listener.close()
            for lane in self._lanes:
                lane.close()
            self._assembly.close()
            self._acknowledge(restored)
            restored.close()

    def _lane(self) -> SegmentWorker:
        return SegmentWorker(
            self._bus,
            self._ledger,
            self._claims,
            self._settings,
            self._finished.append,
            lambda record: self._again.append((time.monotonic() + _PAUSE_SECONDS, record)),
            self._assembly.offer,
        )

    def _serve(self, restored: Consumer, stop: threading.Event) -> None:
        while not stop.is_set():
            for record in restored.poll(_POLL_SECONDS, limit=4):
                self._take(record, stop)
            self._acknowledge(restored)
            self._look_after(restored)

    def _take(self, record: Record, stop: threading.Event) -> None:
        try:
            batch = read_message(record, RestoredBatch)
        except UnusableMessage as error:
            dead_letter_batch(self._bus, record, str(error))
            self._finished.append(record)
            return
        key = segment_key(batch.run, batch.segment)
        lane = self._lanes[zlib.crc32(key) % len(self._lanes)]
        while not lane.add(record, batch, _POLL_SECONDS) and not stop.is_set():
            pass

    def _acknowledge(self, restored: Consumer) -> None:
        while self._finished:
            restored.acknowledge(self._finished.popleft())

    def _look_after(self, restored: Consumer) -> None:
        assignment = set(restored.assignment())
        if self._assignment - assignment:
            for lane in self._lanes:
                lane.keep_only(assignment)
        self._assignment = assignment
        while self._again and self._again[0][0] <= time.monotonic():
            _, record = self._again.popleft()
            restored.seek_to_unacknowledged([record.topic_partition])
        if time.monotonic() - self._tended > _TEND_SECONDS:
            self._tended = time.monotonic()
            for lane in self._lanes:
                lane.tend()

    def _planned(self, event: Event) -> None:
        if event.HasField("title_planned"):
            self._assembly.offer(event.run)

    def _heard(self, event: Event) -> None:
        if event.WhichOneof("event") in {"title_failed", "title_cancelled"}:
            for lane in self._lanes:
                lane.drop(event.run)
