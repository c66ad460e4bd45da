"""A real loop that hangs makes its process unready and, after its bound, not alive; both name it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from reelwright.bus.topics import RESTORED, TITLES
from reelwright.ledger.run_ledger import RunLedger
from scripts.servers.s3 import S3Server
from tests.faults.proxy import ProxyThread
from tests.support.ledgers import RUN, request_of
from tests.support.role_processes import Process, free_port, until

# A role as `reelwright serve` runs it, on a bus of its own that holds one message.
ROLE = """
import signal, sys
from reelwright.process.signals import STOP_SIGNALS
signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
from reelwright.bus.conversion import request_to_wire
from reelwright.bus.local.bus import LocalBus
from reelwright.bus.messages import publish_message
from reelwright.process import service
from reelwright.titles.request import RunRequest
from reelwright.wire.frames_pb2 import RestoredBatch

role, port, topic, request = sys.argv[1:]
request = RunRequest.model_validate_json(request)
message = request_to_wire(request) if role == "decoder" else RestoredBatch(run=request.run, attempt=1, segment=0)
bus = LocalBus()
publish_message(bus, topic, request.run.encode(), message)
service.connect = lambda: bus
sys.exit(service.serve(role, int(port)))
"""


@pytest.mark.parametrize(
    ("role", "topic", "hangs", "work"),
    [
        ("decoder", TITLES, "ledger", f"read request {RUN}"),
        ("decoder", TITLES, "source", f"decode {RUN}"),
        ("encoder", RESTORED, "ledger", f"encode {RUN}, segment 0"),
    ],
)
def test_a_store_that_never_answers(role: str, topic: str, hangs: str, work: str, s3: S3Server, tmp_path: Path) -> None:
    """While a request to the store hangs, readiness and liveness name the work on the title; then both are good."""
    bucket, folder = f"s3://{s3.bucket}", str(tmp_path / "ledger")
    request = request_of(source=f"{bucket}/a.mp4", output=str(tmp_path / "film.mp4"))
    # Of a ledger that answers, a decoder reads the request and then opens the source.
    RunLedger(folder, RUN).create_request(request)
    with ProxyThread() as proxies:
        proxy = proxies.open("store", free_port(), s3.endpoint.removeprefix("http://"))
        port = free_port()
        env = {
            **s3.env,
            "AWS_ENDPOINT_URL": f"http://{proxy.address}",
            "REELWRIGHT_STORE_LEDGER": f"{bucket}/hangs" if hangs == "ledger" else folder,
            "REELWRIGHT_STORE_SOURCES": bucket,
            "REELWRIGHT_STUCK_SECONDS": "1",
            "REELWRIGHT_LIVENESS_SECONDS": "2",
        }
        command = [sys.executable, "-c", ROLE, role, str(port), topic, request.model_dump_json()]
        with proxy.stalled():
            process = Process(role, role, port, env, tmp_path, command)
            try:
                until(lambda: work in process.get("/readyz")[1], "readiness names the work")
                until(lambda: process.get("/livez")[0] == 503, "liveness notices it")
                assert work in process.get("/livez")[1]
                assert process.get("/readyz")[0] == 503
                assert process.get("/healthz")[0] == 200
            except BaseException:
                process.kill()
                raise
        try:
            until(lambda: process.ready and process.get("/livez")[0] == 200, "it goes on")
        finally:
            process.kill()
