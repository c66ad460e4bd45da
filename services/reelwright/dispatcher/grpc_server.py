"""The dispatcher's gRPC server: its port, certificates, health and reflection."""

from __future__ import annotations

import functools
from collections.abc import Callable

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from reelwright.dispatcher.decisions import StreamDecision
from reelwright.dispatcher.inbox import InboxMessage
from reelwright.dispatcher.server_certificates import logged_credentials
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.dispatcher.worker_streams import WorkerStreams
from reelwright.grpc_options import server_options
from reelwright.grpc_security import TokenInterceptor
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import UnavailableError
from reelwright.wire.dispatch_pb2 import DESCRIPTOR
from reelwright.wire.dispatch_pb2_grpc import add_DispatchServicer_to_server

log = get_logger(__name__)

# A worker has one stream in its connection; more are of use to nobody.
_STREAMS_PER_CONNECTION = 8
_SERVICE = DESCRIPTOR.services_by_name["Dispatch"].full_name


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
