"""The decoder's loop: reads requests, decodes titles, and keeps each title until it has an outcome."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from structlog.contextvars import bound_contextvars

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.dead_letters import dead_letter, run_of_key
from reelwright.bus.events import EventListener, publish_event, title_failure
from reelwright.bus.messages import read_message
from reelwright.bus.protocol import Bus, BusClosed, Consumer, Record
from reelwright.bus.topics import DECODER_GROUP, FRAMES, TITLES
from reelwright.decoder.in_flight_window import InFlightWindow
from reelwright.decoder.progress_publisher import ProgressPublisher
from reelwright.decoder.settings import DecoderSettings
from reelwright.decoder.title_decoder import decode_title
from reelwright.decoder.title_supervisor import TitleSupervisor
from reelwright.decoder.title_table import TitleState, TitleTable
from reelwright.ledger.attempts import fail_attempt
from reelwright.ledger.crash_guard import CrashGuard
from reelwright.ledger.run_ledger import OpenLedger
from reelwright.media.seeking import SeekFailed
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger
from reelwright.telemetry.tracing import TRACEPARENT, span
from reelwright.telemetry.watchdog import heartbeat, watched
from reelwright.titles.errors import OneLineError, ReelwrightError, UnusableMessage, is_refusal, is_temporary
from reelwright.titles.identity import is_run
from reelwright.titles.request import RunRequest
from reelwright.wire.titles_pb2 import TitleRequest

log = get_logger(__name__)

_POLL_SECONDS, _IDLE_POLL_SECONDS = 0.25, 0.5
# Requests read ahead, so that urgent ones among them are served first. A request takes a kilobyte.
_MAX_TITLES = 1000
# Pause after a temporary error before the next try.
_RETRY_SECONDS = 3.0
# A source that a store refuses so often in a row is not allowed. Each pass begins with an access to the ledger, which
# waits while the ledger is refused as well: then only the credentials of the moment are at fault.
_MAX_REFUSALS = 3


class DecoderService:
    """Decodes titles until it is stopped.

    Args:
        bus: the bus.
        ledger: opens the ledger of an attempt.
        claims: stores payloads that are too large for a message.
        settings: the decoder's.
    """

    def __init__(self, bus: Bus, ledger: OpenLedger, claims: ClaimCheck, settings: DecoderSettings) -> None:
        self._bus, self._ledger, self._claims, self._settings = bus, ledger, claims, settings
        self._titles = TitleTable(settings.titles, lambda: InFlightWindow(settings.window), settings.stall_seconds)
        self._guard = CrashGuard(settings.max_crashes)
        self._finished: deque[Record] = deque()
        self._unread: deque[tuple[float, str, Record]] = deque()
        self._running = False

    @property
    def unready(self) -> str:
        """Why it accepts no titles; empty when it does."""
        return "" if self._running and self._bus.connected else "it takes no titles yet"

    def run(self, stop: threading.Event) -> None:
        """Serves until `stop` is set. The next decoder continues the titles without an outcome."""
        requests = self._bus.consumer([TITLES], DECODER_GROUP)
        progress = ProgressPublisher(self._titles, self._bus, self._ledger)
        supervisor = TitleSupervisor(self._titles, self._bus, self._ledger, self._finished.append)
        # Every decoder receives every event, because any of them may have the title.
        listener = EventListener(self._bus, supervisor.handle_event)
        self._running = True
        metrics.watch_titles(self._titles.count, self._titles.oldest_seconds)
        try:
            with ThreadPoolExecutor(self._settings.titles * len(FRAMES), thread_name_prefix="decode") as pool:
                try:
                    with watched("decoder"):
                        self._serve(requests, pool, stop)
                finally:
                    # The pool waits for the passes, and a pass for room in its window.
                    self._titles.close_windows()
                    self._guard.stop()
        finally:
            self._running = False
            listener.close()
            progress.close()
            supervisor.close()
            requests.close()

    def _serve(self, requests: Consumer, pool: ThreadPoolExecutor, stop: threading.Event) -> None:
        while not stop.is_set():
            heartbeat()
            assignment = requests.assignment()
            if len(self._titles) < _MAX_TITLES:
                requests.resume(assignment)
            else:
                requests.pause(assignment)
            busy = len(self._titles) or self._unread
            for record in requests.poll(_POLL_SECONDS if busy else _IDLE_POLL_SECONDS):
                self._accept_request(record)
            while self._unread and self._unread[0][0] <= time.monotonic():
                _, run, record = self._unread.popleft()
                if record.topic_partition in assignment:
                    with bound_contextvars(run=run):
                        self._add_request(run, record)
            self._titles.retain_partitions(requests.assignment())
            while (title := self._titles.start_next_pass()) is not None:
                pool.submit(self._run_pass, title)
            while self._finished:
                requests.acknowledge(self._finished.popleft())

    def _accept_request(self, record: Record) -> None:
        """Adds the title that a record asks for, as the ledger has its request.

        The ledger is the authority: a record without a request there is done, whatever it says. Old records, which a
        group without offsets reads again, restore nothing, and a message can neither make a request nor change one.
        """
        run = run_of_key(record)
        try:
            run = read_message(record, TitleRequest).run
        except UnusableMessage as error:
            dead_letter(self._bus, record, str(error))
        with bound_contextvars(run=run):
            self._add_request(run, record)

    def _add_request(self, run: str, record: Record) -> None:
        try:
            # The store may hang; the loop's own name would not show which title waits for it.
            with watched(f"read request {run}"):
                request = self._request_in_ledger(run)
        except BusClosed:
            raise
        except Exception as error:
            # The error of one title must not keep the others from being decoded.
            unknown = not isinstance(error, OneLineError)
            log.warning("request not read yet", reason=str(error), exc_info=unknown)
            # Acknowledged now, the record would be gone before anyone knows whether the ledger has its title.
            self._unread.append((time.monotonic() + _RETRY_SECONDS, run, record))
            return
        if request is None:
            self._finished.append(record)
        else:
            self._titles.add_request(request, record)

    def _request_in_ledger(self, run: str) -> RunRequest | None:
        """The request of a run; None when the ledger has none, or one that cannot be used, which fails the title."""
        ledger = self._ledger(run).latest() if is_run(run) else None
        request = None
        try:
            request = ledger.request() if ledger is not None else None
        except ReelwrightError as error:
            if ledger is None or is_temporary(error) or is_refusal(error):
                raise
            if (failed := fail_attempt(ledger, "decoder", error)) is not None:
                metrics.TITLES_FAILED.inc()
                publish_event(self._bus, failed)
            return None
        if request is None:
            log.warning("title without request")
            metrics.STRAY_TITLES.inc()
        return request

    def _run_pass(self, title: TitleState) -> None:
        segments, pause_seconds = None, 0.0
        parent = title.records[-1].headers.get(TRACEPARENT, "")
        with (
            bound_contextvars(run=title.run, attempt=title.attempt),
            watched(f"decode {title.run}"),
            span("decode title", parent, run=title.run, attempt=title.attempt),
        ):
            try:
                segments = self._decode(title)
            except BusClosed:
                log.info("bus closed, decode stopped")
            except SeekFailed as error:
                log.warning("reading from the start", reason=str(error))
                self._titles.forbid_seeking(title)
            except Exception as error:  # noqa: BLE001 - any error fails the title, never the service
                if is_temporary(error) and (self._settings.retry_unavailable or title.window.closed):
                    log.warning("decode postponed", reason=str(error))
                    pause_seconds = _RETRY_SECONDS
                elif self._may_be_allowed(title, error):
                    log.warning("source refused, trying again", reason=str(error))
                    pause_seconds = _RETRY_SECONDS
                else:
                    self._fail_title(title, error)
            self._titles.finish_pass(title, segments, pause_seconds=pause_seconds)

    def _may_be_allowed(self, title: TitleState, error: Exception) -> bool:
        """Whether the source of a title that was refused just now may be allowed at the next pass."""
        if not (is_refusal(error) and self._settings.retry_unavailable):
            return False
        return self._titles.count_refusal(title) < _MAX_REFUSALS

    def _decode(self, title: TitleState) -> int | None:
        ledger, window = self._ledger(title.run, title.attempt), title.window
        if ledger.outcome() is not None:
            self._titles.mark_ended(title)
            return None
        for segment in ledger.committed_segments():
            window.mark_committed(segment)
        return decode_title(
            title.request,
            ledger,
            bus=self._bus,
            claims=self._claims,
            window=window,
            settings=self._settings,
            guard=self._guard,
            may_seek=title.may_seek,
        )

    def _fail_title(self, title: TitleState, error: Exception) -> None:
        if not isinstance(error, OneLineError):
            log.error("title failed", exc_info=error)
        event = title_failure(title.run, title.attempt, "decoder", error)
        self._titles.mark_failed(title, event.title_failed)
        publish_event(self._bus, event)
