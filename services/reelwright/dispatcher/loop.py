"""The dispatcher's loop: messages from the bus and the workers go to the scheduler, its decisions to both."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from concurrent.futures import Future

from reelwright.bus.events import EventListener
from reelwright.bus.protocol import Bus
from reelwright.dispatcher.decisions import BatchOutcome, StreamClosed
from reelwright.dispatcher.frame_consumer import FrameConsumer
from reelwright.dispatcher.grpc_server import DispatchServer
from reelwright.dispatcher.inbox import (
    DrainRequested,
    EngineAnnounced,
    EventReceived,
    InboxMessage,
    TimePassed,
    TitleEnded,
    WorkerMessageReceived,
    apply_message,
)
from reelwright.dispatcher.lease_table import LeaseTable
from reelwright.dispatcher.message_limits import OversizedBatches
from reelwright.dispatcher.planner import Planner
from reelwright.dispatcher.quarantine import WorkerQuarantine
from reelwright.dispatcher.ready_queue import ReadyQueue
from reelwright.dispatcher.scaler_server import ScalerServer
from reelwright.dispatcher.scheduler import Scheduler
from reelwright.dispatcher.scheduler_counts import SchedulerCounts
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.dispatcher.unserved_models import UnservedModels
from reelwright.telemetry.logs import get_logger
from reelwright.telemetry.threads import SupervisedThread
from reelwright.telemetry.watchdog import heartbeat
from reelwright.wire.titles_pb2 import Event

log = get_logger(__name__)

# Without batches no lease can expire.
_TICK_SECONDS, _IDLE_TICK_SECONDS = 0.2, 1.0
_DRAIN_TICK_SECONDS = 0.02
_END_EVENTS = frozenset({"title_failed", "title_cancelled", "title_finished"})


class DispatcherService:
    """A dispatcher on its own threads, from `start` to `close`.

    One thread runs an event loop with the gRPC streams and the scheduler. The scheduler has one inbox, a queue on that
    loop, and only `_run_scheduler` uses it. The bus, whose calls wait, has a thread for frames and one for events.

    Args:
        bus: the bus.
        settings: the dispatcher's settings.
    """

    def __init__(self, bus: Bus, settings: DispatcherSettings) -> None:
        self._bus, self._settings = bus, settings
        self._address: Future[str] = Future()
        self._outcome: Future[None] = Future()
        self._drain_seconds = settings.drain_seconds
        self._scheduler = Scheduler(
            LeaseTable(
                seconds=settings.lease_seconds,
                max_failures=settings.max_failures,
                max_losses=settings.max_losses,
                prefer_other_seconds=settings.prefer_other_seconds,
                clock=time.monotonic,
            ),
            ReadyQueue(),
            UnservedModels(settings.unserved_seconds, time.monotonic),
            WorkerQuarantine(settings.quarantine_runs, settings.quarantine_seconds, time.monotonic),
            oversized=OversizedBatches(settings.lease_seconds, time.monotonic),
            max_credits=settings.max_credits,
        )
        self._planner = Planner(self._scheduler, target_seconds=settings.scaler_target_seconds)
        self._scaler_address: Future[str] = Future()
        self._thread = SupervisedThread("dispatcher", self._run_loop)

    @property
    def serving(self) -> bool:
        """Whether workers can connect."""
        return self._address.done() and not self._outcome.done()

    @property
    def unready(self) -> str:
        """Why it takes no workers; empty when they can connect, and the bus answers."""
        takes = self.serving and not self._closing.is_set() and self._bus.connected
        return "" if takes else "it takes no workers yet"

    @property
    def scaler_address(self) -> str:
        """The address where the scaler is served; empty when it is not served. For the time after `start`."""
        return self._scaler_address.result()

    def counts(self) -> SchedulerCounts:
        """What the scheduler holds, in numbers; may be one message old."""
        return self._scheduler.counts()

    def start(self) -> str:
        """Starts to serve.

        Returns:
            The address for workers to connect to.

        Raises:
            UnavailableError: the server cannot listen on the address of the settings.
        """
        self._thread.start()
        return self._address.result()

    def close(self, drain_seconds: float | None = None) -> None:
        """Stops: leases nothing more and waits for receipts of what is leased.

        Args:
            drain_seconds: how long to wait at most; by default as the settings say.

        Raises:
            Exception: what ended the dispatcher before.
        """
        if drain_seconds is not None:
            self._drain_seconds = drain_seconds
        if self.serving:
            self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()
        self._outcome.result()

    def run(self, stop: threading.Event) -> None:
        """Starts unless it was started, serves until `stop` is set, then drains.

        Raises:
            Exception: what ended the dispatcher before `stop` was set.
        """
        if not self._address.done():
            self.start()
        self._outcome.add_done_callback(lambda _: stop.set())
        stop.wait()
        self.close()

    def _run_loop(self) -> None:
        try:
            asyncio.run(self._serve())
            self._outcome.set_result(None)
        except BaseException as error:
            self._outcome.set_exception(error)
            if self._address.done():
                raise
            # Raised again by `start`, whose caller reports it.
            self._address.set_exception(error)

    async def _serve(self) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        self._inbox: asyncio.Queue[InboxMessage] = asyncio.Queue()
        async with contextlib.AsyncExitStack() as stack:
            consumer = FrameConsumer(self._bus, self._settings, self._send_from_thread)
            # On other threads, because joining and leaving wait for a broker that does not answer.
            stack.push_async_callback(asyncio.to_thread, consumer.close)
            listener = await asyncio.to_thread(EventListener, self._bus, self._receive_event)
            stack.push_async_callback(asyncio.to_thread, listener.close)
            server = DispatchServer(self._settings, self._inbox.put_nowait, self._inbox.qsize)
            scaler_address = await self._start_scaler(stack)
            address = await server.start()
            # Tasks, so that an error in one of them ends the dispatcher.
            scheduling = asyncio.create_task(self._run_scheduler(server, consumer))
            consuming = asyncio.create_task(asyncio.to_thread(consumer.run))
            for task in (scheduling, consuming):
                task.add_done_callback(lambda _: self._closing.set())
            self._scaler_address.set_result(scaler_address)
            self._address.set_result(address)
            try:
                await self._wait_for_closing()
                consumer.drain()
                await server.drain()
                await self._drain(scheduling)
            finally:
                await server.stop()
                consumer.stop()
                scheduling.cancel()
                outcomes = await asyncio.gather(scheduling, consuming, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def _run_scheduler(self, server: DispatchServer, consumer: FrameConsumer) -> None:
        while True:
            message = await self._inbox.get()
            try:
                apply_message(self._scheduler, message)
            except Exception:
                if not isinstance(message, WorkerMessageReceived):
                    raise
                # The worker opens a new stream, and its batches go to others.
                log.exception("worker message failed", stream=message.stream)
                server.deliver(StreamClosed(message.stream))
            seconds = message.message.receipt.seconds if isinstance(message, WorkerMessageReceived) else 0.0
            self._follow(message)
            for decision in self._scheduler.pop_decisions():
                self._planner.record_decision(decision, seconds)
                if isinstance(decision, BatchOutcome):
                    consumer.end_batch(decision)
                else:
                    server.deliver(decision)

    async def _start_scaler(self, stack: contextlib.AsyncExitStack) -> str:
        """Starts to serve the scaler, if it is to be served; its address."""
        if not self._settings.scaler_address:
            return ""
        settled_at = time.monotonic() + self._settings.scaler_settle_seconds
        scaler = ScalerServer(self._settings, self._planner, lambda: time.monotonic() >= settled_at)
        stack.push_async_callback(scaler.stop)
        return await scaler.start()

    def _follow(self, message: InboxMessage) -> None:
        """Lets the planner know of events, and of the time."""
        match message:
            case EventReceived(event):
                self._planner.record_event(event)
            case TimePassed():
                self._planner.sample()

    async def _wait_for_closing(self) -> None:
        while not self._closing.is_set():
            # On the thread of the event loop: a callback that blocks it stops these heartbeats.
            heartbeat()
            self._inbox.put_nowait(TimePassed())
            with contextlib.suppress(TimeoutError):
                seconds = _TICK_SECONDS if self._scheduler.counts().batches else _IDLE_TICK_SECONDS
                await asyncio.wait_for(self._closing.wait(), seconds)

    async def _drain(self, scheduling: asyncio.Task[None]) -> None:
        self._inbox.put_nowait(DrainRequested())
        end = time.monotonic() + self._drain_seconds
        while not scheduling.done() and time.monotonic() < end:
            if self._inbox.empty() and not self._scheduler.counts().leases:
                return
            self._inbox.put_nowait(TimePassed())
            await asyncio.sleep(_DRAIN_TICK_SECONDS)

    def _send_from_thread(self, message: InboxMessage) -> None:
        self._loop.call_soon_threadsafe(self._inbox.put_nowait, message)

    def _receive_event(self, event: Event) -> None:
        self._send_from_thread(EventReceived(event))
        # Drops what is held now and nothing that arrives later: events and frames are not ordered among each other.
        # Late batches of an attempt that has ended are restored, and the encoder discards them.
        if event.WhichOneof("event") in _END_EVENTS:
            self._send_from_thread(TitleEnded(event.run, event.attempt))
        elif event.HasField("engine_bound"):
            self._send_from_thread(EngineAnnounced(event.run, event.engine_bound.engine))
