"""One lane of an encoder: a thread that encodes the segments given to it, each batch in its turn."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Container
from dataclasses import replace
from functools import partial

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.dead_letters import dead_letter
from reelwright.bus.events import publish_event, title_failure
from reelwright.bus.protocol import Bus, BusClosed, Record, TopicPartition
from reelwright.encoder.segment_builder import SegmentBuilder
from reelwright.encoder.settings import EncoderSettings
from reelwright.ledger.records import SegmentRecord
from reelwright.ledger.run_ledger import RunLedger
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import CorruptPayload, OneLineError, UnavailableError, UnusableMessage
from reelwright.wire.frames_pb2 import RestoredBatch
from reelwright.wire.titles_pb2 import Event, SegmentCommitted, SegmentWanted

log = get_logger(__name__)

Segment = tuple[str, int]
# Enough to keep the lane busy while the loop polls; more would only hold memory.
_BACKLOG = 8


class SegmentWorker:
    """Encodes segments on a thread of its own.

    Args:
        bus: where events go.
        ledger: opens a run's ledger by its name.
        claims: where payloads are that were too large for a message.
        settings: the encoder's.
        done: called with each record that needs no redelivery; from the lane's thread.
        again: called with a record whose partition must be delivered again; from the lane's thread.
        committed: called with a run whenever one of its segments is committed.
    """

    def __init__(
        self,
        bus: Bus,
        ledger: Callable[[str], RunLedger],
        claims: ClaimCheck,
        settings: EncoderSettings,
        done: Callable[[Record], None],
        again: Callable[[Record], None],
        committed: Callable[[str], None],
    ) -> None:
        self._bus, self._ledger, self._claims = bus, ledger, claims
        self._settings = settings
        self._done, self._again, self._committed = done, again, committed
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(_BACKLOG)
        self._works: dict[Segment, SegmentBuilder] = {}
        # Without their values: the frames are in the encoder or in the reassembly.
        self._records: dict[Segment, list[Record]] = {}
        self._thread = threading.Thread(target=self._run, name="encoder-lane")
        self._thread.start()

    def add(self, record: Record, batch: RestoredBatch, timeout: float) -> bool:
        """Takes a restored batch; False when the lane's backlog was full for `timeout` seconds."""
        if not self._room.acquire(timeout=timeout):
            return False
        self._queue.put(partial(self._take, record, batch))
        return True

    def drop(self, run: str) -> None:
        """Forgets a run that failed or was cancelled."""
        self._queue.put(partial(self._drop, run))

    def keep_only(self, assignment: Container[TopicPartition]) -> None:
        """Forgets the segments whose partitions another encoder has now."""
        self._queue.put(partial(self._keep_only, assignment))

    def tend(self) -> None:
        """Forgets the segments that were finished elsewhere or are wanted no more; to be called now and then."""
        self._queue.put(self._tend)

    def close(self) -> None:
        """Finishes the batch under way and ends; segments that are not whole are left to redelivery."""
        self._queue.put(None)
        self._thread.join()
        for work in self._works.values():
            work.close()

    def _run(self) -> None:
        while (task := self._queue.get()) is not None:
            try:
                task()
            except BusClosed:
                log.info("the bus is closed")
            except Exception:
                # A thread that ended would leave its segments without an encoder.
                log.exception("segments not looked after")

    def _take(self, record: Record, batch: RestoredBatch) -> None:
        self._room.release()
        segment = (batch.run, batch.segment)
        self._records.setdefault(segment, []).append(replace(record, value=b""))
        try:
            self._encode(segment, batch)
        except CorruptPayload as error:
            self._want(segment, error)
        except UnusableMessage as error:
            dead_letter(self._bus, record, str(error))
            self._release(segment)
        except BusClosed:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it fails the title and not the service
            self._give_up(segment, error)

    def _encode(self, segment: Segment, batch: RestoredBatch) -> None:
        work = self._works.get(segment)
        if work is None:
            work = self._open(segment)
        if work is None:
            self._release(segment)
            return
        self._works[segment] = work
        record = work.add(batch)
        if record is not None:
            self._finish(segment, record)

    def _want(self, segment: Segment, error: CorruptPayload) -> None:
        run, number = segment
        try:
            # Another encoder that had the segment, too, lets go of its payloads once it has committed it.
            if self._ledger(run).is_committed(number):
                self._release(segment)
                return
        except UnavailableError:
            pass  # asked for once too often, it is published in vain
        log.warning("batch unusable", run=run, segment=number, reason=str(error))
        publish_event(self._bus, Event(run=run, segment_wanted=SegmentWanted(segment=number, reason=str(error))))

    def _open(self, segment: Segment) -> SegmentBuilder | None:
        run, number = segment
        ledger = self._ledger(run)
        if ledger.is_committed(number) or ledger.outcome() is not None:
            return None
        title = ledger.title()
        if title is None:
            raise UnusableMessage(f"restored frames of run {run}, which the ledger does not know")
        return SegmentBuilder(number, title, ledger, self._claims, self._settings.scratch)

    def _finish(self, segment: Segment, record: SegmentRecord) -> None:
        run, number = segment
        self._release(segment)
        try:
            self._claims.delete_payloads(run, number)
        except OneLineError as error:
            # They go with the run's folder at the latest.
            log.info("payloads left behind", run=run, reason=str(error))
        committed = SegmentCommitted(segment=number, frames=len(record.frames))
        publish_event(self._bus, Event(run=run, segment_committed=committed))
        self._committed(run)

    def _give_up(self, segment: Segment, error: Exception) -> None:
        run, number = segment
        if isinstance(error, UnavailableError) and self._settings.retry_unavailable:
            log.warning("segment begins again", run=run, segment=number, reason=str(error))
            self._close(segment)
            self._again(self._records.pop(segment)[0])
            return
        if not isinstance(error, OneLineError):
            log.error("segment failed", run=run, segment=number, exc_info=error)
        self._drop(run)
        publish_event(self._bus, title_failure(run, f"encoder, segment {number}", error))

    def _close(self, segment: Segment) -> None:
        work = self._works.pop(segment, None)
        if work is not None:
            work.close()

    def _release(self, segment: Segment) -> None:
        self._close(segment)
        for record in self._records.pop(segment, []):
            self._done(record)

    def _drop(self, run: str) -> None:
        for segment in [segment for segment in self._records if segment[0] == run]:
            self._release(segment)

    def _keep_only(self, assignment: Container[TopicPartition]) -> None:
        for segment, records in list(self._records.items()):
            if records[0].topic_partition not in assignment:
                self._close(segment)
                del self._records[segment]

    def _tend(self) -> None:
        for run, number in list(self._records):
            try:
                ledger = self._ledger(run)
                if ledger.is_committed(number) or ledger.outcome() is not None:
                    self._release((run, number))
            except OneLineError as error:
                log.warning("segment not looked after", run=run, segment=number, reason=str(error))
