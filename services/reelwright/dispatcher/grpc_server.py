"""The dispatcher's gRPC server: a stream per worker, between the wire and the scheduler's inbox; health, reflection."""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any, NoReturn

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from reelwright import __version__
from reelwright.dispatcher.connected_worker import WorkerHello, read_hello
from reelwright.dispatcher.decisions import (
    LeaseGranted,
    RunRevoked,
    StartAllowed,
    StreamClosed,
    StreamDecision,
    WorkerQuarantined,
)
from reelwright.dispatcher.inbox import InboxMessage, WorkerConnected, WorkerDisconnected, WorkerMessageReceived
from reelwright.dispatcher.server_certificates import logged_credentials
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.grpc_options import server_options
from reelwright.grpc_security import TokenInterceptor
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import UnavailableError
from reelwright.titles.versions import is_readable
from reelwright.wire import PROTOCOL
from reelwright.wire.dispatch_pb2 import DESCRIPTOR, DispatcherMessage, Hello, WorkerMessage
from reelwright.wire.dispatch_pb2_grpc import DispatchServicer, add_DispatchServicer_to_server

log = get_logger(__name__)

# Messages that wait for the scheduler. Above it no more are read, so that no client can fill the memory with them.
_MAX_BACKLOG = 1000
_BACKLOG_PAUSE_SECONDS = 0.01
# A worker has one stream in its connection; more are of use to nobody.
_STREAMS_PER_CONNECTION = 8
_SERVICE = DESCRIPTOR.services_by_name["Dispatch"].full_name


class WorkerStreams(DispatchServicer):
    """Implements `reelwright.v1.Dispatch` on the event loop.

    Args:
        settings: the dispatcher's settings.
        send: puts a message into the scheduler's inbox.
        backlog: number of messages in the inbox.
    """

    def __init__(
        self, settings: DispatcherSettings, send: Callable[[InboxMessage], None], backlog: Callable[[], int]
    ) -> None:
        self._settings, self._send, self._backlog = settings, send, backlog
        self._numbers = itertools.count(1)
        self._outboxes: dict[int, asyncio.Queue[StreamDecision]] = {}
        # Open streams by the host that they come from, and the session of each open stream's worker.
        self._peers: Counter[str] = Counter()
        self._sessions: dict[int, WorkerHello] = {}

    def deliver(self, decision: StreamDecision) -> None:
        """Sends a decision to its stream's worker; has no effect when the stream has ended."""
        if outbox := self._outboxes.get(decision.stream):
            outbox.put_nowait(decision)

    async def Work(  # noqa: N802 - the name in dispatch.proto
        self, messages: AsyncIterator[WorkerMessage], context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        """Serves one worker's stream, from its Hello to its end."""
        host = _host_of(context.peer())
        too_many = self._peers[host] >= self._settings.max_streams_per_peer
        if too_many or self._peers.total() >= self._settings.max_streams:
            await _refuse(context, "streams", grpc.StatusCode.RESOURCE_EXHAUSTED, "too many streams")
        self._peers[host] += 1
        try:
            hello = await self._accept(messages, context)
            await self._serve(hello, messages, context)
        finally:
            self._peers[host] -= 1
            # A Counter keeps keys whose count is 0.
            self._peers += Counter()

    async def _accept(
        self, messages: AsyncIterator[WorkerMessage], context: grpc.aio.ServicerContext[Any, Any]
    ) -> WorkerHello:
        try:
            async with asyncio.timeout(self._settings.hello_seconds):
                hello = (await anext(aiter(messages), WorkerMessage())).hello
        except TimeoutError:
            hello = Hello()
        if not hello.worker:
            reason = "the first message must be a Hello with a name, and come in time"
            await _refuse(context, "hello", grpc.StatusCode.INVALID_ARGUMENT, reason)
        if not is_readable(hello.protocol, PROTOCOL):
            reason = _refusal(hello)
            log.warning("worker refused", worker=hello.worker, reason=reason)
            await _refuse(context, "hello", grpc.StatusCode.FAILED_PRECONDITION, reason)
        try:
            accepted = read_hello(hello)
        except ValueError as error:
            await _refuse(context, "hello", grpc.StatusCode.INVALID_ARGUMENT, str(error))
        if any(each.name == hello.worker and each.session != accepted.session for each in self._sessions.values()):
            log.warning("worker refused", worker=hello.worker, reason="another worker of this name is connected")
            reason = "another worker of this name is connected"
            await _refuse(context, "name", grpc.StatusCode.ALREADY_EXISTS, reason)
        return accepted

    async def _serve(
        self,
        hello: WorkerHello,
        messages: AsyncIterator[WorkerMessage],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> None:
        stream = next(self._numbers)
        # Before the first await: a second stream with the worker's name must find its session here.
        outbox = self._outboxes[stream] = asyncio.Queue()
        self._sessions[stream] = hello
        self._send(WorkerConnected(stream, hello))
        log.info("worker connected", worker=hello.name, stream=stream, engine=hello.engine, pool=hello.pool)
        reader = asyncio.create_task(self._read(stream, messages))
        try:
            # Informs the worker that it is accepted.
            await context.send_initial_metadata((("protocol", str(PROTOCOL)),))
            while not isinstance(decision := await outbox.get(), StreamClosed):
                await context.write(_encode(decision))
        finally:
            # Before any await: gRPC may cancel this handler a second time, and the leases must return.
            del self._outboxes[stream], self._sessions[stream]
            self._send(WorkerDisconnected(stream))
            reader.cancel()
            (outcome,) = await asyncio.gather(reader, return_exceptions=True)
            reason = repr(outcome) if isinstance(outcome, Exception) else ""
            log.info("worker disconnected", worker=hello.name, stream=stream, reason=reason)

    async def _read(self, stream: int, messages: AsyncIterator[WorkerMessage]) -> None:
        try:
            async for message in messages:
                self._send(WorkerMessageReceived(stream, message))
                while self._backlog() > _MAX_BACKLOG:
                    await asyncio.sleep(_BACKLOG_PAUSE_SECONDS)
        finally:
            self.deliver(StreamClosed(stream))


class DispatchServer:
    """The server, on the running event loop.

    Args:
        settings: the dispatcher's settings.
        send: puts a message into the scheduler's inbox.
        backlog: number of messages in the inbox.

    Raises:
        UserError: the certificates cannot be used.
    """

    def __init__(
        self, settings: DispatcherSettings, send: Callable[[InboxMessage], None], backlog: Callable[[], int]
    ) -> None:
        self._address = settings.address
        self._credentials = logged_credentials(settings.tls)
        if not settings.knows_workers:
            log.warning("gRPC port open to everyone", remedy="set TLS_CLIENT_CA or TOKEN; see docs/security.md")
        options = server_options(
            keepalive_seconds=settings.keepalive_seconds,
            max_message_bytes=settings.max_message_bytes,
            max_request_bytes=settings.max_request_bytes,
            streams_per_connection=_STREAMS_PER_CONNECTION,
        )
        refused = metrics.MESSAGES_REFUSED.labels(cause="token").inc
        token = settings.token.get_secret_value() if settings.token else ""
        interceptors = [TokenInterceptor(token, refused)] if token else []
        _keep_poller()
        self._server = grpc.aio.server(options=options, interceptors=interceptors)
        self._streams = WorkerStreams(settings, send, backlog)
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
            if self._credentials is None:
                port = self._server.add_insecure_port(self._address)
            else:
                port = self._server.add_secure_port(self._address, self._credentials)
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


@functools.cache
def _keep_poller() -> None:
    """Keeps the thread that polls for `grpc.aio` until the process ends.

    Otherwise gRPC ends it when the last server is freed, on whatever thread frees it, and waits there without a limit
    for operations that are left (grpc/grpc issues 22365 and 40989). That thread may hold a lock, or may be the last one
    of a process that should exit.
    """
    grpc.aio.init_grpc_aio()


def _encode(decision: LeaseGranted | StartAllowed | RunRevoked | WorkerQuarantined) -> DispatcherMessage:
    message = DispatcherMessage()
    match decision:
        case LeaseGranted():
            # Field by field: a Lease given as a constructor argument is copied by serializing it, 2 ms for 700 kB.
            message.lease.lease = decision.lease_id
            message.lease.seconds = decision.seconds
            message.lease.exclusive = decision.exclusive
            message.lease.batch = decision.batch.value
            message.lease.traceparent = decision.batch.traceparent
        case StartAllowed():
            message.start.lease = decision.lease_id
        case RunRevoked():
            message.revoke.run, message.revoke.attempt = decision.run, decision.attempt
        case WorkerQuarantined():
            message.quarantine.reason = decision.reason
    return message


async def _refuse(
    context: grpc.aio.ServicerContext[Any, Any], cause: str, code: grpc.StatusCode, reason: str
) -> NoReturn:
    metrics.MESSAGES_REFUSED.labels(cause=cause).inc()
    await context.abort(code, reason)
    raise AssertionError("abort raises")


def _host_of(peer: str) -> str:
    """The host of gRPC's name for a peer, e.g. `ipv4:10.0.0.7:51234`; all Unix sockets are one."""
    return peer if peer.startswith("unix") else peer.rpartition(":")[0]


def _refusal(hello: Hello) -> str:
    older = "worker" if hello.protocol < PROTOCOL else "dispatcher"
    return (
        f"worker {hello.worker} (version {hello.version}) speaks protocol {hello.protocol}, "
        f"this dispatcher (version {__version__}) speaks {PROTOCOL}: upgrade the {older}"
    )
