"""Finished titles: assembled once every segment is committed, delivered, and written down as finished."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from reelwright.bus.events import publish_event, title_failure
from reelwright.bus.protocol import Bus, BusClosed
from reelwright.encoder.finish import finish_title, ready
from reelwright.encoder.settings import EncoderSettings
from reelwright.ledger.records import Outcome
from reelwright.ledger.run_ledger import RunLedger
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import OneLineError, UnavailableError
from reelwright.wire.titles_pb2 import Event, TitleFinished

log = get_logger(__name__)


class FilmAssembler:
    """Assembles one film after another on a thread of its own, until `close`.

    Args:
        bus: where events go.
        ledger: opens a run's ledger by its name.
        settings: the encoder's.
    """

    def __init__(self, bus: Bus, ledger: Callable[[str], RunLedger], settings: EncoderSettings) -> None:
        self._bus, self._ledger, self._settings = bus, ledger, settings
        # Runs under way, and whether they were offered once more meanwhile.
        self._under_way: dict[str, bool] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="assemble")

    def offer(self, run: str) -> None:
        """Has a run's film assembled if every segment is committed and nobody here is at it.

        Several encoders at one film do no harm: each writes the same. One that dies over it is made up for by the
        decoder, which says that the title is planned until it has an outcome.
        """
        with self._lock:
            if run in self._under_way:
                self._under_way[run] = True
                return
            self._under_way[run] = False
        self._pool.submit(self._assemble, run)

    def close(self) -> None:
        """Finishes the film under way and ends."""
        self._pool.shutdown(cancel_futures=True)

    def _assemble(self, run: str) -> None:
        try:
            ledger = self._ledger(run)
            if ready(ledger) and ledger.outcome() is None:
                self._finish(ledger)
        except BusClosed:
            log.info("the bus is closed", run=run)
        except Exception as error:  # noqa: BLE001 - whatever it is, it fails the title and not the service
            self._failed(run, error)
        finally:
            with self._lock:
                again = self._under_way.pop(run)
        if again:
            with suppress(RuntimeError):  # closed meanwhile
                self.offer(run)

    def _finish(self, ledger: RunLedger) -> None:
        manifest, output = finish_title(ledger, self._settings.scratch)
        if not _still_wanted(ledger, output):
            return
        ledger.deliver(output)
        # Only after the film is in its place, and before anything that could make it again goes.
        if not ledger.put_outcome(Outcome(state="finished", output=output, frames=manifest.frames_out)):
            return
        ledger.prune()
        metrics.TITLES_FINISHED.inc()
        metrics.FRAMES_LOST.inc(manifest.frames_in - manifest.frames_out)
        finished = TitleFinished(output=output, frames=manifest.frames_out)
        publish_event(self._bus, Event(run=ledger.run, title_finished=finished))

    def _failed(self, run: str, error: Exception) -> None:
        if isinstance(error, UnavailableError) and self._settings.retry_unavailable:
            log.warning("waiting", run=run, reason=str(error))
            return
        if self._finished_elsewhere(run):
            return
        if not isinstance(error, OneLineError):
            log.error("assembly failed", run=run, exc_info=error)
        publish_event(self._bus, title_failure(run, "assembly", error))

    def _finished_elsewhere(self, run: str) -> bool:
        """Whether another encoder was faster and has cleared the segments away under this one."""
        try:
            return self._ledger(run).outcome() is not None
        except UnavailableError:
            # Whatever it is, the title is announced again when the store answers.
            return True


def _still_wanted(ledger: RunLedger, output: str) -> bool:
    """Whether nobody has cancelled the run, or asked for it elsewhere, while its film was assembled."""
    title = ledger.title()
    return ledger.outcome() is None and title is not None and title.request.output == output
