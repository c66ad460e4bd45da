"""The dispatcher: frames in from the bus, leases out over gRPC, receipts back."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from concurrent.futures import Future

from reelwright.bus.events import EventListener
from reelwright.bus.protocol import Bus
from reelwright.dispatcher.frame_consumer import FrameConsumer
from reelwright.dispatcher.grpc_server import DispatchServer
from reelwright.dispatcher.lease_table import LeaseTable
from reelwright.dispatcher.ready_queue import QueuedBatch, ReadyQueue
from reelwright.dispatcher.scheduler import Scheduler
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.dispatcher.unserved_models import UnservedModels
from reelwright.wire.titles_pb2 import Event

_TICK_SECONDS = 0.2
_DRAIN_TICK_SECONDS = 0.02
_ENDED = frozenset({"title_failed", "title_cancelled", "title_finished"})


class DispatcherService:
    """A dispatcher on threads of its own, from `start` to `close`.

    The desk lives on the thread of an asyncio loop, and so do the gRPC streams; the bus, whose calls wait, has the
    intake's thread.

    Args:
        bus: the bus.
        settings: the dispatcher's.
    """

    def __init__(self, bus: Bus, settings: DispatcherSettings) -> None:
        self._bus, self._settings = bus, settings
        self._address: Future[str] = Future()
        self._outcome: Future[None] = Future()
        self._drain_seconds = settings.drain_seconds
        self._thread = threading.Thread(target=self._main, name="dispatcher")

    @property
    def serving(self) -> bool:
        """Whether workers can connect."""
        return self._address.done() and not self._outcome.done()

    @property
    def ready(self) -> bool:
        """Whether it takes work: workers can connect, and the bus answers."""
        return self.serving and not self._closing.is_set() and self._bus.connected

    def start(self) -> str:
        """Begins to serve.

        Returns:
            The address that workers dial.

        Raises:
            UnavailableError: the address of the settings cannot be listened on.
        """
        self._thread.start()
        return self._address.result()

    def close(self, drain_seconds: float | None = None) -> None:
        """Stops: leases nothing new and gives what is leased some time to finish.

        Args:
            drain_seconds: how long; the settings' if None.

        Raises:
            Exception: whatever ended the dispatcher before.
        """
        if drain_seconds is not None:
            self._drain_seconds = drain_seconds
        if self.serving:
            self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()
        self._outcome.result()

    def run(self, stop: threading.Event) -> None:
        """Serves until `stop` is set, then drains; ends early, with the reason, when it cannot go on."""
        self.start()
        self._outcome.add_done_callback(lambda _: stop.set())
        stop.wait()
        self.close()

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
            self._outcome.set_result(None)
        except BaseException as error:  # noqa: BLE001 - raised again by `start` or `close`
            self._outcome.set_exception(error)
            if not self._address.done():
                self._address.set_exception(error)

    async def _serve(self) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        intake = FrameConsumer(self._bus, self._settings, self._accept)
        unserved = UnservedModels(self._settings.unserved_seconds, time.monotonic)
        settled = intake.finished, intake.given_up, intake.unusable
        self._desk = Scheduler(self._lease_table(), ReadyQueue(), unserved, *settled)
        server = DispatchServer(self._desk, self._settings)
        try:
            # On a thread: it waits for a broker that does not answer, and health checks shall not.
            listener = await asyncio.to_thread(EventListener, self._bus, self._heard)
        except BaseException:
            intake.close()
            raise
        try:
            address = await server.start()
        except BaseException:
            await asyncio.to_thread(listener.close)
            intake.close()
            raise
        # A task, so that its failure ends the dispatcher instead of leaving it deaf.
        feeding = asyncio.create_task(asyncio.to_thread(intake.run))
        feeding.add_done_callback(lambda _: self._closing.set())
        self._address.set_result(address)
        try:
            await self._lease_until_closing()
            intake.drain()
            await server.drain()
            await self._drain()
        finally:
            await server.stop()
            intake.stop()
            await asyncio.to_thread(listener.close)
            await feeding

    def _lease_table(self) -> LeaseTable:
        settings = self._settings
        return LeaseTable(
            settings.lease_seconds,
            settings.attempts,
            settings.losses,
            settings.prefer_other_seconds,
            time.monotonic,
        )

    async def _lease_until_closing(self) -> None:
        while not self._closing.is_set():
            self._desk.tick()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), _TICK_SECONDS)

    async def _drain(self) -> None:
        self._desk.drain()
        end = time.monotonic() + self._drain_seconds
        while self._desk.leased and time.monotonic() < end:
            self._desk.tick()
            await asyncio.sleep(_DRAIN_TICK_SECONDS)

    def _accept(self, batches: list[QueuedBatch]) -> None:
        self._loop.call_soon_threadsafe(self._take_in, batches)

    def _take_in(self, batches: list[QueuedBatch]) -> None:
        for batch in batches:
            self._desk.add(batch)

    def _heard(self, event: Event) -> None:
        # Only what is held is dropped. What comes later is restored in vain rather than refused: the same run may
        # have been asked for again, and events and frames are not ordered among each other.
        if event.WhichOneof("event") in _ENDED:
            self._loop.call_soon_threadsafe(self._desk.drop_run, event.run)
