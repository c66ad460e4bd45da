"""The server that KEDA asks for the number of pods: `externalscaler.ExternalScaler`, on a port of its own.

The value of the metric is the number of pods that are wanted, and its target is 1 for each pod, so the autoscaler sets
exactly that number. KEDA's protocol: https://keda.sh/docs/latest/concepts/external-scalers/
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from reelwright.dispatcher.forecast_service import ForecastService
from reelwright.dispatcher.known_pools import ScaledPool
from reelwright.dispatcher.planner import Planner
from reelwright.dispatcher.server_certificates import logged_credentials
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.grpc_options import server_options
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import UnavailableError
from reelwright.titles.identity import POOL_NAME
from reelwright.wire import externalscaler_pb2 as keda
from reelwright.wire import forecast_pb2
from reelwright.wire.externalscaler_pb2_grpc import ExternalScalerServicer, add_ExternalScalerServicer_to_server
from reelwright.wire.forecast_pb2_grpc import add_ForecastServicer_to_server

log = get_logger(__name__)

METRIC = "pods"
"""Name of the metric in KEDA."""

_STREAM_SECONDS = 2.0
_MAX_REQUEST_BYTES = 64 << 10
_MAX_ANSWER_BYTES = 16 << 20
# KEDA has one connection for all of its triggers, and a stream in it for each trigger of the kind `external-push`.
_STREAMS_PER_CONNECTION = 200
# More pods than a cluster has, and a price at which sums are numbers.
_MOST_PODS = 1_000_000
_MOST_PRICE = 1e9
_SERVICES = tuple(
    descriptor.services_by_name[name].full_name
    for descriptor, name in ((keda.DESCRIPTOR, "ExternalScaler"), (forecast_pb2.DESCRIPTOR, "Forecast"))
)


class _Metadata(BaseModel):
    """What the metadata of both kinds of triggers have.

    Attributes:
        min_pods: least number of pods.
        max_pods: largest number of pods.
    """

    model_config = ConfigDict(extra="ignore")

    min_pods: int = Field(default=0, ge=0, alias="minPods")
    max_pods: int = Field(default=100, ge=1, le=_MOST_PODS, alias="maxPods", validate_default=True)

    @field_validator("max_pods")
    @classmethod
    def _check_order(cls, most: int, info: ValidationInfo) -> int:
        least = info.data.get("min_pods", 0)
        if least > most:
            raise ValueError(f"maxPods is {most}, less than minPods, {least}")
        return most


class _InferenceMetadata(_Metadata):
    """Metadata of a trigger that scales a pool of workers; texts, as KEDA passes them. Other keys are KEDA's own.

    Attributes:
        pool: name of the pool.
        price_per_hour: of a pod.
        start_seconds: from the request for a pod until it connects.
        engine: first word of the engine's identity; empty if it is not known.
        revision: changes with the pool's engine or model.
        model_sha256: of the pool's model; empty if it is not known.
    """

    pool: str = Field(pattern=POOL_NAME.pattern)
    price_per_hour: float = Field(default=0.0, ge=0, le=_MOST_PRICE, alias="pricePerHour", allow_inf_nan=False)
    start_seconds: float = Field(default=60.0, ge=0, le=86_400, alias="startSeconds", allow_inf_nan=False)
    engine: str = ""
    revision: str = ""
    model_sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$", alias="modelSha256")


class _EncoderMetadata(_Metadata):
    """Metadata of a trigger that scales encoders.

    Attributes:
        segments_per_pod: open segments for which one pod is wanted.
    """

    segments_per_pod: float = Field(default=4.0, ge=0.001, alias="segmentsPerPod", allow_inf_nan=False)


class ExternalScaler(ExternalScalerServicer):
    """Implements KEDA's protocol on the event loop.

    Args:
        planner: knows how many pods are wanted.
        settled: whether the dispatcher knows enough to answer.
    """

    def __init__(self, planner: Planner, settled: Callable[[], bool]) -> None:
        self._planner, self._settled = planner, settled

    async def IsActive(  # noqa: N802 - a name in the proto
        self, request: keda.ScaledObjectRef, context: grpc.aio.ServicerContext[Any, Any]
    ) -> keda.IsActiveResponse:
        """Whether any pod is wanted."""
        return keda.IsActiveResponse(result=await self._pods(request, context) > 0)

    async def StreamIsActive(  # noqa: N802 - a name in the proto
        self, request: keda.ScaledObjectRef, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[keda.IsActiveResponse]:
        """The same whenever it changes, so that the first pod is not waited for until KEDA asks again."""
        sent: bool | None = None
        while True:
            active = await self._pods(request, context) > 0
            if active != sent:
                sent = active
                yield keda.IsActiveResponse(result=active)
            await asyncio.sleep(_STREAM_SECONDS)

    async def GetMetricSpec(  # noqa: N802 - a name in the proto
        self, request: keda.ScaledObjectRef, context: grpc.aio.ServicerContext[Any, Any]
    ) -> keda.GetMetricSpecResponse:
        """The metric and its target: one for each pod."""
        del request, context
        spec = keda.MetricSpec(metricName=METRIC, targetSize=1, targetSizeFloat=1.0)
        return keda.GetMetricSpecResponse(metricSpecs=[spec])

    async def GetMetrics(  # noqa: N802 - a name in the proto
        self, request: keda.GetMetricsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> keda.GetMetricsResponse:
        """The number of pods that are wanted."""
        pods = await self._pods(request.scaledObjectRef, context)
        value = keda.MetricValue(metricName=METRIC, metricValue=pods, metricValueFloat=pods)
        return keda.GetMetricsResponse(metricValues=[value])

    async def _pods(self, reference: keda.ScaledObjectRef, context: grpc.aio.ServicerContext[Any, Any]) -> int:
        if not self._settled():
            # KEDA leaves the pods as they are: an answer now would take away those that work.
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the dispatcher has just started")
        try:
            return self._answer(reference.scalerMetadata)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            reason = f"trigger metadata {'.'.join(map(str, first['loc']))}: {first['msg']}"
            log.warning("scaler request refused", scaled_object=reference.name, reason=reason)
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, reason)
            raise AssertionError("abort raises") from None

    def _answer(self, metadata: Mapping[str, str]) -> int:
        if metadata.get("role") == "encoder":
            encoder = _EncoderMetadata.model_validate(dict(metadata))
            wanted = self._planner.encoders(encoder.segments_per_pod)
            pods = min(max(wanted, encoder.min_pods), encoder.max_pods)
            metrics.set_pods_wanted("encoder", pods, "segments")
            return pods
        pool = _InferenceMetadata.model_validate(dict(metadata))
        return self._planner.pods(
            ScaledPool(
                name=pool.pool,
                min_pods=pool.min_pods,
                max_pods=pool.max_pods,
                price_per_hour=pool.price_per_hour,
                start_seconds=pool.start_seconds,
                engine=pool.engine,
                revision=pool.revision,
                model_sha256=pool.model_sha256,
            )
        ).pods


class ScalerServer:
    """The server, on the running event loop.

    Args:
        settings: the dispatcher's settings, with a `scaler_address`.
        planner: knows how many pods are wanted, and when titles will be done.
        settled: whether the dispatcher knows enough to answer.

    Raises:
        UserError: the certificates cannot be used.
    """

    def __init__(self, settings: DispatcherSettings, planner: Planner, settled: Callable[[], bool]) -> None:
        self._address = settings.scaler_address
        self._credentials = logged_credentials(settings.tls)
        options = server_options(
            keepalive_seconds=settings.keepalive_seconds,
            max_message_bytes=_MAX_ANSWER_BYTES,
            max_request_bytes=_MAX_REQUEST_BYTES,
            streams_per_connection=_STREAMS_PER_CONNECTION,
        )
        self._server = grpc.aio.server(options=options)
        self._health = health.aio.HealthServicer()
        add_ExternalScalerServicer_to_server(ExternalScaler(planner, settled), self._server)  # type: ignore[no-untyped-call]
        add_ForecastServicer_to_server(ForecastService(planner), self._server)  # type: ignore[no-untyped-call]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)

    async def start(self) -> str:
        """Starts to serve.

        Returns:
            The address, with the port that was bound.

        Raises:
            UnavailableError: the server cannot listen on the address of the settings.
        """
        try:
            if self._credentials is None:
                port = self._server.add_insecure_port(self._address)
            else:
                port = self._server.add_secure_port(self._address, self._credentials)
        except RuntimeError:
            raise UnavailableError("cannot listen", self._address, "give another address") from None
        for service in _SERVICES:
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        await self._server.start()
        return f"{self._address.rpartition(':')[0]}:{port}"

    async def stop(self) -> None:
        """Ends every call."""
        await self._server.stop(grace=None)
