"""Brings every title to an outcome, even when events are lost or other services fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from structlog.contextvars import bound_contextvars

from reelwright.bus.events import publish_event
from reelwright.bus.protocol import Bus, BusClosed, Record
from reelwright.decoder.title_table import TitleState, TitleTable
from reelwright.ledger.attempts import failed_outcome
from reelwright.ledger.run_ledger import OpenLedger, RunLedger
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger
from reelwright.telemetry.threads import SupervisedThread
from reelwright.telemetry.watchdog import heartbeat
from reelwright.titles.errors import InternalError, is_temporary
from reelwright.wire.titles_pb2 import Event, TitleFailed, TitlePlanned

log = get_logger(__name__)

_TICK_SECONDS = 0.2
# How often the ledger is read for a title without events.
_LEDGER_POLL_SECONDS = 5.0
# Several batches of one pass are often unusable together. After this time one more pass serves all of them.
_COLLECT_SECONDS = 2.0
_MAX_REPUBLISHED = 5


class TitleSupervisor:
    """Checks the titles of a table on its own thread, from construction until `close`.

    Events reduce latency; polling the ledger guarantees convergence. Everything that an event reports is found in the
    ledger as well.

    Args:
        titles: the titles.
        bus: where events are published.
        ledger: opens the ledger of an attempt.
        acknowledge: called with each record of a title that has an outcome, from the supervisor's thread.
    """

    def __init__(self, titles: TitleTable, bus: Bus, ledger: OpenLedger, acknowledge: Callable[[Record], None]) -> None:
        self._titles, self._bus, self._ledger, self._acknowledge = titles, bus, ledger, acknowledge
        self._stop = threading.Event()
        self._thread = SupervisedThread("title-supervisor", self._run, restart_until=self._stop)
        self._thread.start()

    def close(self) -> None:
        """Stops the checks. Another decoder takes over the titles without an outcome."""
        self._stop.set()
        self._titles.close()
        self._thread.join()

    def handle_event(self, event: Event) -> None:
        """Acts on an event, without waiting for anything."""
        title = self._titles.get(event.run, event.attempt)
        if title is None:
            return
        match event.WhichOneof("event"):
            case "segment_committed":
                title.window.mark_committed(event.segment_committed.segment)
            case "segment_wanted":
                wanted = event.segment_wanted
                self._titles.add_unusable_segment(title, wanted.segment, wanted.reason)
            case "title_failed":
                self._titles.mark_failed(title, event.title_failed)
            case "title_cancelled" | "title_finished":
                self._titles.mark_checked(title, 0.0)

    def _run(self) -> None:
        while not self._stop.wait(_TICK_SECONDS):
            self._titles.wait_while_empty()
            heartbeat()
            for title in self._titles.titles():
                heartbeat()
                with bound_contextvars(run=title.run, attempt=title.attempt):
                    try:
                        self._supervise(title)
                    except BusClosed:
                        return
                    except Exception as error:
                        # The error of one title must not keep the others from their outcomes.
                        log.warning("title check failed", reason=str(error), exc_info=not is_temporary(error))

    def _supervise(self, title: TitleState) -> None:
        if title.unusable and time.monotonic() >= title.pass_began + _COLLECT_SECONDS:
            self._republish_unusable(title)
        now = time.monotonic()
        # While a title waits for a decode thread the ledger is read once, and then only after an event about it.
        waits = title.checked_at > 0 and title.may_begin(now)
        if waits or now - title.checked_at < _LEDGER_POLL_SECONDS:
            return
        self._titles.mark_checked(title, now)
        ledger = self._ledger(title.run, title.attempt)
        if self._has_outcome(title, ledger):
            for record in self._titles.remove(title):
                self._acknowledge(record)
        elif title.phase != "waiting":
            self._check_progress(title, ledger)

    def _has_outcome(self, title: TitleState, ledger: RunLedger) -> bool:
        if title.failure is None:
            return ledger.outcome() is not None
        if ledger.put_outcome(failed_outcome(title.failure)):
            metrics.TITLES_FAILED.inc()
        return True

    def _republish_unusable(self, title: TitleState) -> None:
        ledger = self._ledger(title.run, title.attempt)
        # The ledger decides, and not the window: the file of a committed segment may have been lost.
        committed = {segment for segment in list(title.unusable) if ledger.is_committed(segment)}
        unusable = self._titles.take_unusable_segments(title, committed)
        for segment, reason in unusable.items():
            log.warning("segment unusable, publishing it again", segment=segment, reason=reason)
            if title.republished[segment] > _MAX_REPUBLISHED:
                what = f"segment {segment} could not be used {_MAX_REPUBLISHED} times; the last time: {reason}"
                failure = TitleFailed(reason=what, exit_code=1, error=InternalError.__name__)
                self._titles.mark_failed(title, failure)
                publish_event(self._bus, Event(run=title.run, attempt=title.attempt, title_failed=failure))
        if unusable:
            self._titles.restart(title)

    def _check_progress(self, title: TitleState, ledger: RunLedger) -> None:
        if title.window.idle_seconds > _LEDGER_POLL_SECONDS:
            known, committed = title.window.committed, ledger.committed_segments()
            # Of a title that was finished in this moment they are being removed.
            if (lost := sorted(known - committed)) and ledger.outcome() is None:
                log.warning("committed segments lost, publishing them again", segments=lost)
                self._titles.restart(title)
                return
            for segment in committed:
                title.window.mark_committed(segment)
        stalled = title.window.idle_seconds > title.stall_seconds
        # Encoders of an earlier version copy no film. One that does has marked the work, and may take long.
        if title.phase == "decoded" and not title.segments and stalled and not ledger.work_marks.names("assemble"):
            log.warning("film not copied, restoring it", idle_seconds=round(title.stall_seconds))
            ledger.discard_adopted_film()
            self._titles.restart_stalled(title)
        elif title.committed:
            # Repeated until the title has an outcome, because an encoder may have died while it assembled the film.
            planned = TitlePlanned(segments=title.segments)
            publish_event(self._bus, Event(run=title.run, attempt=title.attempt, title_planned=planned))
        elif stalled:
            log.warning("title stalled, publishing it again", idle_seconds=round(title.stall_seconds))
            self._titles.restart_stalled(title)
