"""Sees each title to its outcome, whatever the rest of the pipeline forgets, loses or does not say."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from reelwright.bus.events import publish_event
from reelwright.bus.protocol import Bus, BusClosed, Record
from reelwright.decoder.title_table import TitleState, TitleTable
from reelwright.ledger.records import Outcome
from reelwright.ledger.run_ledger import RunLedger
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import InternalError, UnavailableError
from reelwright.wire.titles_pb2 import Event, TitleFailed, TitlePlanned

log = get_logger(__name__)

_TICK_SECONDS = 0.2
# How often the ledger is asked about a title of which nothing was heard.
_LOOK_SECONDS = 5.0
# Several batches of one pass are often unusable together; one more pass serves them all.
_GATHER_SECONDS = 2.0
_MOST_PASSES = 5
_LONGEST_STALL_SECONDS = 3600.0


class TitleSupervisor:
    """Looks after the titles of a roster on a thread of its own, from construction until `close`.

    Events make it fast, the ledger makes it sure: everything an event says is found out without it too.

    Args:
        roster: the titles.
        bus: where events go.
        ledger: opens a run's ledger by its name.
        done: called with each record of a title that has an outcome.
    """

    def __init__(
        self, roster: TitleTable, bus: Bus, ledger: Callable[[str], RunLedger], done: Callable[[Record], None]
    ) -> None:
        self._roster, self._bus, self._ledger, self._done = roster, bus, ledger, done
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper")
        self._thread.start()

    def close(self) -> None:
        """Stops looking after them; titles without an outcome are left to the next decoder."""
        self._stop.set()
        self._thread.join()

    def heard(self, event: Event) -> None:
        """Acts on an event; never waits."""
        title = self._roster.get(event.run)
        if title is None:
            return
        match event.WhichOneof("event"):
            case "segment_committed":
                title.window.leave(event.segment_committed.segment)
            case "segment_wanted":
                title.wanted[event.segment_wanted.segment] = event.segment_wanted.reason
            case "title_failed":
                title.failure = event.title_failed
                title.window.end()
                title.looked = 0.0
            case "title_cancelled" | "title_finished":
                title.looked = 0.0

    def _run(self) -> None:
        while not self._stop.wait(_TICK_SECONDS):
            for title in self._roster.all():
                try:
                    self._keep(title)
                except UnavailableError as error:
                    log.warning("waiting", run=title.run, reason=str(error))
                except BusClosed:
                    return
                except Exception:
                    # A thread that ended would leave every title without an end.
                    log.exception("title not looked after", run=title.run)

    def _keep(self, title: TitleState) -> None:
        self._pass_again(title)
        now = time.monotonic()
        # One that waits for a thread is looked at when it has come and when something was heard of it.
        waits = title.looked > 0 and title.may_begin(now)
        if waits or now - title.looked < _LOOK_SECONDS:
            return
        title.looked = now
        ledger, records = self._ledger(title.run), len(title.records)
        title.over = self._is_over(title, ledger)
        if title.over:
            for record in self._roster.remove(title, records):
                self._done(record)
        elif title.state != "waiting":
            self._check(title, ledger)

    def _is_over(self, title: TitleState, ledger: RunLedger) -> bool:
        if title.failure is None:
            return ledger.outcome() is not None
        # Over with this, even where somebody has cleared the outcome since: that asks for the title anew.
        if ledger.put_outcome(_failed(title.failure)):
            metrics.TITLES_FAILED.inc()
        return True

    def _pass_again(self, title: TitleState) -> None:
        wanted = title.wanted.keys() - title.window.committed
        if not title.wanted or time.monotonic() < title.began + _GATHER_SECONDS:
            return
        reasons, title.wanted = title.wanted, {}
        for segment in wanted:
            title.passes[segment] += 1
            log.warning("segment wanted again", run=title.run, segment=segment)
            if title.passes[segment] > _MOST_PASSES:
                reason = f"segment {segment} could not be used {_MOST_PASSES} times; the last time: {reasons[segment]}"
                title.failure = TitleFailed(reason=reason, exit_code=1, error=InternalError.__name__)
                title.looked = 0.0
                publish_event(self._bus, Event(run=title.run, title_failed=title.failure))
        if wanted:
            self._roster.again(title)

    def _check(self, title: TitleState, ledger: RunLedger) -> None:
        if title.window.idle_seconds > _LOOK_SECONDS:
            for segment in ledger.committed():
                title.window.leave(segment)
        if title.state == "decoded" and len(title.window.committed) >= title.segments:
            # Said until somebody has finished the film: whoever began may have died.
            publish_event(self._bus, Event(run=title.run, title_planned=TitlePlanned(segments=title.segments)))
        elif title.window.idle_seconds > title.stall_seconds:
            log.warning("title stalled", run=title.run, seconds=round(title.stall_seconds))
            title.stall_seconds = min(2 * title.stall_seconds, _LONGEST_STALL_SECONDS)
            self._roster.again(title)


def _failed(failure: TitleFailed) -> Outcome:
    return Outcome(state="failed", reason=failure.reason, exit_code=failure.exit_code, error=failure.error)
