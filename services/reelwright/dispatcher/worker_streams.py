"""A gRPC stream per worker, between the wire and the scheduler's inbox."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any, NoReturn

import grpc
import grpc.aio

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
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger
from reelwright.titles.versions import is_readable
from reelwright.wire import PROTOCOL
from reelwright.wire.dispatch_pb2 import DispatcherMessage, Hello, WorkerMessage
from reelwright.wire.dispatch_pb2_grpc import DispatchServicer

log = get_logger(__name__)

# Messages that wait for the scheduler. Above it no more are read, so that no client can fill the memory with them.
_MAX_BACKLOG = 1000
_BACKLOG_PAUSE_SECONDS = 0.01
# Answers to start requests, a quarantine and the stream's end, of which a worker has one each.
_OTHER_DECISIONS = 10


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
        # A worker that reads has at most so many unread leases and as many revocations.
        self._max_outbox = 2 * settings.max_credits + _OTHER_DECISIONS
        self._writers: dict[int, asyncio.Task[None]] = {}
        # Open streams by the host that they come from, and the session of each open stream's worker.
        self._peers: Counter[str] = Counter()
        self._sessions: dict[int, WorkerHello] = {}

    def deliver(self, decision: StreamDecision) -> None:
        """Sends a decision to its stream's worker; has no effect when the stream has ended.

        Ends the stream when more waits for its worker than a worker that reads can cause.
        """
        outbox = self._outboxes.get(decision.stream)
        if outbox is None:
            return
        if outbox.qsize() < self._max_outbox:
            outbox.put_nowait(decision)
        elif not (writer := self._writers[decision.stream]).cancelling():
            log.warning("worker does not read", worker=self._sessions[decision.stream].name, stream=decision.stream)
            # A message that closes the stream would wait behind the others.
            writer.cancel()

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
        writer = self._writers[stream] = asyncio.create_task(_write(outbox, context))
        self._send(WorkerConnected(stream, hello))
        log.info("worker connected", worker=hello.name, stream=stream, engine=hello.engine, pool=hello.pool)
        reader = asyncio.create_task(self._read(stream, messages))
        try:
            await asyncio.wait({writer})
        finally:
            # Before any await: gRPC may cancel this handler a second time, and the leases must return.
            del self._outboxes[stream], self._sessions[stream], self._writers[stream]
            self._send(WorkerDisconnected(stream))
            reader.cancel()
            writer.cancel()
            outcome, _ = await asyncio.gather(reader, writer, return_exceptions=True)
            reason = repr(outcome) if isinstance(outcome, Exception) else ""
            log.info("worker disconnected", worker=hello.name, stream=stream, reason=reason)
        if writer.cancelled():
            await _refuse(context, "unread", grpc.StatusCode.RESOURCE_EXHAUSTED, "the worker does not read")
        writer.result()

    async def _read(self, stream: int, messages: AsyncIterator[WorkerMessage]) -> None:
        try:
            async for message in messages:
                self._send(WorkerMessageReceived(stream, message))
                while self._backlog() > _MAX_BACKLOG:
                    await asyncio.sleep(_BACKLOG_PAUSE_SECONDS)
        finally:
            self.deliver(StreamClosed(stream))


async def _write(outbox: asyncio.Queue[StreamDecision], context: grpc.aio.ServicerContext[Any, Any]) -> None:
    # Informs the worker that it is accepted.
    await context.send_initial_metadata((("protocol", str(PROTOCOL)),))
    while not isinstance(decision := await outbox.get(), StreamClosed):
        await context.write(_encode(decision))


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
