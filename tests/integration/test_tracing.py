"""Spans of titles, segments and batches: in one process, to a collector, and not at all without an endpoint."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from reelwright.bus.local.bus import LocalBus
from reelwright.bus.messages import publish_message
from reelwright.bus.topics import EVENTS
from reelwright.cli.main import run
from reelwright.telemetry.tracing import TRACEPARENT, span, start_tracing, use_tracer
from reelwright.titles.errors import UserError
from reelwright.wire.titles_pb2 import Event
from tests.support.commands import reelwright
from tests.support.films import small_film
from tests.support.otlp_receiver import OtlpReceiver

FRAMES = 30
# The first segment has 24 frames and the second the rest; a batch has up to 12.
BATCHES = 3


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """Keeps the spans of this process."""
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    use_tracer(provider.get_tracer("test"))
    yield kept
    use_tracer(None)


def parent_of(child: ReadableSpan, spans: dict[int, ReadableSpan]) -> ReadableSpan:
    """The span above a span."""
    assert child.parent is not None
    return spans[child.parent.span_id]


def test_a_film_is_one_trace(exporter: InMemorySpanExporter, tmp_path: Path) -> None:
    """Title, segments and batches of a film are spans of one trace, each below the one that caused it."""
    assert run(["restore", str(small_film(FRAMES)), "-o", str(tmp_path / "out.mp4"), "--threads", "1"]) == 0
    finished = exporter.get_finished_spans()
    by_id = {found.context.span_id: found for found in finished}
    named: dict[str, list[ReadableSpan]] = {}
    for found in finished:
        named.setdefault(found.name, []).append(found)
    (title,) = named["decode title"]
    assert len(named["decode segment"]) == 2
    assert {parent_of(found, by_id) for found in named["decode segment"]} == {title}
    assert len(named["restore batch"]) == len(named["encode batch"]) == BATCHES
    for found in named["restore batch"]:
        assert parent_of(found, by_id).name == "decode segment"
    for found in named["encode batch"]:
        assert parent_of(parent_of(found, by_id), by_id).name == "restore batch"
    traces = {found.context.trace_id for name in ("restore batch", "encode batch") for found in named[name]}
    assert traces == {title.context.trace_id}
    assert named["assemble film"]
    assert all(found.attributes and found.attributes["reelwright.run"] for found in finished)


def test_a_collector_receives_the_spans_of_a_command(tmp_path: Path) -> None:
    """With an OTLP endpoint in the environment, a restoration sends its spans there before it ends."""
    with OtlpReceiver() as receiver:
        arguments = ("restore", small_film(FRAMES), "-o", tmp_path / "out.mp4", "--threads", "1")
        done = reelwright(*arguments, env={**os.environ, **receiver.env})
        assert done.returncode == 0, done.stderr
    assert {found.service for found in receiver.spans} == {"reelwright-restore"}
    assert sum(found.name == "restore batch" for found in receiver.spans) == BATCHES


def test_without_an_endpoint_nothing_is_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an endpoint no message carries a trace, and no module of OpenTelemetry is loaded."""
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    start_tracing("test")
    bus = LocalBus(max_bytes=1 << 20)
    consumer = bus.consumer([EVENTS], "test")
    with span("anything", "00-aa-bb-01", run="0") as traceparent:
        publish_message(bus, EVENTS, b"", Event(run="0"))
    (record,) = consumer.poll(5.0)
    assert TRACEPARENT not in record.headers
    assert traceparent == "00-aa-bb-01"
    code = "import sys, reelwright.bus.messages, reelwright.process.service as s; s.start_tracing('test'); "
    code += "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint without the extra `tracing` is refused in one line that says what to install."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(UserError, match=r"reelwright\[tracing\]"):
        start_tracing("test")
