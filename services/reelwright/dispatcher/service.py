"""The gRPC side of the dispatcher: a stream per worker, turned into calls on the desk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio

from reelwright.dispatcher.desk import Desk, Worker
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.titles.errors import UnavailableError
from reelwright.wire.dispatch_pb2 import DispatcherMessage, WorkerMessage
from reelwright.wire.dispatch_pb2_grpc import DispatchServicer, add_DispatchServicer_to_server

log = logging.getLogger(__name__)

# A peer whose machine vanished sends no FIN; pings notice it within half a minute.
_KEEPALIVE = [
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
]


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
                self._desk.receipt(message.receipt.lease)
            case "failure":
                self._desk.failure(message.failure.lease, message.failure.reason)
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
            *_KEEPALIVE,
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
