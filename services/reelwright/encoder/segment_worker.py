"""Encodes segments on one thread, and reports what happens to each of them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Container
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from structlog.contextvars import bound_contextvars

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.dead_letters import dead_letter, dead_letter_batch
from reelwright.bus.events import publish_event, title_failure
from reelwright.bus.protocol import Bus, BusClosed, Record, TopicPartition
from reelwright.encoder.encoder_budget import EncoderBudget
from reelwright.encoder.engine_binding import ForeignEngine, announce_engine, bind_engine
from reelwright.encoder.segment_builder import SegmentBuilder
from reelwright.encoder.settings import EncoderSettings
from reelwright.ledger.crash_guard import CrashGuard
from reelwright.ledger.records import SegmentRecord
from reelwright.ledger.run_ledger import OpenLedger, RunLedger
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger
from reelwright.telemetry.threads import SupervisedThread
from reelwright.telemetry.tracing import TRACEPARENT, span
from reelwright.telemetry.watchdog import watched
from reelwright.titles.errors import (
    CorruptPayload,
    OneLineError,
    UnavailableError,
    UnusableMessage,
    is_temporary,
    one_line,
)
from reelwright.wire.frames_pb2 import RestoredBatch
from reelwright.wire.titles_pb2 import Event, SegmentCommitted, SegmentWanted

log = get_logger(__name__)

# Enough to keep the worker busy while the loop polls. More would only hold memory.
_MAX_QUEUED_BATCHES = 8


class Segment(NamedTuple):
    """A segment that is being encoded.

    Attributes:
        run: name of its run.
        attempt: number of the run's attempt.
        number: of the segment.
    """

    run: str
    attempt: int
    number: int


class SegmentWorker:
    """Encodes the segments that the loop assigns to it, from construction until `close`.

    All work is done on the worker's thread; the public methods only queue it.

    Args:
        bus: where events are published.
        ledger: opens the ledger of an attempt.
        claims: holds payloads that were too large for a message.
        settings: the encoder's.
        guard: of this process, against a segment that kills it.
        budget: shared by the encoder's workers.
        acknowledge: called with each record that needs no redelivery, from the worker's thread.
        redeliver: called with a record whose partition must be delivered again, from the worker's thread.
        on_commit: called with a run and its attempt after each commit of one of its segments, from the worker's thread.
    """

    def __init__(
        self,
        bus: Bus,
        ledger: OpenLedger,
        *,
        claims: ClaimCheck,
        settings: EncoderSettings,
        guard: CrashGuard,
        budget: EncoderBudget,
        acknowledge: Callable[[Record], None],
        redeliver: Callable[[Record], None],
        on_commit: Callable[[str, int], None],
    ) -> None:
        self._bus, self._ledger, self._claims, self._settings, self._guard = bus, ledger, claims, settings, guard
        self._budget = budget
        self._acknowledge, self._redeliver, self._on_commit = acknowledge, redeliver, on_commit
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._free_slots = threading.Semaphore(_MAX_QUEUED_BATCHES)
        self._builders: dict[Segment, SegmentBuilder] = {}
        # Without their values: the frames are in the builder.
        self._records: dict[Segment, list[Record]] = {}
        self._stop = threading.Event()
        self._thread = SupervisedThread("segment-worker", self._run, restart_until=self._stop)
        self._thread.start()

    def queue_batch(self, record: Record, batch: RestoredBatch, timeout: float) -> bool:
        """Queues a restored batch; False when the queue stayed full for `timeout` seconds."""
        if not self._free_slots.acquire(timeout=timeout):
            return False
        self._queue.put(partial(self._handle_batch, record, batch))
        return True

    def discard_run(self, run: str, attempt: int) -> None:
        """Discards the segments of an attempt that failed or was cancelled."""
        self._queue.put(partial(self._discard_run, run, attempt))

    def retain_partitions(self, assignment: Container[TopicPartition]) -> None:
        """Discards the segments of all other partitions: another encoder has them now."""
        self._queue.put(partial(self._retain_partitions, assignment))

    def discard_ended(self) -> None:
        """Discards the segments that another encoder has committed or whose run has ended; called from time to time."""
        self._queue.put(self._discard_ended)

    def close(self) -> None:
        """Finishes the queued batches and ends the thread. Segments that are not complete are delivered again."""
        self._stop.set()
        self._queue.put(None)
        self._thread.join()
        for builder in self._builders.values():
            builder.close()

    def _run(self) -> None:
        while (task := self._queue.get()) is not None:
            try:
                with watched("segment-worker"):
                    task()
            except BusClosed:
                log.info("bus closed, encode stopped")

    def _handle_batch(self, record: Record, batch: RestoredBatch) -> None:
        self._free_slots.release()
        segment = Segment(batch.run, batch.attempt, batch.segment)
        self._records.setdefault(segment, []).append(replace(record, value=b""))
        name = f"encode {batch.run}, segment {batch.segment}"
        fields: dict[str, str | int] = {"run": batch.run, "attempt": batch.attempt, "segment": batch.segment}
        parent = record.headers.get(TRACEPARENT, "")
        with (
            bound_contextvars(**fields),
            watched(name),
            span("encode batch", parent, **fields, batch=batch.batch),
        ):
            try:
                self._use_batch(record, segment, batch)
            except BusClosed:
                raise
            except Exception as error:  # noqa: BLE001 - any error fails the title, never the service
                self._handle_failure(segment, error)

    def _use_batch(self, record: Record, segment: Segment, batch: RestoredBatch) -> None:
        try:
            self._encode_batch(segment, batch)
        except CorruptPayload as error:
            self._request_segment_again(segment, error)
        except ForeignEngine as error:
            self._refuse_batch(record, segment, error)
        except UnusableMessage as error:
            self._discard_batch(record, segment, error)

    def _encode_batch(self, segment: Segment, batch: RestoredBatch) -> None:
        builder = self._builders.get(segment) or self._start_segment(segment, batch)
        if builder is None:
            self._acknowledge_segment(segment)
            return
        self._builders[segment] = builder
        record = builder.encode_batch(batch)
        if record is not None:
            self._finish_segment(segment, record)

    def _start_segment(self, segment: Segment, batch: RestoredBatch) -> SegmentBuilder | None:
        """A builder for a segment, from its first batch; None when the segment needs no encoding."""
        ledger = self._ledger(segment.run, segment.attempt)
        if self._is_ended(ledger, segment.number):
            return None
        title = ledger.title()
        if title is None:
            raise UnusableMessage(f"restored frames of run {segment.run}, which the ledger does not know")
        bound = bind_engine(self._bus, ledger, title.request, batch.engine)
        plan = ledger.plan(segment.number)
        # The plan is written when the whole segment is decoded, which its first restored batch may precede.
        frames = f"with frame {batch.first_frame}"
        if plan is not None:
            frames = f"frames {plan.first_frame}-{plan.first_frame + len(plan.frames) - 1}"
        what = f"encoding of segment {segment.number} ({frames})"
        work = self._guard.begin(ledger, f"encode-{segment.number:06d}", what)
        try:
            return SegmentBuilder(
                segment.number,
                title,
                ledger,
                engine=bound,
                claims=self._claims,
                scratch=self._settings.scratch,
                work=work,
                budget=self._budget,
            )
        except Exception:
            work.close(done=False)
            raise

    def _finish_segment(self, segment: Segment, record: SegmentRecord) -> None:
        run, attempt, number = segment
        log.info("segment committed", frames=len(record.frames))
        self._acknowledge_segment(segment)
        try:
            self._claims.delete_payloads(run, number, attempt)
        except OneLineError as error:
            # They are removed with the run's folder at the latest.
            log.info("payloads not removed", reason=str(error))
        committed = SegmentCommitted(segment=number, frames=len(record.frames))
        publish_event(self._bus, Event(run=run, attempt=attempt, segment_committed=committed))
        self._on_commit(run, attempt)

    def _discard_batch(self, record: Record, segment: Segment, error: UnusableMessage) -> None:
        if segment not in self._builders:
            dead_letter(self._bus, record, str(error))
            self._acknowledge_segment(segment)
            return
        # The segment's other batches are good, and another copy of this one must arrive.
        dead_letter_batch(self._bus, record, str(error))
        self._acknowledge_batch(record, segment)

    def _request_segment_again(self, segment: Segment, error: CorruptPayload) -> None:
        run, attempt, number = segment
        try:
            # Another encoder that also had the segment removes its payloads after the commit.
            if self._ledger(run, attempt).is_committed(number):
                self._acknowledge_segment(segment)
                return
        except UnavailableError as unavailable:
            log.warning("commit not checked", reason=str(unavailable))
        log.warning("batch unusable", reason=str(error))
        wanted = SegmentWanted(segment=number, reason=one_line(str(error)))
        publish_event(self._bus, Event(run=run, attempt=attempt, segment_wanted=wanted))

    def _refuse_batch(self, record: Record, segment: Segment, error: ForeignEngine) -> None:
        run, attempt, number = segment
        metrics.BATCHES_REFUSED.inc()
        log.warning("batch refused", reason=str(error))
        if bound := self._ledger(run, attempt).engine():
            # A dispatcher that did not know it would lease the run's next batches to the same engine again.
            announce_engine(self._bus, run, attempt, bound)
        wanted = SegmentWanted(segment=number, reason=one_line(str(error)))
        publish_event(self._bus, Event(run=run, attempt=attempt, segment_wanted=wanted))
        self._acknowledge_batch(record, segment)

    def _acknowledge_batch(self, record: Record, segment: Segment) -> None:
        """Acknowledges the record that came last of a segment, of which nothing was used."""
        records = self._records[segment]
        records.pop()
        if not records:
            del self._records[segment]
            self._close_builder(segment)
        self._acknowledge(record)

    def _handle_failure(self, segment: Segment, error: Exception) -> None:
        run, attempt, number = segment
        if is_temporary(error) and self._settings.retry_unavailable:
            log.warning("segment postponed", reason=str(error))
            self._close_builder(segment)
            self._redeliver(self._records.pop(segment)[0])
            return
        if not isinstance(error, OneLineError):
            log.error("segment failed", exc_info=error)
        self._discard_run(run, attempt)
        publish_event(self._bus, title_failure(run, attempt, f"encoder, segment {number}", error))

    def _acknowledge_segment(self, segment: Segment) -> None:
        self._close_builder(segment)
        for record in self._records.pop(segment, []):
            self._acknowledge(record)

    def _close_builder(self, segment: Segment) -> None:
        builder = self._builders.pop(segment, None)
        if builder is not None:
            builder.close()

    def _discard_run(self, run: str, attempt: int) -> None:
        for segment in [each for each in self._records if (each.run, each.attempt) == (run, attempt)]:
            self._acknowledge_segment(segment)

    def _retain_partitions(self, assignment: Container[TopicPartition]) -> None:
        for segment, records in list(self._records.items()):
            if records[0].topic_partition not in assignment:
                self._close_builder(segment)
                del self._records[segment]

    def _discard_ended(self) -> None:
        for segment in list(self._records):
            with bound_contextvars(run=segment.run, segment=segment.number):
                try:
                    if self._is_ended(self._ledger(segment.run, segment.attempt), segment.number):
                        self._acknowledge_segment(segment)
                except OneLineError as error:
                    log.warning("segment not checked", reason=str(error))

    @staticmethod
    def _is_ended(ledger: RunLedger, segment: int) -> bool:
        return ledger.is_committed(segment) or ledger.outcome() is not None
