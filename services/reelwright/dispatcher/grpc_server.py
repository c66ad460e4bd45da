"""The gRPC side of the dispatcher: a stream per worker, turned into calls on the desk; health and reflection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from reelwright import __version__
from reelwright.dispatcher.scheduler import ConnectedWorker, Scheduler
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import UnavailableError
from reelwright.wire import PROTOCOL
from reelwright.wire.dispatch_pb2 import DESCRIPTOR, Hello, WorkerMessage

log = get_logger(__name__)

_SERVICE = DESCRIPTOR.services_by_name["Dispatch"].full_name


class DispatchService:
    """Serves `reelwright.v1.Dispatch` on the desk's event loop."""

    def __init__(self, desk: Scheduler) -> None:
        self._desk = desk

    def handler(self) -> grpc.GenericRpcHandler:
        """The service for a server; made by hand, because leases go out as bytes that were never a message object."""
        work = grpc.stream_stream_rpc_method_handler(self._work, request_deserializer=WorkerMessage.FromString)
        return grpc.method_handlers_generic_handler(_SERVICE, {"Work": work})

    async def _work(self, messages: AsyncIterator[WorkerMessage], context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """One worker's stream, from its Hello to its end."""
        hello = (await anext(aiter(messages), WorkerMessage())).hello
        if not hello.worker:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the first message must be a Hello with a name")
        if hello.protocol != PROTOCOL:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, _mismatch(hello))
        # Tells the worker that it is taken.
        await context.send_initial_metadata((("protocol", str(PROTOCOL)),))
        outbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        worker = ConnectedWorker(
            hello.worker, frozenset(hello.models), outbox.put_nowait, lambda: outbox.put_nowait(None)
        )
        self._desk.join(worker)
        reader = asyncio.create_task(self._read(worker, messages))
        try:
            while (message := await outbox.get()) is not None:
                await context.write(message)
        finally:
            self._desk.leave(worker)
            reader.cancel()
            (outcome,) = await asyncio.gather(reader, return_exceptions=True)
            if isinstance(outcome, Exception):
                log.warning("stream broke", worker=worker.name, exc_info=outcome)

    async def _read(self, worker: ConnectedWorker, messages: AsyncIterator[WorkerMessage]) -> None:
        try:
            async for message in messages:
                self._act(worker, message)
        finally:
            worker.hang_up()

    def _act(self, worker: ConnectedWorker, message: WorkerMessage) -> None:
        desk = self._desk
        match message.WhichOneof("message"):
            case "receipt":
                desk.receipt(worker, message.receipt.lease)
            case "failure" if message.failure.payload_unusable:
                desk.unusable(message.failure.lease, message.failure.reason)
            case "failure":
                desk.failure(message.failure.lease, message.failure.reason)
            case "ready":
                desk.ready(worker, message.ready.lease)
            case "stalled":
                desk.stalled(worker)
            case "hand_back":
                desk.hand_back(worker, message.hand_back.lease)
        if message.credits:
            desk.pull(worker, message.credits)


class DispatchServer:
    """The gRPC server of a desk, on the running event loop.

    Args:
        desk: the desk.
        settings: the dispatcher's.
    """

    def __init__(self, desk: Scheduler, settings: DispatcherSettings) -> None:
        self._address = settings.address
        self._server = grpc.aio.server(options=_options(settings))
        self._health = health.aio.HealthServicer()
        self._server.add_generic_rpc_handlers((DispatchService(desk).handler(),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)

    async def start(self) -> str:
        """Starts to serve.

        Returns:
            The address that workers dial: the port is the one that was bound.

        Raises:
            UnavailableError: the address cannot be listened on.
        """
        try:
            port = self._server.add_insecure_port(self._address)
        except RuntimeError:
            raise UnavailableError("cannot listen", self._address, "give another address") from None
        await self._health.set(_SERVICE, health_pb2.HealthCheckResponse.SERVING)
        await self._server.start()
        if self._address.startswith("unix:"):
            return self._address
        return f"{self._address.rpartition(':')[0]}:{port}"

    async def drain(self) -> None:
        """Tells whoever asks for its health that it takes no more workers."""
        await self._health.enter_graceful_shutdown()

    async def stop(self) -> None:
        """Ends every stream."""
        await self._server.stop(grace=None)


def _mismatch(hello: Hello) -> str:
    older = "worker" if hello.protocol < PROTOCOL else "dispatcher"
    return (
        f"worker {hello.worker} (version {hello.version}) speaks protocol {hello.protocol}, "
        f"this dispatcher (version {__version__}) speaks {PROTOCOL}: upgrade the {older}"
    )


def _options(settings: DispatcherSettings) -> list[tuple[str, int]]:
    alive = int(1000 * settings.keepalive_seconds)
    return [
        ("grpc.max_send_message_length", settings.max_message_bytes),
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        # Without this two dispatchers on one port would each get half of the workers.
        ("grpc.so_reuseport", 0),
        # A peer whose machine vanished, or that is frozen, sends no FIN; pings notice it.
        ("grpc.keepalive_time_ms", alive),
        ("grpc.keepalive_timeout_ms", alive),
        # A minute by itself, whatever the line above says.
        ("grpc.http2.ping_timeout_ms", alive),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # Workers ping as often as their own settings say; none is thrown out for it.
        ("grpc.http2.max_ping_strikes", 0),
    ]
