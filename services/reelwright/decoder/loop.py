"""The decoder's loop: titles in, batches out, committed segments back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from reelwright.bus.events import EventListener, publish_event, title_failure
from reelwright.bus.protocol import Bus, Consumer, Record
from reelwright.bus.topics import TITLES
from reelwright.decoder.settings import DecoderSettings
from reelwright.decoder.title import decode_title
from reelwright.decoder.window import Window
from reelwright.ledger.store import RunLedger
from reelwright.titles.errors import UserError
from reelwright.wire.titles_pb2 import Event, TitleRequest, TitleStarted

log = logging.getLogger(__name__)

GROUP = "decoder"
_POLL_SECONDS = 0.1


class Decoder:
    """Decodes titles until told to stop.

    Args:
        bus: the bus.
        ledger: opens a run's ledger by its name.
        settings: the decoder's.
    """

    def __init__(self, bus: Bus, ledger: Callable[[str], RunLedger], settings: DecoderSettings) -> None:
        self._bus, self._ledger, self._settings = bus, ledger, settings
        self._windows: dict[str, Window] = {}
        self._lock = threading.Lock()

    def run(self, stop: threading.Event) -> None:
        """Serves until `stop` is set; a title under way is left where it is and is taken up by the next decoder."""
        titles = self._bus.consumer([TITLES], GROUP)
        # Every decoder hears every event: any of them may hold the window that a commit releases.
        listener = EventListener(self._bus, self._heard)
        try:
            with ThreadPoolExecutor(self._settings.titles, thread_name_prefix="decode") as pool:
                self._serve(titles, pool, stop)
                self._end_all()
        finally:
            listener.close()
            titles.close()

    def _serve(self, titles: Consumer, pool: ThreadPoolExecutor, stop: threading.Event) -> None:
        room = threading.Semaphore(self._settings.titles)
        finished: list[Record] = []
        while not stop.is_set():
            if not room.acquire(timeout=_POLL_SECONDS):
                continue
            records = titles.poll(_POLL_SECONDS, limit=1)
            if not records:
                room.release()
            for record in records:
                task = pool.submit(self._title, record)
                task.add_done_callback(partial(_ended, record, finished, room))
            while finished and not stop.is_set():
                titles.done(finished.pop())

    def _title(self, record: Record) -> None:
        request = TitleRequest.FromString(record.value)
        window = Window(self._settings.window)
        with self._lock:
            self._windows[request.run] = window
        publish_event(self._bus, Event(run=request.run, title_started=TitleStarted()))
        try:
            decode_title(request, self._ledger(request.run), self._bus, window, self._settings)
        except Exception as error:
            if not isinstance(error, UserError):
                log.exception("title failed", extra={"run": request.run})
            publish_event(self._bus, title_failure(request.run, "decoder", error))

    def _heard(self, event: Event) -> None:
        with self._lock:
            window = self._windows.get(event.run)
        if window is None:
            return
        kind = event.WhichOneof("event")
        if kind == "segment_committed":
            window.leave(event.segment_committed.segment)
        elif kind in {"title_failed", "title_cancelled", "title_finished"}:
            window.end()
            with self._lock:
                self._windows.pop(event.run, None)

    def _end_all(self) -> None:
        with self._lock:
            for window in self._windows.values():
                window.end()


def _ended(record: Record, finished: list[Record], room: threading.Semaphore, _task: Future[None]) -> None:
    finished.append(record)
    room.release()
