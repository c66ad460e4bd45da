"""The four services in this process on the in-process bus, whose messages a test can change."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.conversion import request_to_wire
from reelwright.bus.events import EventListener
from reelwright.bus.local.bus import LocalBus
from reelwright.bus.messages import publish_message
from reelwright.bus.protocol import Consumer
from reelwright.bus.topics import TITLES, run_key
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
from reelwright.ledger.run_ledger import OpenLedger, RunLedger
from reelwright.local.job import make_job
from reelwright.restoration.engine import Engine
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.models import resolve_model
from reelwright.store.retry import NO_RETRY, RetryPolicy
from reelwright.titles.recipe import Recipe
from reelwright.titles.request import RunRequest
from reelwright.wire.titles_pb2 import Event
from tests.support.commands import TIMEOUT_SECONDS

Change = Callable[[str, bytes], bytes | None]
"""Takes a topic and a message; returns the message to publish instead, or None to drop it."""


class InterceptedBus:
    """A LocalBus whose messages pass through `change` first."""

    def __init__(self, bus: LocalBus, change: Change) -> None:
        self._bus, self._change = bus, change

    @property
    def connected(self) -> bool:
        return self._bus.connected

    def publish(
        self,
        topic: str,
        key: bytes,
        value: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> None:
        changed = self._change(topic, value)
        if changed is not None:
            self._bus.publish(topic, key, changed, headers=headers, timeout=timeout)

    def consumer(self, topics: Sequence[str], group: str) -> Consumer:
        return self._bus.consumer(topics, group)

    def listener(self, topics: Sequence[str]) -> Consumer:
        return self._bus.listener(topics)

    def close(self) -> None:
        self._bus.close()


@dataclass
class PipelineHarness:
    """The running services: submits titles and waits for their outcomes."""

    bus: LocalBus
    root: str
    events: queue.SimpleQueue[Event] = field(default_factory=queue.SimpleQueue)

    def ledger(self, run: str, attempt: int = 1) -> RunLedger:
        return RunLedger(self.root, run, attempt)

    def submit(self, request: RunRequest) -> None:
        self.ledger(request.run, request.attempt).put_request(request)
        publish_message(self.bus, TITLES, run_key(request.run), request_to_wire(request))

    def wait(self, request: RunRequest) -> Event:
        """Waits for the event that ends the run."""
        while (event := self.wait_for_any()).run != request.run:
            pass
        return event

    def wait_for_any(self) -> Event:
        """Waits for the next event that ends a run."""
        while True:
            event = self.events.get(timeout=TIMEOUT_SECONDS)
            if event.WhichOneof("event") in {"title_finished", "title_failed"}:
                return event


@cache
def default_engine() -> Engine:
    """The engine of this machine."""
    return create_engine("auto", resolve_model("reel-s"))


def request_for(source: Path, output: Path, **recipe: object) -> RunRequest:
    """A request for a film, as the command line makes it."""
    return make_job(str(source), str(output), recipe=Recipe(**recipe), engine="auto", threads=1).request


@contextmanager
def pipeline_harness(
    root: str,
    change: Change = lambda _topic, value: value,
    ledger: OpenLedger | None = None,
    inline_bytes: int = 1 << 30,
    window: int = 3,
    retry: RetryPolicy = NO_RETRY,
    engines: Sequence[Engine] = (),
    parallel: int = 1,
) -> Iterator[PipelineHarness]:
    """Runs one service of each role.

    Args:
        root: the ledger's root; also holds what is too large for a message.
        change: what happens to each message that the services publish.
        ledger: opens the ledger of an attempt for decoder and encoder; plainly if not given.
        inline_bytes: payloads above it go to the store.
        window: segments of a title in flight.
        retry: of the claim check.
        engines: a worker for each; one with this machine's engine if none are given.
        parallel: batches that the worker restores at the same time.
    """
    real = LocalBus(max_bytes=256 << 20)
    bus, claims = InterceptedBus(real, change), ClaimCheck(root, inline_bytes, retry)
    here = PipelineHarness(real, root)
    open_ledger = ledger or here.ledger
    with ExitStack() as stack:
        stack.callback(real.close)
        dispatcher = DispatcherService(bus, DispatcherSettings(drain_seconds=0))
        address = dispatcher.start()
        stack.callback(dispatcher.close)
        for engine in engines or (default_engine(),):
            restorer = PictureRestorer(engine, resolve_model("reel-s"))
            worker = InferenceWorker(bus, claims, restorer, InferenceSettings(dispatcher=address, parallel=parallel))
            worker.start()
            stack.callback(worker.close, 0.0)
        for service in (
            EncoderService(bus, open_ledger, claims, EncoderSettings(), signing=configured_signing()),
            DecoderService(bus, open_ledger, claims, DecoderSettings(window=window)),
        ):
            stack.callback(_running(service.run))
        stack.callback(EventListener(real, here.events.put).close)
        yield here


def _running(run: Callable[[threading.Event], None]) -> Callable[[], None]:
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(stop,))
    thread.start()

    def close() -> None:
        stop.set()
        thread.join()

    return close
