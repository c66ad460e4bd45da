"""One HTTP port per process: /metrics, /healthz, /readyz."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import urlsplit

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder

from reelwright.titles.errors import UnavailableError

_TEXT = "text/plain; charset=utf-8"


class TelemetryServer:
    """Serves metrics and health from construction until `close`.

    `/healthz` answers 200 while the process lives. `/readyz` answers 200, or 503 and what is missing.

    Args:
        port: TCP port; 0 picks a free one.
        missing: returns one line that says what the service lacks to take work; empty when it takes work. Called on a
            thread of the server for every request.
        host: address to listen on; the default is reachable from this machine alone.

    Raises:
        UnavailableError: the port cannot be listened on.
    """

    def __init__(self, port: int, missing: Callable[[], str] = lambda: "", host: str = "127.0.0.1") -> None:
        try:
            self._server = _Server((host, port), missing)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UnavailableError(f"cannot listen: {reason}", f"{host}:{port}", "give another port") from None
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="telemetry", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._server.server_port

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> TelemetryServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], missing: Callable[[], str]) -> None:
        self.missing = missing
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    # Seconds after which a connection without a request is closed, so that it does not hold a thread.
    timeout = 10

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/metrics":
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            self._answer(HTTPStatus.OK, content_type, encode(REGISTRY))
        elif path == "/healthz":
            self._answer(HTTPStatus.OK, _TEXT, b"ok\n")
        elif path == "/readyz":
            missing = self.server.missing()
            status = HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK
            self._answer(status, _TEXT, f"{missing or 'ready'}\n".encode())
        else:
            self._answer(HTTPStatus.NOT_FOUND, _TEXT, b"try /metrics, /healthz or /readyz\n")

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Logs nothing: a probe comes every few seconds."""
