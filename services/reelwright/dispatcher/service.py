"""The gRPC side of the dispatcher: a stream per worker, turned into calls on the desk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio

from reelwright import __version__
from reelwright.dispatcher.desk import Desk, Worker
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.titles.errors import UnavailableError
from reelwright.wire import PROTOCOL
from reelwright.wire.dispatch_pb2 import DispatcherMessage, Hello, WorkerMessage
from reelwright.wire.dispatch_pb2_grpc import DispatchServicer, add_DispatchServicer_to_server

log = logging.getLogger(__name__)


class DispatchService(DispatchServicer):
    """Serves `reelwright.v1.Dispatch` on the desk's event loop."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def Work(  # noqa: N802 - the proto's name
        self, request_iterator: AsyncIterator[WorkerMessage], context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        """One worker's stream, from its Hello to its end."""
        hello = (await anext(aiter(request_iterator), WorkerMessage())).hello
        if not hello.worker:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the first message must be a Hello with a name")
        if hello.protocol != PROTOCOL:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, _mismatch(hello))
        # Tells the worker that it is taken.
        await context.send_initial_metadata((("protocol", str(PROTOCOL)),))
        outbox: asyncio.Queue[DispatcherMessage | None] = asyncio.Queue()
        worker = Worker(hello.worker, frozenset(hello.models), outbox.put_nowait, lambda: outbox.put_nowait(None))
        self._desk.join(worker)
        reader = asyncio.create_task(self._read(worker, request_iterator))
        try:
            while (message := await outbox.get()) is not None:
                await context.write(message)
        finally:
            self._desk.leave(worker)
            reader.cancel()
            (outcome,) = await asyncio.gather(reader, return_exceptions=True)
            if isinstance(outcome, Exception):
                log.warning("stream broke", extra={"worker": worker.name}, exc_info=outcome)

    async def _read(self, worker: Worker, messages: AsyncIterator[WorkerMessage]) -> None:
        try:
            async for message in messages:
                self._act(worker, message)
        finally:
            worker.hang_up()

    def _act(self, worker: Worker, message: WorkerMessage) -> None:
        match message.WhichOneof("message"):
            case "pull":
                self._desk.pull(worker, message.pull.credits)
            case "receipt":
                self._desk.receipt(worker, message.receipt.lease)
            case "failure" if message.failure.payload_unusable:
                self._desk.unusable(message.failure.lease, message.failure.reason)
            case "failure":
                self._desk.failure(message.failure.lease, message.failure.reason)
            case "ready":
                self._desk.ready(worker, message.ready.lease)
            case "stalled":
                self._desk.stalled(worker)
            case "hand_back":
                self._desk.hand_back(worker, message.hand_back.lease)


async def start_server(desk: Desk, settings: DispatcherSettings) -> tuple[grpc.aio.Server, str]:
    """Starts serving a desk on the running event loop.

    Returns:
        The server, and the address that workers dial: the port is the one that was bound.

    Raises:
        UnavailableError: the address cannot be listened on.
    """
    size = settings.max_message_bytes
    server = grpc.aio.server(
        options=[
            ("grpc.max_send_message_length", size),
            ("grpc.max_receive_message_length", size),
            # Without this two dispatchers on one port would each get half of the workers.
            ("grpc.so_reuseport", 0),
            *_keepalive(settings.keepalive_seconds),
        ]
    )
    add_DispatchServicer_to_server(DispatchService(desk), server)  # type: ignore[no-untyped-call]
    try:
        port = server.add_insecure_port(settings.address)
    except RuntimeError:
        raise UnavailableError("cannot listen", settings.address, "give another address") from None
    await server.start()
    if settings.address.startswith("unix:"):
        return server, settings.address
    return server, f"{settings.address.rpartition(':')[0]}:{port}"


def _mismatch(hello: Hello) -> str:
    older = "worker" if hello.protocol < PROTOCOL else "dispatcher"
    return (
        f"worker {hello.worker} (version {hello.version}) speaks protocol {hello.protocol}, "
        f"this dispatcher (version {__version__}) speaks {PROTOCOL}: upgrade the {older}"
    )


def _keepalive(seconds: float) -> list[tuple[str, int]]:
    """A peer whose machine vanished, or that is frozen, sends no FIN; pings notice it."""
    return [
        ("grpc.keepalive_time_ms", int(1000 * seconds)),
        ("grpc.keepalive_timeout_ms", int(1000 * seconds)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # Workers ping as often as their own settings say; none is thrown out for it.
        ("grpc.http2.max_ping_strikes", 0),
    ]
