"""One HTTP port per process: /metrics, /healthz, /readyz, /livez."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from urllib.parse import urlsplit

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder

from reelwright.telemetry.threads import SupervisedThread
from reelwright.titles.errors import UnavailableError

# Prometheus and the orchestrator's probes have a few.
_MAX_CONNECTIONS = 16
_WAIT_SECONDS, _IDLE_WAIT_SECONDS = 0.1, 1.0
# As socketserver types it; a TCP server has sockets only.
_Request = socket.socket | tuple[bytes, socket.socket]
_TEXT = "text/plain; charset=utf-8"


class TelemetryServer:
    """Serves metrics and health from construction until `close`.

    `/healthz` answers 200 while the process lives. `/readyz` answers 200, or 503 and what is missing. `/livez` answers
    200, or 503 and what hangs.

    Args:
        port: TCP port; 0 picks a free one.
        missing: returns one line that says what the service lacks to take work; empty when it takes work. Called on a
            thread of the server for every request.
        hung: returns one line that says why the process is to be restarted; empty when it is not. Called likewise.
        host: IPv4 or IPv6 address to listen on; the default is reachable from this machine alone, an empty text listens
            on every address.
        request_seconds: how long a connection may last.

    Raises:
        UnavailableError: the port cannot be listened on.
    """

    def __init__(
        self,
        port: int,
        missing: Callable[[], str] = lambda: "",
        hung: Callable[[], str] = lambda: "",
        host: str = "127.0.0.1",
        *,
        request_seconds: float = 10.0,
    ) -> None:
        try:
            self._server = _Server((host, port), missing, hung, request_seconds)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UnavailableError(f"cannot listen: {reason}", f"{host}:{port}", "give another port") from None
        self._closing = threading.Event()
        self._thread = SupervisedThread("telemetry", self._serve, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._server.server_port

    def close(self) -> None:
        """Stops listening."""
        self._closing.set()
        with suppress(OSError):
            # Ends the wait for a connection; where it does not, the wait ends by its time.
            self._server.socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.server_close()

    def _serve(self) -> None:
        while not self._closing.is_set():
            self._server.handle_request()
            self._server.end_old_connections()

    def __enter__(self) -> TelemetryServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    """Serves each connection on a thread, at most `_MAX_CONNECTIONS` of them and each for a bounded time.

    When there are more, the oldest is closed: a client that holds connections open cannot block probes.
    """

    daemon_threads = True
    # With Python's 5, a burst of connections makes the next one wait for a repeated SYN: seconds.
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], missing: Callable[[], str], hung: Callable[[], str], request_seconds: float
    ) -> None:
        self.missing, self.hung, self._request_seconds = missing, hung, request_seconds
        self._lock = threading.Lock()
        # Open connections and when they began, the oldest first.
        self._began: dict[socket.socket, float] = {}
        host, port = address
        # An empty host is every address: those of IPv4, too, where the system can do both with one socket.
        every = not host and socket.has_dualstack_ipv6()
        self.address_family = socket.AF_INET6 if every or ":" in host else socket.AF_INET
        self._both_families = every
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        if self._both_families:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # Not HTTPServer's, which looks up the host's name and may wait for a name server.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: _Request, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        with self._lock:
            surplus = list(self._began)[: max(0, len(self._began) - _MAX_CONNECTIONS + 1)]
            self._began[request] = time.monotonic()
        for connection in surplus:
            _end_connection(connection)
        super().process_request(request, client_address)

    def shutdown_request(self, request: _Request) -> None:
        assert isinstance(request, socket.socket)
        with self._lock:
            self._began.pop(request, None)
        super().shutdown_request(request)

    @property
    def timeout(self) -> float:  # type: ignore[override] # an attribute in the base class, read before each wait
        """Longest wait for the next connection, in seconds; short only while there are connections to end."""
        return _WAIT_SECONDS if self._began else _IDLE_WAIT_SECONDS

    def end_old_connections(self) -> None:
        """Ends connections that have lasted too long; called several times a second while there are some."""
        before = time.monotonic() - self._request_seconds
        with self._lock:
            old = [connection for connection, began in self._began.items() if began < before]
        for connection in old:
            _end_connection(connection)

    def handle_error(self, request: _Request, client_address: object) -> None:
        """Logs nothing: the other side of a connection may do anything."""


def _end_connection(connection: socket.socket) -> None:
    """Wakes the thread that reads from a connection; the thread closes it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/metrics":
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            self._answer(HTTPStatus.OK, content_type, encode(REGISTRY))
        elif path == "/healthz":
            self._answer(HTTPStatus.OK, _TEXT, b"ok\n")
        elif path == "/readyz":
            self._answer_check(self.server.missing(), "ready")
        elif path == "/livez":
            self._answer_check(self.server.hung(), "alive")
        else:
            self._answer(HTTPStatus.NOT_FOUND, _TEXT, b"try /metrics, /healthz, /readyz or /livez\n")

    def _answer_check(self, problem: str, good: str) -> None:
        status = HTTPStatus.SERVICE_UNAVAILABLE if problem else HTTPStatus.OK
        self._answer(status, _TEXT, f"{problem or good}\n".encode())

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Logs nothing: a probe comes every few seconds."""
