"""S3 servers as tests reach them, and one of the kind that a test cannot start."""

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
def reaching(env: dict[str, str]) -> Iterator[None]:
    """Lets this process use a store as whom `env` says; no other AWS_* variable counts meanwhile."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    _become(env)
    try:
        yield
    finally:
        _become(kept)


def only_real(server: S3Server) -> None:
    """Skips the test on a stand-in for a server."""
    if not server.has_users:
        pytest.skip("needs a server that tells users apart and survives a kill; install Go to have it built")


def served_bytes(server: S3Server) -> int:
    """What the server has written since it was started, to its clients above all."""
    lines = Path(f"/proc/{server.pid}/io").read_text().splitlines()
    return next(int(line.removeprefix("wchar: ")) for line in lines if line.startswith("wchar: "))


def _become(env: dict[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(env)
    # Clients keep the keys that they were made with.
    S3FileSystem.clear_instance_cache()


class OddServer:
    """A server with the ways of some stores in the field; small objects only.

    Args:
        ways: `refuses` conditional writes with 501, `ignores` the condition and overwrites, `cuts` what it sends in the
            middle, or a status and error code that it answers to everything, as in `503 SlowDown`.
    """

    def __init__(self, ways: str) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Odd)
        self._server.objects = {}  # type: ignore[attr-defined]
        self._server.ways = ways  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> OddServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def env(self) -> dict[str, str]:
        """The environment with which any S3 client finds this server."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_port}",
            "AWS_ACCESS_KEY_ID": "anyone",
            "AWS_SECRET_ACCESS_KEY": "anything",
        }


class _Odd(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self._ways == "refuses" and self.headers["If-None-Match"]:
            self._answer(501, _error("NotImplemented"))
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
        self._answer(404 if found is None else 200, found or b"", body=False)

    def log_message(self, *_: object) -> None:
        pass

    @property
    def _ways(self) -> str:
        return str(self.server.ways)  # type: ignore[attr-defined]

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
        if self._ways[0].isdigit():
            number, _, code = self._ways.partition(" ")
            status, data = int(number), _error(code)
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self._ways == "cuts" and body:
            data = data[: len(data) // 2]
            self.close_connection = True
        if body:
            self.wfile.write(data)


def _error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
