"""Publishes what is left to do of each title: the cluster is scaled by it, because queues show too little."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

from structlog.contextvars import bound_contextvars

from reelwright.bus.events import publish_event
from reelwright.bus.protocol import Bus, BusClosed
from reelwright.decoder.title_table import TitleState, TitleTable
from reelwright.ledger.progress import count_committed_frames
from reelwright.ledger.run_ledger import OpenLedger, RunLedger
from reelwright.telemetry.logs import get_logger
from reelwright.telemetry.threads import SupervisedThread
from reelwright.telemetry.watchdog import heartbeat
from reelwright.titles.errors import is_temporary
from reelwright.wire.titles_pb2 import Event, TitleProgress

log = get_logger(__name__)

_TICK_SECONDS = 0.2
# A dispatcher that starts must soon know the titles under way. A waiting title changes nothing and may be one of many.
_REPEAT_SECONDS = 10.0
_REPEAT_WAITING_SECONDS = 60.0


class _Published(NamedTuple):
    """The last progress of a title that was published.

    Attributes:
        phase: that the title had.
        at: when, on the monotonic clock.
    """

    phase: str
    at: float


class ProgressPublisher:
    """Publishes the progress of the titles of a table on its own thread, from construction until `close`.

    The progress of a title is published at once when it is new or in another phase, and then repeated until the title
    has an outcome.

    Args:
        titles: the titles.
        bus: where events are published.
        ledger: opens the ledger of an attempt.
    """

    def __init__(self, titles: TitleTable, bus: Bus, ledger: OpenLedger) -> None:
        self._titles, self._bus, self._ledger = titles, bus, ledger
        self._published: dict[tuple[str, int], _Published] = {}
        self._stop = threading.Event()
        self._thread = SupervisedThread("progress-publisher", self._run, restart_until=self._stop)
        self._thread.start()

    def close(self) -> None:
        """Stops publishing."""
        self._stop.set()
        self._titles.close()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_TICK_SECONDS):
            self._titles.wait_while_empty()
            heartbeat()
            try:
                self._publish_due()
            except BusClosed:
                return

    def _publish_due(self) -> None:
        titles = {(title.run, title.attempt): title for title in self._titles.titles()}
        self._published = {key: last for key, last in self._published.items() if key in titles}
        for key, title in titles.items():
            if title.ended or title.failure is not None or not self._is_due(key, title.phase):
                continue
            heartbeat()
            self._published[key] = _Published(title.phase, time.monotonic())
            with bound_contextvars(run=title.run, attempt=title.attempt):
                try:
                    publish_event(self._bus, _progress_event(title, self._ledger(title.run, title.attempt)))
                except BusClosed:
                    raise
                except Exception as error:
                    # Repeated soon; the error of one title must not stop the progress of the others.
                    log.warning("progress not published", reason=str(error), exc_info=not is_temporary(error))

    def _is_due(self, key: tuple[str, int], phase: str) -> bool:
        last = self._published.get(key)
        seconds = _REPEAT_WAITING_SECONDS if phase == "waiting" else _REPEAT_SECONDS
        return last is None or last.phase != phase or time.monotonic() - last.at >= seconds


def _progress_event(title: TitleState, ledger: RunLedger) -> Event:
    request = title.request
    progress = TitleProgress(
        frames=request.frames_estimate,
        frame_pixels=request.frame_pixels,
        priority_class=request.priority_class,
        model_sha256=request.model_sha256,
        deadline=request.deadline,
        submitted=request.submitted,
        engine=request.engine,
        waiting=title.phase == "waiting",
    )
    known = None if progress.waiting else ledger.title()
    if known is not None:
        video, end = known.source.video, ledger.plan_end()
        estimate = max(0, request.recipe.excerpt.frames(video.frames_estimate))
        progress.frames = end.frames if end is not None else estimate
        progress.frame_pixels = video.width * video.height
        committed = ledger.committed_segments()
        progress.frames_committed = count_committed_frames(ledger, committed)
        # Where a range begins or ends, exactly one of two adjacent segments is committed.
        progress.segments_committed[:] = sorted(committed ^ {segment + 1 for segment in committed})
        progress.engine = ledger.engine() or request.engine
    return Event(run=title.run, attempt=title.attempt, title_progress=progress)
