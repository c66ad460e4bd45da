"""Environment and measurements of the S3 server under test, and a fake server with faults."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest
from s3fs import S3FileSystem

from scripts.servers.s3 import S3Server


@contextmanager
def aws_environment(env: dict[str, str]) -> Iterator[None]:
    """Sets the AWS_* variables of this process to `env`, and to nothing else, for the duration of a `with` block."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    _set_aws_environment(env)
    try:
        yield
    finally:
        _set_aws_environment(kept)


def require_real_server(server: S3Server) -> None:
    """Skips the test when moto stands in for the server."""
    if not server.has_users:
        pytest.skip("needs a server with users that keeps its objects through a kill; install Go to build it")


def served_bytes(server: S3Server) -> int:
    """Bytes that the server process has written since its start; nearly all of them to clients."""
    lines = Path(f"/proc/{server.pid}/io").read_text().splitlines()
    return next(int(line.removeprefix("wchar: ")) for line in lines if line.startswith("wchar: "))


def _set_aws_environment(env: dict[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(env)
    # Cached clients keep the keys that they were created with.
    S3FileSystem.clear_instance_cache()


class FaultyS3Server:
    """A small S3 server, in memory, that behaves like some stores in the field.

    Args:
        fault: `refuses` answers 501 to conditional writes; `ignores` overwrites despite the condition; `cuts` closes
            connections in the middle of a response; `heads` answers 400 to HEAD alone; `breaks` answers 503 to
            every write but the first; a status and an error code, such as `503 SlowDown`, are the answer to every
            request.
    """

    def __init__(self, fault: str) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _FaultyHandler)
        self._server.objects = {}  # type: ignore[attr-defined]
        self._server.fault = fault  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> FaultyS3Server:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def mend(self, fault: str) -> None:
        """Has it behave in another way from now on."""
        self._server.fault = fault  # type: ignore[attr-defined]

    @property
    def env(self) -> dict[str, str]:
        """The AWS_* variables with which an S3 client finds this server."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_port}",
            "AWS_ACCESS_KEY_ID": "anyone",
            "AWS_SECRET_ACCESS_KEY": "anything",
        }


class _FaultyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self._fault == "refuses" and self.headers["If-None-Match"]:
            self._answer(501, _error("NotImplemented"))
        elif self._fault == "breaks" and self._objects:
            self._answer(503, _error("SlowDown"))
        else:
            self._objects[self._key] = data
            self._answer(200, b"")

    def do_GET(self) -> None:
        if "list-type" in self.path:
            self._answer(200, self._listing())
        elif self._key in self._objects:
            self._answer(200, self._objects[self._key])
        else:
            self._answer(404, _error("NoSuchKey"))

    def do_HEAD(self) -> None:
        found = self._objects.get(self._key)
        status = 404 if found is None else 200
        self._answer(400 if self._fault == "heads" else status, found or b"", body=False)

    def log_message(self, *_: object) -> None:
        pass

    @property
    def _fault(self) -> str:
        return str(self.server.fault)  # type: ignore[attr-defined]

    @property
    def _objects(self) -> dict[str, bytes]:
        return self.server.objects  # type: ignore[attr-defined, no-any-return]

    @property
    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix("/films/")

    def _listing(self) -> bytes:
        prefix = parse_qs(urlsplit(self.path).query).get("prefix", [""])[0]
        rest = [key.removeprefix(prefix) for key in self._objects if key.startswith(prefix)]
        folders = sorted({name.partition("/")[0] for name in rest if "/" in name})
        shared = "".join(
            f"<CommonPrefixes><Prefix>{escape(prefix + name)}/</Prefix></CommonPrefixes>" for name in folders
        )
        return f"<ListBucketResult><KeyCount>{len(folders)}</KeyCount>{shared}</ListBucketResult>".encode()

    def _answer(self, status: int, data: bytes, *, body: bool = True) -> None:
        if self._fault[0].isdigit():
            number, _, code = self._fault.partition(" ")
            status, data = int(number), _error(code)
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self._fault == "cuts" and body:
            data = data[: len(data) // 2]
            self.close_connection = True
        if body:
            self.wfile.write(data)


def _error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
