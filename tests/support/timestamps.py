"""A timestamp server (RFC 3161) for tests, made of openssl."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

from tests.support.certificates import Authority

_SETTINGS = """[tsa]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256, sha384, sha512
accuracy = secs:1
"""


@contextmanager
def timestamp_server(folder: Path, port: int = 0) -> Iterator[str]:
    """The address of a server whose certificate is made in a folder; any free port if none is given."""
    chain, key = Authority(folder, "times").issue_signer("clock", "critical,timeStamping")
    settings = folder / "tsa.cnf"
    settings.write_text(_SETTINGS.format(folder=folder))
    (folder / "serial").write_text("01\n")
    options = ("-config", settings, "-section", "tsa", "-signer", chain, "-inkey", key, "-chain", chain)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            with tempfile.NamedTemporaryFile(dir=folder) as file:
                file.write(query)
                file.flush()
                command = ["openssl", "ts", "-reply", "-queryfile", file.name, *map(str, options)]
                answer = subprocess.run(command, check=True, capture_output=True).stdout
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Prints nothing."""

    server = HTTPServer(("127.0.0.1", port), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
