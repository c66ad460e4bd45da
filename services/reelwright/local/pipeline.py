"""The four services in one process, on an in-process bus. The loops are those of a cluster."""

from __future__ import annotations

import os
import queue
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

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
from reelwright.ledger.credentials import configured_signing
from reelwright.ledger.run_ledger import RunLedger
from reelwright.local.job import RestorationJob
from reelwright.restoration.engine_factory import create_engine
from reelwright.telemetry import metrics
from reelwright.telemetry.threads import SupervisedThread, dead_threads
from reelwright.titles.errors import InternalError
from reelwright.wire.titles_pb2 import Event

_BUS_BYTES = 1 << 30
_TICK_SECONDS = 0.25
# Time for the services to close after a failure of ours; committed segments are safe at any moment.
_CLOSE_SECONDS = 30.0
# The path of a Unix socket has at most 103 bytes on macOS and 107 on Linux; `/reelwright-abcdefgh/dispatch` has 29.
_LONGEST_TMPDIR = 74
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def restore_here(job: RestorationJob, tick: Callable[[], None]) -> None:
    """Restores a job's film and delivers it to its output.

    Args:
        job: what to restore.
        tick: called several times a second meanwhile.

    Raises:
        UserError: the source, the output, or the key that films are signed with must be corrected.
        UnavailableError: a disk is full.
        InternalError: a failure of ours.
        DefectiveWorker: the engine is broken.
        KeyboardInterrupt: the person pressed Ctrl-C.
    """
    signing = configured_signing()
    engine = create_engine(job.engine, job.model, threads=job.threads, streams=job.threads)
    bus = LocalBus(max_bytes=_BUS_BYTES)
    metrics.watch_bus(ALL, bus.held_bytes)
    claims = ClaimCheck(None, _BUS_BYTES)
    outcomes: queue.SimpleQueue[Event | BaseException] = queue.SimpleQueue()
    # A dead thread may prevent the services from closing.
    close_timer = threading.Timer(_CLOSE_SECONDS, os._exit, [InternalError.exit_code])
    close_timer.daemon = True
    with ExitStack() as stack:
        # Closed in reverse order: the listener, then from source to sink, then the bus.
        stack.callback(close_timer.cancel)
        stack.callback(bus.close)
        # A socket below a long TMPDIR, such as that of a batch system, could not be opened.
        short = None if len(os.fsencode(tempfile.gettempdir())) <= _LONGEST_TMPDIR else "/tmp"  # noqa: S108 - a new folder
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="reelwright-", dir=short))
        address = f"unix:{folder}/dispatch"
        dispatcher = DispatcherService(bus, DispatcherSettings(address=address, drain_seconds=0))
        worker_settings = InferenceSettings(dispatcher=address, parallel=job.threads, codec="raw")
        worker = InferenceWorker(bus, claims, PictureRestorer(engine, job.model), worker_settings)
        # A worker that connects before the dispatcher listens would wait before its second try.
        dispatcher.start()
        stack.callback(_ServiceThread("dispatcher", dispatcher.run, outcomes.put, bus).close)
        worker.start()
        stack.callback(worker.close, 0.0)

        ledger = partial(RunLedger, str(job.ledger))

        # A person waits: an unavailable disk ends the command, while a service would retry.
        # Nor does a command that was killed keep other titles waiting.
        encoding = EncoderSettings(scratch=job.folder, max_crashes=0, retry_unavailable=False)
        decoding = DecoderSettings(titles=1, codec="raw", max_crashes=0, retry_unavailable=False)
        encoder = EncoderService(bus, ledger, claims, encoding, signing=signing)
        decoder = DecoderService(bus, ledger, claims, decoding)
        stack.callback(_ServiceThread("encoder", encoder.run, outcomes.put, bus).close)
        stack.callback(_ServiceThread("decoder", decoder.run, outcomes.put, bus).close)
        listener = EventListener(bus, outcomes.put)
        stack.callback(listener.close)
        publish_message(bus, TITLES, run_key(job.request.run), request_to_wire(job.request))
        try:
            with _interrupts(outcomes):
                _wait(outcomes, partial(_check_and_tick, worker, tick))
        except InternalError:
            close_timer.start()
            raise


@contextmanager
def _interrupts(outcomes: queue.SimpleQueue[Event | BaseException]) -> Iterator[None]:
    """Puts Ctrl-C into the queue. Python would raise it at any point, and loses it when that is inside a finalizer.

    So with the other signals that raise it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [each for each in _STOP_SIGNALS if callable(signal.getsignal(each))]
    former = {
        number: signal.signal(number, lambda *_: outcomes.put(KeyboardInterrupt()))
        for number in {signal.SIGINT, *numbers}
    }
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _check_and_tick(worker: InferenceWorker, tick: Callable[[], None]) -> None:
    # In a cluster another worker would take its place.
    if worker.defect is not None:
        raise worker.defect
    tick()


class _ServiceThread:
    """Runs the loop of a service on a thread until `close`; an exception that ends the loop is passed on."""

    def __init__(
        self, name: str, run: Callable[[threading.Event], None], failed: Callable[[Exception], None], bus: LocalBus
    ) -> None:
        self._stop = threading.Event()
        self._run, self._failed, self._bus = run, failed, bus
        self._thread = SupervisedThread(name, self._main)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        # It looks at `_stop` between two polls, which last up to half a second.
        self._bus.wake_consumers()
        self._thread.join()

    def _main(self) -> None:
        try:
            self._run(self._stop)
        except Exception as error:  # noqa: BLE001 - raised again on the main thread
            self._failed(error)


def _wait(outcomes: queue.SimpleQueue[Event | BaseException], tick: Callable[[], None]) -> None:
    """Returns when the title is finished.

    Raises:
        ReelwrightError: the title failed, or a service did.
        InternalError: a thread died.
        KeyboardInterrupt: the person pressed Ctrl-C.
    """
    while True:
        tick()
        dead = dead_threads()
        if dead:
            raise InternalError(f"a thread died: {', '.join(dead)}")
        try:
            outcome = outcomes.get(timeout=_TICK_SECONDS)
        except queue.Empty:
            continue
        if isinstance(outcome, BaseException):
            raise outcome
        if outcome.HasField("title_failed"):
            raise error_from_event(outcome.title_failed)
        if outcome.HasField("title_finished"):
            return
