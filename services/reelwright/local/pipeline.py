"""The four services in one process, on an in-process bus: the same loops that a cluster runs apart."""

from __future__ import annotations

import queue
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.conversion import request_to_wire
from reelwright.bus.events import EventListener, error_from_event
from reelwright.bus.local.bus import LocalBus
from reelwright.bus.messages import publish_message
from reelwright.bus.topics import ALL, TITLES, run_key
from reelwright.decoder.loop import DecoderService
from reelwright.decoder.settings import DecoderSettings
from reelwright.dispatcher.loop import DispatcherService
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.encoder.loop import EncoderService
from reelwright.encoder.settings import EncoderSettings
from reelwright.inference.restorer import PictureRestorer
from reelwright.inference.settings import InferenceSettings
from reelwright.inference.worker import InferenceWorker
from reelwright.ledger.run_ledger import RunLedger
from reelwright.local.job import RestorationJob
from reelwright.restoration.engine_factory import create_engine
from reelwright.telemetry import metrics
from reelwright.wire.titles_pb2 import Event

_BUS_BYTES = 1 << 30
_TICK_SECONDS = 0.25


def restore_here(job: RestorationJob, tick: Callable[[], None]) -> None:
    """Restores a job's film into its run's folder.

    Args:
        job: what to restore.
        tick: called a few times a second while it goes on.

    Raises:
        UserError: the source or the output must be mended.
        TitleFailed: a failure of ours.
    """
    engine = create_engine(job.engine, job.model, threads=job.threads, streams=job.threads)
    bus = LocalBus(max_bytes=_BUS_BYTES)
    metrics.watch_bus(ALL, bus.held_bytes)
    claims = ClaimCheck(None, _BUS_BYTES)
    outcome: queue.SimpleQueue[Event | BaseException] = queue.SimpleQueue()
    with ExitStack() as stack:
        # Closed from the last line up: first the listener, then source to sink, then the bus under them.
        stack.callback(bus.close)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="reelwright-"))
        address = f"unix:{folder}/dispatch"
        dispatcher = DispatcherService(bus, DispatcherSettings(address=address, drain_seconds=0))
        worker_settings = InferenceSettings(dispatcher=address, parallel=job.threads, codec="raw")
        worker = InferenceWorker(bus, claims, PictureRestorer(engine, job.model), worker_settings)
        stack.callback(_Running(dispatcher.run, outcome.put).close)
        worker.start()
        stack.callback(worker.close, 0.0)

        def ledger(run: str) -> RunLedger:
            return RunLedger(str(job.ledger), run)

        # A person waits: what a service would wait for, a full disk say, ends the command.
        encoder = EncoderService(bus, ledger, claims, EncoderSettings(scratch=job.folder, retry_unavailable=False))
        decoder = DecoderService(bus, ledger, claims, DecoderSettings(titles=1, codec="raw", retry_unavailable=False))
        for service in (encoder, decoder):
            stack.callback(_Running(service.run, outcome.put).close)
        listener = EventListener(bus, outcome.put)
        stack.callback(listener.close)
        publish_message(bus, TITLES, run_key(job.request.run), request_to_wire(job.request))
        with _interrupts(outcome):
            _wait(outcome, tick)


@contextmanager
def _interrupts(outcome: queue.SimpleQueue[Event | BaseException]) -> Iterator[None]:
    """Has Ctrl-C come as news: raised anywhere, it is lost where Python happens to run a finalizer."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGINT, lambda *_: outcome.put(KeyboardInterrupt()))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


class _Running:
    """A service's loop on a thread; what ends it before its time is passed on."""

    def __init__(self, run: Callable[[threading.Event], None], broke: Callable[[Exception], None]) -> None:
        self._stop = threading.Event()
        self._run, self._broke = run, broke
        self._thread = threading.Thread(target=self._main)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _main(self) -> None:
        try:
            self._run(self._stop)
        except Exception as error:  # noqa: BLE001 - passed on, not swallowed
            self._broke(error)


def _wait(outcome: queue.SimpleQueue[Event | BaseException], tick: Callable[[], None]) -> None:
    """Returns when the title is finished; raises when it failed or a service broke."""
    while True:
        tick()
        try:
            news = outcome.get(timeout=_TICK_SECONDS)
        except queue.Empty:
            continue
        if isinstance(news, BaseException):
            raise news
        if news.HasField("title_failed"):
            raise error_from_event(news.title_failed)
        if news.HasField("title_finished"):
            return
