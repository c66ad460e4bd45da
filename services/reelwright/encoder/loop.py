"""The encoder's loop: reads restored batches, has their segments encoded and complete films assembled."""

from __future__ import annotations

import threading
import time
import zlib
from collections import deque

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.dead_letters import dead_letter_batch
from reelwright.bus.events import EventListener
from reelwright.bus.messages import read_message
from reelwright.bus.protocol import Bus, Consumer, Record, TopicPartition
from reelwright.bus.topics import ENCODER_GROUP, RESTORED, segment_key
from reelwright.encoder.encoder_budget import EncoderBudget
from reelwright.encoder.film_assembler import FilmAssembler
from reelwright.encoder.segment_worker import SegmentWorker
from reelwright.encoder.settings import EncoderSettings
from reelwright.ledger.crash_guard import CrashGuard
from reelwright.ledger.run_ledger import OpenLedger
from reelwright.ledger.settings import SigningFiles
from reelwright.telemetry import metrics
from reelwright.telemetry.watchdog import heartbeat, watched
from reelwright.titles.errors import UnusableMessage
from reelwright.wire.frames_pb2 import RestoredBatch
from reelwright.wire.titles_pb2 import Event

_POLL_SECONDS, _IDLE_POLL_SECONDS = 0.25, 0.5
_POLL_RECORDS = 4
_DISCARD_ENDED_SECONDS = 10.0
# Pause before a segment is delivered again for which there was no room.
_REDELIVERY_SECONDS = 2.0


class EncoderService:
    """Encodes and assembles until it is stopped.

    Args:
        bus: the bus.
        ledger: opens the ledger of an attempt.
        claims: holds payloads that were too large for a message.
        settings: the encoder's.
        signing: whose signature the films get; None for no credentials.
    """

    def __init__(
        self,
        bus: Bus,
        ledger: OpenLedger,
        claims: ClaimCheck,
        settings: EncoderSettings,
        *,
        signing: SigningFiles | None = None,
    ) -> None:
        self._bus, self._ledger, self._claims, self._settings = bus, ledger, claims, settings
        self._signing = signing
        self._guard = CrashGuard(settings.max_crashes)
        # Each thread needs one codec for a segment that is complete.
        codecs = max(0, settings.open_segments - settings.parallel_segments)
        self._budget = EncoderBudget(codecs, settings.waiting_bytes)
        self._finished: deque[Record] = deque()
        self._redeliveries: deque[tuple[float, Record]] = deque()
        self._assignment: set[TopicPartition] = set()
        self._discarded_ended_at = time.monotonic()
        self._running = False

    @property
    def unready(self) -> str:
        """Why it accepts no restored frames; empty when it does."""
        return "" if self._running and self._bus.connected else "it takes no frames yet"

    def run(self, stop: threading.Event) -> None:
        """Serves until `stop` is set. Segments that are not complete then are delivered again."""
        restored = self._bus.consumer([RESTORED], ENCODER_GROUP)
        self._assembler = FilmAssembler(self._bus, self._ledger, self._settings, self._guard, signing=self._signing)
        self._workers = [self._create_worker() for _ in range(self._settings.parallel_segments)]
        # One encoder of the group assembles a film, but every encoder must stop encoding a run that ended.
        listeners = [
            EventListener(self._bus, self._handle_plan, ENCODER_GROUP),
            EventListener(self._bus, self._handle_end),
        ]
        self._running = True
        metrics.watch_commits()
        try:
            with watched("encoder"):
                self._serve(restored, stop)
        finally:
            self._running = False
            self._guard.stop()
            for listener in listeners:
                listener.close()
            for worker in self._workers:
                worker.close()
            self._assembler.close()
            self._acknowledge_finished(restored)
            restored.close()

    def _create_worker(self) -> SegmentWorker:
        return SegmentWorker(
            self._bus,
            self._ledger,
            claims=self._claims,
            settings=self._settings,
            guard=self._guard,
            budget=self._budget,
            acknowledge=self._finished.append,
            redeliver=lambda record: self._redeliveries.append((time.monotonic() + _REDELIVERY_SECONDS, record)),
            on_commit=self._assembler.assemble_when_complete,
        )

    def _serve(self, restored: Consumer, stop: threading.Event) -> None:
        busy = True
        while not stop.is_set():
            heartbeat()
            found = restored.poll(_POLL_SECONDS if busy else _IDLE_POLL_SECONDS, limit=_POLL_RECORDS)
            for record in found:
                self._assign_batch(record, stop)
            busy = bool(found or self._finished or self._redeliveries)
            self._acknowledge_finished(restored)
            self._follow_assignment(restored)
            while self._redeliveries and self._redeliveries[0][0] <= time.monotonic():
                _, record = self._redeliveries.popleft()
                restored.seek_to_unacknowledged([record.topic_partition])
            if time.monotonic() - self._discarded_ended_at > _DISCARD_ENDED_SECONDS:
                self._discarded_ended_at = time.monotonic()
                for worker in self._workers:
                    worker.discard_ended()

    def _assign_batch(self, record: Record, stop: threading.Event) -> None:
        """Queues a batch at the worker that has its segment, and waits for room there."""
        try:
            batch = read_message(record, RestoredBatch)
        except UnusableMessage as error:
            dead_letter_batch(self._bus, record, str(error))
            self._finished.append(record)
            return
        key = segment_key(batch.run, batch.segment)
        worker = self._workers[zlib.crc32(key) % len(self._workers)]
        while not worker.queue_batch(record, batch, _POLL_SECONDS) and not stop.is_set():
            heartbeat()

    def _acknowledge_finished(self, restored: Consumer) -> None:
        while self._finished:
            restored.acknowledge(self._finished.popleft())

    def _follow_assignment(self, restored: Consumer) -> None:
        assignment = set(restored.assignment())
        if self._assignment - assignment:
            for worker in self._workers:
                worker.retain_partitions(assignment)
        self._assignment = assignment

    def _handle_plan(self, event: Event) -> None:
        if event.HasField("title_planned"):
            self._assembler.assemble_when_complete(event.run, event.attempt)

    def _handle_end(self, event: Event) -> None:
        if event.WhichOneof("event") in {"title_failed", "title_cancelled"}:
            for worker in self._workers:
                worker.discard_run(event.run, event.attempt)
