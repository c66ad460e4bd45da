"""Metrics, health, logs and progress."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from reelwright.telemetry import metrics
from reelwright.telemetry.logs import json_formatter
from reelwright.telemetry.progress import ProgressMeter
from reelwright.telemetry.server import TelemetryServer
from reelwright.titles.errors import UnavailableError
from tests.support.dispatch_harness import until


def get(server: TelemetryServer, path: str) -> tuple[int, str]:
    """Status and body of a request."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_metrics_are_served_and_well_named() -> None:
    """Every metric of ours is on /metrics with our prefix, and no label could name a title."""
    with TelemetryServer(0) as server:
        status, body = get(server, "/metrics")
    ours = [f for f in text_string_to_metric_families(body) if f.name.startswith("reelwright_")]
    assert status == 200
    assert {"reelwright_frames_lost", "reelwright_stage_seconds", "reelwright_bus_held_bytes"} <= {f.name for f in ours}
    labels = {label for family in ours for sample in family.samples for label in sample.labels}
    assert labels <= {
        "stage",
        "cause",
        "topic",
        "version",
        "role",
        "state",
        "group",
        "pool",
        "reason",
        "result",
        "resource",
        "verb",
    }
    assert not [f.name for f in ours if re.search(r"_(ms|milliseconds|kb|mb|minutes)\b", f.name)]
    assert not [s.name for f in ours for s in f.samples if s.name.endswith("_created")]


def test_counters_read_zero_before_their_first_event() -> None:
    """In a new process lost frames, and every stage and retry cause, are there and read zero."""
    program = "import prometheus_client as p, reelwright.telemetry.metrics; print(p.generate_latest().decode())"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)
    families = text_string_to_metric_families(done.stdout)
    found = {(sample.name, *sample.labels.values()): sample.value for each in families for sample in each.samples}
    assert found["reelwright_frames_lost_total",] == 0
    assert [found["reelwright_stage_seconds_total", stage] for stage in metrics.STAGES] == [0] * len(metrics.STAGES)
    causes = [found["reelwright_batches_retried_total", cause] for cause in metrics.RETRY_CAUSES]
    assert causes == [0] * len(metrics.RETRY_CAUSES)


def test_bus_bytes_are_read_when_asked() -> None:
    """The bus gauge shows what the bus holds at the time of the request."""
    held = {"t": 5}
    metrics.watch_bus(("t",), lambda topic: held[topic])
    held["t"] = 7
    assert REGISTRY.get_sample_value("reelwright_bus_held_bytes", {"topic": "t"}) == 7


def test_timed_counts_failures_too() -> None:
    """The seconds of a stage grow even when the work in it raises."""
    before = REGISTRY.get_sample_value("reelwright_stage_seconds_total", {"stage": "assemble"}) or 0
    totals = {"assemble": 0.0}
    with pytest.raises(KeyError), metrics.timed("assemble", totals):
        raise KeyError
    grown = (REGISTRY.get_sample_value("reelwright_stage_seconds_total", {"stage": "assemble"}) or 0) - before
    assert grown == pytest.approx(totals["assemble"])
    assert grown > 0


@pytest.mark.parametrize(("host", "asked"), [("", "127.0.0.1"), ("", "[::1]"), ("::1", "[::1]")])
def test_health_is_served_by_ipv6_too(host: str, asked: str) -> None:
    """An empty host serves both families on every address, an IPv6 address that one."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with (
        TelemetryServer(0, host=host) as server,
        urllib.request.urlopen(f"http://{asked}:{server.port}/healthz", timeout=30) as answer,
    ):
        assert answer.status == 200


def test_silent_connections_keep_no_probe_away() -> None:
    """However many connections are held open without a request, a probe is answered, and threads stay few."""
    before = threading.active_count()
    with TelemetryServer(0) as server, contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
        assert get(server, "/healthz")[0] == 200
        until(lambda: threading.active_count() - before <= 20, "threads to end")


def test_a_request_must_come_in_time() -> None:
    """A connection that sends its request byte by byte is closed when its time is over."""
    with (
        TelemetryServer(0, request_seconds=0.3) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as slow,
    ):
        slow.sendall(b"GET /metrics HTTP/1.1\r\nx: ")
        assert slow.recv(1) == b""


def test_health_and_readiness() -> None:
    """Health says the process lives; readiness and liveness say what is wrong at the time; other paths are 404."""
    state = {"missing": "a broker", "hung": "a loop"}
    with TelemetryServer(0, missing=lambda: state["missing"], hung=lambda: state["hung"]) as server:
        assert get(server, "/healthz")[0] == 200
        assert get(server, "/livez") == (503, "a loop\n")
        state["hung"] = ""
        assert get(server, "/livez") == (200, "alive\n")
        assert get(server, "/readyz") == (503, "a broker\n")
        state["missing"] = ""
        assert get(server, "/readyz?verbose") == (200, "ready\n")
        assert get(server, "/")[0] == 404


@pytest.mark.parametrize("port", [None, 70000])
def test_a_port_that_cannot_be_used_is_the_users_to_mend(port: int | None) -> None:
    """A taken or impossible port is one clear line, not a traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UnavailableError, match="cannot listen"):
            TelemetryServer(port or taken.getsockname()[1])


def test_a_closed_server_frees_its_port() -> None:
    """After `close` the port can be listened on again."""
    with TelemetryServer(0) as server:
        port = server.port
    with TelemetryServer(port) as again:
        assert get(again, "/healthz")[0] == 200


def test_log_lines_are_json() -> None:
    """A service's log line is one JSON object with level, logger, message, extra fields and the exception."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(json_formatter())
    logger = logging.getLogger("reelwright.test")
    logger.addHandler(handler)
    try:
        raise ValueError("line one\nline two")
    except ValueError:
        logger.exception("it %s", "broke", extra={"segment": 7})
    finally:
        logger.removeHandler(handler)
    (text,) = stream.getvalue().splitlines()
    line = json.loads(text)
    assert (line["level"], line["logger"], line["message"], line["segment"]) == (
        "error",
        "reelwright.test",
        "it broke",
        7,
    )
    assert "ValueError: line one\nline two" in line["exception"]


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_speed_follows_the_window() -> None:
    """The speed is that of the last seconds, not of the whole run."""
    clock = Clock()
    meter = ProgressMeter(total=1000, window=10, clock=clock)
    for _ in range(20):
        clock.now += 1
        meter.advance(30)
    assert meter.fps == pytest.approx(30)
    for _ in range(20):
        clock.now += 1
        meter.advance(10)
    assert meter.fps == pytest.approx(10)
    assert meter.eta == pytest.approx(20)


def test_earlier_work_is_progress_but_not_speed() -> None:
    """Frames finished in an earlier run count as done and leave the speed alone."""
    clock = Clock()
    meter = ProgressMeter(total=100, done=50, clock=clock)
    clock.now += 5
    assert (meter.fraction, meter.fps, meter.eta) == (0.5, 0.0, None)
    meter.advance(10)
    assert meter.fps == pytest.approx(2)
    assert meter.eta == pytest.approx(20)


def test_an_unknown_total_has_no_end() -> None:
    """Without a total there is neither a share nor a time left."""
    meter = ProgressMeter()
    meter.advance(3)
    assert (meter.fraction, meter.eta, meter.done) == (None, None, 3)


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 50)), min_size=1, max_size=50))
def test_the_meter_never_misleads(steps: list[tuple[float, int]]) -> None:
    """Whatever the pace, speed and time left are never negative, the share stays in 0..1, and done is the sum."""
    clock = Clock()
    total = sum(frames for _, frames in steps)
    meter = ProgressMeter(total=total, clock=clock)
    for seconds, frames in steps:
        clock.now += seconds
        meter.advance(frames)
        assert meter.fps >= 0
        assert meter.eta is None or meter.eta >= 0
        assert 0 <= (meter.fraction or 0) <= 1
    assert (meter.done, meter.fraction, meter.eta) == (total, 1.0, 0.0)
