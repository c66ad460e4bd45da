"""When titles will be restored, and whether their deadlines hold: asks a dispatcher (`reelwright.v1.Forecast`)."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import NamedTuple, Self

import grpc
from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from reelwright.client.status import Outlook
from reelwright.grpc_options import channel_options
from reelwright.grpc_security import TlsFiles, open_channel
from reelwright.settings import read_settings
from reelwright.telemetry.logs import get_logger
from reelwright.titles.request import RunRequest
from reelwright.wire import forecast_pb2 as wire
from reelwright.wire.forecast_pb2_grpc import ForecastStub

log = get_logger(__name__)

_OUTLOOKS: dict[int, Outlook] = {
    wire.OUTLOOK_HELD: "held",
    wire.OUTLOOK_AT_RISK: "at-risk",
    wire.OUTLOOK_MISSED: "missed",
}
_MAX_MESSAGE_BYTES = 16 << 20
_KEEPALIVE_SECONDS = 30.0
# The forecasts of all titles come in one answer. They change slowly, and each costs the dispatcher a simulation.
_FRESH_SECONDS = 5.0


class ForecastSettings(BaseSettings):
    """Where forecasts are asked for: `REELWRIGHT_FORECAST_*`.

    Attributes:
        address: `host:port` of a dispatcher's `REELWRIGHT_DISPATCHER_SCALER_ADDRESS`; no forecasts when it is empty.
        timeout_seconds: how long a dispatcher may take to answer.
        tls_ca: PEM file of the authorities that sign the dispatcher's certificate; turns on TLS.
        tls_certificate: PEM file of the own certificate, for dispatchers with mutual TLS.
        tls_key: PEM file of its private key.
        tls_server_name: name in the dispatcher's certificate, if it is not that of the address.
    """

    model_config = SettingsConfigDict(env_prefix="REELWRIGHT_FORECAST_", frozen=True)
    address: str = ""
    timeout_seconds: float = Field(default=5.0, gt=0)
    tls_ca: Path | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_server_name: str | None = None

    @model_validator(mode="after")
    def _require_files(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("TLS_CERTIFICATE and TLS_KEY belong together: set both or none")
        if self.tls_certificate is not None and self.tls_ca is None:
            raise ValueError("TLS_CERTIFICATE and TLS_KEY need TLS_CA")
        return self


class FinishForecast(NamedTuple):
    """A dispatcher's forecast of a title.

    Attributes:
        finish: Unix seconds at which the pods there are have restored it; 0 when that is not known.
        outlook: whether its deadline holds: `held` by the pods there are, `at-risk` when only more pods can hold it,
            `missed` when as many pods as the pools may have do not; empty without a deadline, or when it is not known.
        reason: one sentence about the outlook, or why the time is not known; may be empty.
    """

    finish: float
    outlook: Outlook
    reason: str


class Forecasts:
    """Asks a dispatcher, and keeps its answer for five seconds. Thread-safe.

    A forecast is missing while no dispatcher answers: nothing waits for it.

    Args:
        settings: where to ask.

    Raises:
        UserError: the certificates cannot be used.
    """

    def __init__(self, settings: ForecastSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int], FinishForecast] = {}
        self._asked_at = -_FRESH_SECONDS
        self._channel: grpc.Channel | None = None
        if settings.address:
            files = TlsFiles(settings.tls_certificate, settings.tls_key, settings.tls_ca) if settings.tls_ca else None
            options = channel_options(
                keepalive_seconds=_KEEPALIVE_SECONDS,
                max_message_bytes=_MAX_MESSAGE_BYTES,
                max_retry_seconds=settings.timeout_seconds,
            )
            content = files.read() if files else None
            self._channel = open_channel(settings.address, options, content, settings.tls_server_name)

    def of(self, run: str, attempt: int) -> FinishForecast | None:
        """The forecast of an attempt that has no outcome; None while there is none."""
        if self._channel is None:
            return None
        with self._lock:
            if time.monotonic() - self._asked_at >= _FRESH_SECONDS:
                self._known = self._read(self._channel)
                self._asked_at = time.monotonic()
            return self._known.get((run, attempt))

    def check(self, request: RunRequest) -> FinishForecast | None:
        """The forecast of a title that is not submitted yet; None while there is none."""
        if self._channel is None:
            return None
        planned = wire.PlannedTitle(
            frames=request.frames_estimate,
            frame_pixels=request.frame_pixels,
            priority_class=request.priority_class,
            model_sha256=request.model_sha256,
            engine=request.engine,
            deadline=request.deadline,
        )
        try:
            stub = ForecastStub(self._channel)  # type: ignore[no-untyped-call]
            return _forecast(stub.Check(planned, timeout=self._settings.timeout_seconds))
        except grpc.RpcError as error:
            self._log_failure(error)
            return None

    def close(self) -> None:
        """Ends the connection."""
        if self._channel is not None:
            self._channel.close()

    def _read(self, channel: grpc.Channel) -> dict[tuple[str, int], FinishForecast]:
        try:
            stub = ForecastStub(channel)  # type: ignore[no-untyped-call]
            reply = stub.Read(wire.ForecastRequest(), timeout=self._settings.timeout_seconds)
        except grpc.RpcError as error:
            self._log_failure(error)
            return {}
        return {(title.run, title.attempt): _forecast(title) for title in reply.titles}

    def _log_failure(self, error: grpc.RpcError) -> None:
        log.debug("no forecast", dispatcher=self._settings.address, reason=str(error.details()))


def open_forecasts() -> Forecasts:
    """The forecasts of the dispatcher that the environment names; none if it names no dispatcher.

    Raises:
        UserError: a setting must be corrected.
    """
    return Forecasts(read_settings(ForecastSettings))


def _forecast(told: wire.TitleForecast) -> FinishForecast:
    return FinishForecast(told.finish, _OUTLOOKS.get(told.outlook, ""), told.reason)
