"""The decoder's loop: titles in, batches out, each title answered for until it has an outcome."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.conversion import request_from_wire
from reelwright.bus.dead_letters import dead_letter, run_of_key
from reelwright.bus.events import EventListener, publish_event, title_failure
from reelwright.bus.messages import read_message
from reelwright.bus.protocol import Bus, BusClosed, Consumer, Record
from reelwright.bus.topics import FRAMES, TITLES
from reelwright.decoder.in_flight_window import InFlightWindow
from reelwright.decoder.settings import DecoderSettings
from reelwright.decoder.title_decoder import decode_title
from reelwright.decoder.title_supervisor import TitleSupervisor
from reelwright.decoder.title_table import TitleState, TitleTable
from reelwright.ledger.run_ledger import RunLedger, is_run
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import OneLineError, UnavailableError, UnusableMessage, UserError
from reelwright.titles.request import RunRequest
from reelwright.wire.titles_pb2 import TitleRequest

log = get_logger(__name__)

GROUP = "decoder"
_POLL_SECONDS = 0.1
# Titles read ahead, so that the urgent ones among them go first; one more request is a kilobyte.
_HOLD_TITLES = 1000
# Between two passes over a source whose store does not answer.
_PAUSE_SECONDS = 3.0


class DecoderService:
    """Decodes titles until told to stop.

    Args:
        bus: the bus.
        ledger: opens a run's ledger by its name.
        claims: where payloads go that are too large for a message.
        settings: the decoder's.
    """

    def __init__(
        self, bus: Bus, ledger: Callable[[str], RunLedger], claims: ClaimCheck, settings: DecoderSettings
    ) -> None:
        self._bus, self._ledger, self._claims, self._settings = bus, ledger, claims, settings
        self._roster = TitleTable(settings.titles, lambda: InFlightWindow(settings.window), settings.stall_seconds)
        self._finished: deque[Record] = deque()
        self._running = False

    @property
    def ready(self) -> bool:
        """Whether it takes titles."""
        return self._running and self._bus.connected

    def run(self, stop: threading.Event) -> None:
        """Serves until `stop` is set; a title under way is left where it is and is taken up by the next decoder."""
        titles = self._bus.consumer([TITLES], GROUP)
        keeper = TitleSupervisor(self._roster, self._bus, self._ledger, self._finished.append)
        # Every decoder hears every event: any of them may hold the title.
        listener = EventListener(self._bus, keeper.heard)
        self._running = True
        try:
            with ThreadPoolExecutor(self._settings.titles * len(FRAMES), thread_name_prefix="decode") as pool:
                self._serve(titles, pool, stop)
                self._roster.end_all()
        finally:
            self._running = False
            listener.close()
            keeper.close()
            titles.close()

    def _serve(self, titles: Consumer, pool: ThreadPoolExecutor, stop: threading.Event) -> None:
        while not stop.is_set():
            assignment = titles.assignment()
            if len(self._roster) < _HOLD_TITLES:
                titles.resume(assignment)
            else:
                titles.pause(assignment)
            for record in titles.poll(_POLL_SECONDS):
                self._take(record)
            self._roster.keep_only(titles.assignment())
            while (title := self._roster.begin()) is not None:
                pool.submit(self._pass, title)
            while self._finished:
                titles.acknowledge(self._finished.popleft())

    def _take(self, record: Record) -> None:
        try:
            request = request_from_wire(read_message(record, TitleRequest))
        except (UnusableMessage, UserError) as error:
            dead_letter(self._bus, record, str(error))
            known = self._known(run_of_key(record))
            if known is None:
                self._finished.append(record)
                return
            request = known
        self._roster.take(request, record)

    def _known(self, run: str) -> RunRequest | None:
        """What the ledger has of a title whose message cannot be read: it must not be lost with it."""
        try:
            return self._ledger(run).request() if is_run(run) else None
        except UserError as error:
            log.error("title lost", run=run, reason=str(error))
            return None

    def _pass(self, title: TitleState) -> None:
        segments, pause = None, 0.0
        try:
            segments = self._decode(title)
        except BusClosed:
            log.info("the bus is closed", run=title.run)
        except Exception as error:  # noqa: BLE001 - whatever it is, it fails the title and not the service
            if isinstance(error, UnavailableError) and (self._settings.retry_unavailable or title.window.ended):
                log.warning("waiting", run=title.run, reason=str(error))
                pause = _PAUSE_SECONDS
            else:
                self._fail(title, error)
        self._roster.passed(title, segments, pause)

    def _decode(self, title: TitleState) -> int | None:
        ledger, window = self._ledger(title.run), title.window
        if ledger.outcome() is not None:
            title.over, title.looked = True, 0.0
            return None
        for segment in ledger.committed():
            window.leave(segment)
        return decode_title(title.request, ledger, self._bus, self._claims, window, self._settings)

    def _fail(self, title: TitleState, error: Exception) -> None:
        if not isinstance(error, OneLineError):
            log.error("title failed", run=title.run, exc_info=error)
        event = title_failure(title.run, "decoder", error)
        title.failure = event.title_failed
        title.looked = 0.0
        publish_event(self._bus, event)
