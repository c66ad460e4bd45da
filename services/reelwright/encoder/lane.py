"""One lane of an encoder: a thread that encodes the segments given to it, each batch in its turn."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from pathlib import Path

from reelwright.bus.events import publish_event, title_failure
from reelwright.bus.protocol import Bus, Record
from reelwright.encoder.segment import SegmentWork
from reelwright.ledger.store import RunLedger
from reelwright.titles.errors import LedgerError, UserError
from reelwright.wire.frames_pb2 import RestoredBatch
from reelwright.wire.titles_pb2 import Event, SegmentCommitted

log = logging.getLogger(__name__)

Segment = tuple[str, int]
# Enough to keep the lane busy while the loop polls; more would only hold memory.
_BACKLOG = 8


class Lane:
    """Encodes segments on a thread of its own.

    Args:
        bus: where events go.
        ledger: opens a run's ledger by its name.
        scratch: folder for files under way.
        done: called with each record that needs no redelivery; from the lane's thread.
        committed: called with a run whenever one of its segments is committed.
    """

    def __init__(
        self,
        bus: Bus,
        ledger: Callable[[str], RunLedger],
        scratch: Path | None,
        done: Callable[[Record], None],
        committed: Callable[[str], None],
    ) -> None:
        self._bus, self._ledger, self._scratch = bus, ledger, scratch
        self._done, self._committed = done, committed
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue(_BACKLOG)
        self._works: dict[Segment, SegmentWork] = {}
        self._records: dict[Segment, list[Record]] = {}
        self._dropped: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="encoder-lane")
        self._thread.start()

    def add(self, record: Record, batch: RestoredBatch) -> None:
        """Takes a restored batch; waits while the lane's backlog is full."""
        self._queue.put(lambda: self._take(record, batch))

    def drop(self, run: str) -> None:
        """Forgets a run that failed or was cancelled: what is under way and what still comes."""
        self._queue.put(lambda: self._drop(run))

    def admit(self, run: str) -> None:
        """Takes a run again that was dropped."""
        self._queue.put(lambda: self._dropped.discard(run))

    def close(self) -> None:
        """Finishes the batch under way and ends; segments that are not whole are left to redelivery."""
        self._queue.put(None)
        self._thread.join()
        for work in self._works.values():
            work.close()

    def _run(self) -> None:
        while (task := self._queue.get()) is not None:
            task()

    def _take(self, record: Record, batch: RestoredBatch) -> None:
        segment = (batch.run, batch.segment)
        if batch.run in self._dropped:
            self._done(record)
            return
        self._records.setdefault(segment, []).append(record)
        try:
            self._encode(segment, batch)
        except Exception as error:
            if not isinstance(error, UserError):
                log.exception("segment failed", extra={"run": batch.run, "segment": batch.segment})
            self._drop(batch.run)
            publish_event(self._bus, title_failure(batch.run, f"encoder, segment {batch.segment}", error))

    def _encode(self, segment: Segment, batch: RestoredBatch) -> None:
        work = self._works.get(segment)
        if work is None:
            ledger = self._ledger(batch.run)
            if ledger.is_committed(batch.segment):
                self._release(segment)
                return
            title = ledger.title()
            if title is None:
                raise LedgerError(f"run {batch.run} has restored frames but no title record")
            work = self._works[segment] = SegmentWork(batch.segment, title, ledger, self._scratch)
        record = work.add(batch)
        if record is not None:
            work.close()
            self._release(segment)
            committed = SegmentCommitted(segment=batch.segment, frames=len(record.frames))
            publish_event(self._bus, Event(run=batch.run, segment_committed=committed))
            self._committed(batch.run)

    def _release(self, segment: Segment) -> None:
        self._works.pop(segment, None)
        for record in self._records.pop(segment, []):
            self._done(record)

    def _drop(self, run: str) -> None:
        self._dropped.add(run)
        for segment in [segment for segment in self._records if segment[0] == run]:
            work = self._works.get(segment)
            if work is not None:
                work.close()
            self._release(segment)
