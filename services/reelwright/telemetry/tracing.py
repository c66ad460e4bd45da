"""Traces of titles, segments and batches by OpenTelemetry. Without an endpoint nothing is imported and recorded.

A span's context travels as a W3C `traceparent` (https://www.w3.org/TR/trace-context/#traceparent-header): in a header
of each Kafka message that is published inside a span, and in each lease that a dispatcher sends over gRPC. A stream
serves many titles, so its metadata cannot carry it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reelwright.titles.errors import UserError

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

TRACEPARENT = "traceparent"
"""Name of the Kafka header."""

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_tracer: Tracer | None = None


def start_tracing(service: str) -> None:
    """Exports spans to the OTLP endpoint of the `OTEL_*` environment; does nothing without an endpoint.

    The standard variables apply: `OTEL_EXPORTER_OTLP_ENDPOINT` (http/protobuf), `OTEL_EXPORTER_OTLP_HEADERS`,
    `OTEL_TRACES_SAMPLER`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SDK_DISABLED` and so on.

    Args:
        service: the role or command; `OTEL_SERVICE_NAME` replaces the name `reelwright-SERVICE`.

    Raises:
        UserError: an endpoint is set, and the extra `tracing` is not installed.
    """
    endpoint = next((name for name in _ENDPOINTS if os.environ.get(name)), None)
    if endpoint is None or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - optional
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - optional
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - optional
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - optional
    except ImportError:
        raise UserError("tracing is not installed", endpoint, "pip install 'reelwright[tracing]'") from None
    name = os.environ.get("OTEL_SERVICE_NAME") or f"reelwright-{service}"
    # The provider sends what is left when the process ends.
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    use_tracer(provider.get_tracer("reelwright"))


def use_tracer(tracer: Tracer | None) -> None:
    """Records spans with this tracer from now on; with None, none."""
    global _tracer  # noqa: PLW0603 - one for the process, as the metrics are
    _tracer = tracer


@contextmanager
def span(name: str, parent: str = "", **attributes: str | int) -> Iterator[str]:
    """Records a span for the duration of a `with` block.

    Args:
        name: what is done, e.g. `decode title`.
        parent: traceparent of the span above it; the current span of this thread when empty.
        **attributes: e.g. run and segment; their names get the prefix `reelwright.`.

    Yields:
        The span's traceparent; `parent` while nothing is recorded.
    """
    if _tracer is None:
        yield parent
        return
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - optional

    context = TraceContextTextMapPropagator().extract({TRACEPARENT: parent}) if parent else None
    named = {f"reelwright.{key}": value for key, value in attributes.items()}
    with _tracer.start_as_current_span(name, context, attributes=named):
        yield current_traceparent()


def current_traceparent() -> str:
    """The traceparent of the current span of this thread; empty without one."""
    if _tracer is None:
        return ""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - optional

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get(TRACEPARENT, "")
