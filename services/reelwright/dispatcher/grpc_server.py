"""The dispatcher's gRPC server: a stream per worker, between the wire and the scheduler's inbox; health, reflection."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from reelwright import __version__
from reelwright.dispatcher.decisions import LeaseGranted, RunRevoked, StartAllowed, StreamClosed, StreamDecision
from reelwright.dispatcher.inbox import InboxMessage, WorkerConnected, WorkerDisconnected, WorkerMessageReceived
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.grpc_options import server_options
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import UnavailableError
from reelwright.titles.versions import is_readable
from reelwright.wire import PROTOCOL
from reelwright.wire.dispatch_pb2 import DESCRIPTOR, DispatcherMessage, Hello, WorkerMessage
from reelwright.wire.dispatch_pb2_grpc import DispatchServicer, add_DispatchServicer_to_server

log = get_logger(__name__)

_SERVICE = DESCRIPTOR.services_by_name["Dispatch"].full_name


class WorkerStreams(DispatchServicer):
    """Implements `reelwright.v1.Dispatch` on the event loop.

    Args:
        send: puts a message into the scheduler's inbox.
    """

    def __init__(self, send: Callable[[InboxMessage], None]) -> None:
        self._send = send
        self._numbers = itertools.count(1)
        self._outboxes: dict[int, asyncio.Queue[StreamDecision]] = {}

    def deliver(self, decision: StreamDecision) -> None:
        """Sends a decision to its stream's worker; has no effect when the stream has ended."""
        if outbox := self._outboxes.get(decision.stream):
            outbox.put_nowait(decision)

    async def Work(  # noqa: N802 - the name in dispatch.proto
        self, messages: AsyncIterator[WorkerMessage], context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        """Serves one worker's stream, from its Hello to its end."""
        hello = (await anext(aiter(messages), WorkerMessage())).hello
        if not hello.worker:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the first message must be a Hello with a name")
        if not is_readable(hello.protocol, PROTOCOL):
            reason = _refusal(hello)
            log.warning("worker refused", worker=hello.worker, reason=reason)
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, reason)
        # Tells the worker that it is accepted.
        await context.send_initial_metadata((("protocol", str(PROTOCOL)),))
        stream = next(self._numbers)
        outbox = self._outboxes[stream] = asyncio.Queue()
        self._send(WorkerConnected(stream, hello.worker, frozenset(hello.models)))
        log.info("worker connected", worker=hello.worker, stream=stream, version=hello.version)
        reader = asyncio.create_task(self._read(stream, messages))
        try:
            while not isinstance(decision := await outbox.get(), StreamClosed):
                await context.write(_encode(decision))
        finally:
            # Before any await: gRPC may cancel this handler a second time, and the leases must return.
            del self._outboxes[stream]
            self._send(WorkerDisconnected(stream))
            reader.cancel()
            (outcome,) = await asyncio.gather(reader, return_exceptions=True)
            reason = repr(outcome) if isinstance(outcome, Exception) else ""
            log.info("worker disconnected", worker=hello.worker, stream=stream, reason=reason)

    async def _read(self, stream: int, messages: AsyncIterator[WorkerMessage]) -> None:
        try:
            async for message in messages:
                self._send(WorkerMessageReceived(stream, message))
        finally:
            self.deliver(StreamClosed(stream))


class DispatchServer:
    """The server, on the running event loop.

    Args:
        settings: the dispatcher's settings.
        send: puts a message into the scheduler's inbox.
    """

    def __init__(self, settings: DispatcherSettings, send: Callable[[InboxMessage], None]) -> None:
        self._address = settings.address
        options = server_options(
            keepalive_seconds=settings.keepalive_seconds, max_message_bytes=settings.max_message_bytes
        )
        self._server = grpc.aio.server(options=options)
        self._streams = WorkerStreams(send)
        self._health = health.aio.HealthServicer()
        add_DispatchServicer_to_server(self._streams, self._server)  # type: ignore[no-untyped-call]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)

    async def start(self) -> str:
        """Starts to serve.

        Returns:
            The address for workers to connect to, with the port that was bound.

        Raises:
            UnavailableError: the server cannot listen on the address of the settings.
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

    def deliver(self, decision: StreamDecision) -> None:
        """Sends a decision to its stream's worker; has no effect when the stream has ended."""
        self._streams.deliver(decision)

    async def drain(self) -> None:
        """Reports NOT_SERVING to health checks; open streams stay."""
        await self._health.enter_graceful_shutdown()

    async def stop(self) -> None:
        """Ends every stream."""
        await self._server.stop(grace=None)


def _encode(decision: LeaseGranted | StartAllowed | RunRevoked) -> DispatcherMessage:
    message = DispatcherMessage()
    match decision:
        case LeaseGranted():
            # Field by field: a Lease given as a constructor argument is copied by serializing it, 2 ms for 700 kB.
            message.lease.lease = decision.lease_id
            message.lease.seconds = decision.seconds
            message.lease.exclusive = decision.exclusive
            message.lease.batch = decision.batch.value
        case StartAllowed():
            message.start.lease = decision.lease_id
        case RunRevoked():
            message.revoke.run, message.revoke.attempt = decision.run, decision.attempt
    return message


def _refusal(hello: Hello) -> str:
    older = "worker" if hello.protocol < PROTOCOL else "dispatcher"
    return (
        f"worker {hello.worker} (version {hello.version}) speaks protocol {hello.protocol}, "
        f"this dispatcher (version {__version__}) speaks {PROTOCOL}: upgrade the {older}"
    )
