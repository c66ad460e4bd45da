"""Asks a dispatcher for pods as KEDA does."""

from __future__ import annotations

import grpc

from reelwright.wire import externalscaler_pb2 as keda
from reelwright.wire.externalscaler_pb2_grpc import ExternalScalerStub
from tests.support.commands import TIMEOUT_SECONDS


class Keda:
    """Asks for one trigger; a context manager that ends its connection.

    Args:
        address: of the dispatcher's scaler.
        **metadata: of the trigger.
    """

    def __init__(self, address: str, **metadata: str) -> None:
        self.channel = grpc.insecure_channel(address)
        self._stub = ExternalScalerStub(self.channel)  # type: ignore[no-untyped-call]
        self._reference = keda.ScaledObjectRef(name="object", namespace="films", scalerMetadata=metadata)

    def __enter__(self) -> Keda:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()

    def active(self) -> bool:
        """The answer to IsActive."""
        return bool(self._stub.IsActive(self._reference, timeout=TIMEOUT_SECONDS).result)

    def activity(self) -> grpc.Call:
        """The answers to StreamIsActive."""
        return self._stub.StreamIsActive(self._reference, timeout=TIMEOUT_SECONDS)

    def target(self) -> tuple[str, float]:
        """The metric and its target for each pod."""
        (spec,) = self._stub.GetMetricSpec(self._reference, timeout=TIMEOUT_SECONDS).metricSpecs
        return spec.metricName, spec.targetSizeFloat

    def pods(self) -> float:
        """The value of the metric."""
        request = keda.GetMetricsRequest(scaledObjectRef=self._reference, metricName="pods")
        (value,) = self._stub.GetMetrics(request, timeout=TIMEOUT_SECONDS).metricValues
        assert value.metricValue == value.metricValueFloat
        return float(value.metricValueFloat)
