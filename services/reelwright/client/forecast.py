"""When titles will be restored, and whether their deadlines hold: asks a dispatcher (`reelwright.v1.Forecast`)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import grpc
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from reelwright.client.status import Outlook
from reelwright.grpc_options import channel_options
from reelwright.grpc_security import ClientTlsSettings, open_channel
from reelwright.settings import read_settings
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import UserError
from reelwright.titles.request import RunRequest
from reelwright.wire import forecast_pb2 as wire
from reelwright.wire.forecast_pb2_grpc import ForecastStub

log = get_logger(__name__)
Reply = TypeVar("Reply")

_OUTLOOKS: dict[int, Outlook] = {
    wire.OUTLOOK_HELD: "held",
    wire.OUTLOOK_AT_RISK: "at-risk",
    wire.OUTLOOK_MISSED: "missed",
}
_MAX_MESSAGE_BYTES = 16 << 20
_KEEPALIVE_SECONDS = 30.0
# The forecasts of all titles come in one answer. They change slowly, and each costs the dispatcher a simulation.
_FRESH_SECONDS = 5.0
# While a dispatcher does not answer, only one of its callers a minute waits for that.
_SILENT_SECONDS = 60.0
# A pool that hardly works gives times that no calendar holds.
_LONGEST_SECONDS = 10 * 365 * 86400.0


class ForecastSettings(ClientTlsSettings):
    """Where forecasts are asked for, and the certificates for it: `REELWRIGHT_FORECAST_*`.

    Attributes:
        address: `host:port` of a dispatcher's `REELWRIGHT_DISPATCHER_SCALER_ADDRESS`; no forecasts when it is empty.
        timeout_seconds: how long a dispatcher may take to answer.
    """

    model_config = SettingsConfigDict(env_prefix="REELWRIGHT_FORECAST_", frozen=True)
    address: str = ""
    timeout_seconds: float = Field(default=5.0, gt=0)


class FinishForecast(NamedTuple):
    """A dispatcher's forecast of a title.

    Attributes:
        finish: Unix seconds at which the pods there are have restored it; 0 when that is not known.
        outlook: whether its deadline holds: `held` by the pods there are, `at-risk` when only more pods can hold it,
            `missed` when as many pods as the pools may have do not; empty without a deadline, or when it is not known.
        reason: one sentence about the outlook, or why the time is not known; may be empty.
        deadline: Unix seconds of the deadline that the outlook is about; 0 without one.
    """

    finish: float
    outlook: Outlook
    reason: str
    deadline: float


class Forecasts:
    """Asks a dispatcher, and keeps its answer for five seconds. Thread-safe.

    A forecast is missing while no dispatcher answers. After a request that had no answer, none is made for a minute.

    Args:
        settings: where to ask.

    Raises:
        UserError: the certificates cannot be used.
    """

    def __init__(self, settings: ForecastSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int], FinishForecast] = {}
        self._fresh_until = self._silent_until = 0.0
        self._certificates = settings.tls.read() if settings.tls else None
        self._channel = self._open_channel() if settings.address else None

    def of(self, run: str, attempt: int) -> FinishForecast | None:
        """The forecast of an attempt that has no outcome; None while there is none."""
        with self._lock:
            if time.monotonic() >= self._fresh_until:
                reply = self._ask(lambda stub, seconds: stub.Read(wire.ForecastRequest(), timeout=seconds))
                titles = reply.titles if reply is not None else ()
                self._known = {(title.run, title.attempt): _forecast(title) for title in titles}
                self._fresh_until = time.monotonic() + _FRESH_SECONDS
            return self._known.get((run, attempt))

    def check(self, request: RunRequest) -> FinishForecast | None:
        """The forecast of a title that is not submitted yet; None while there is none."""
        planned = wire.PlannedTitle(
            frames=request.frames_estimate,
            frame_pixels=request.frame_pixels,
            priority_class=request.priority_class,
            model_sha256=request.model_sha256,
            engine=request.engine,
            deadline=request.deadline,
        )
        with self._lock:
            title = self._ask(lambda stub, seconds: stub.Check(planned, timeout=seconds))
        return _forecast(title) if title is not None else None

    def close(self) -> None:
        """Ends the connection."""
        if self._channel is not None:
            self._channel.close()

    def _ask(self, call: Callable[[ForecastStub, float], Reply]) -> Reply | None:
        """The dispatcher's answer; None without one. Called with the lock."""
        if self._channel is None or time.monotonic() < self._silent_until:
            return None
        try:
            stub = ForecastStub(self._channel)  # type: ignore[no-untyped-call]
            return call(stub, self._settings.timeout_seconds)
        except grpc.RpcError as error:
            log.info("no forecast", dispatcher=self._settings.address, reason=str(error.details()))
            self._silent_until = time.monotonic() + _SILENT_SECONDS
            self._replace_certificates()
            return None

    def _replace_certificates(self) -> None:
        """Opens another channel when the certificate files have changed."""
        if self._channel is None or self._settings.tls is None:
            return
        try:
            found = self._settings.tls.read()
        except UserError as error:
            # They may be half written; the former ones may still do.
            log.warning("certificates unusable", reason=str(error))
            return
        if found != self._certificates:
            self._certificates = found
            self._channel.close()
            self._channel = self._open_channel()
            self._silent_until = 0.0

    def _open_channel(self) -> grpc.Channel:
        options = channel_options(
            keepalive_seconds=_KEEPALIVE_SECONDS,
            max_message_bytes=_MAX_MESSAGE_BYTES,
            max_retry_seconds=self._settings.timeout_seconds,
        )
        return open_channel(self._settings.address, options, self._certificates, self._settings.tls_server_name)


def open_forecasts() -> Forecasts:
    """The forecasts of the dispatcher that the environment names; none if it names no dispatcher.

    Raises:
        UserError: a setting must be corrected.
    """
    return Forecasts(read_settings(ForecastSettings))


def _forecast(found: wire.TitleForecast) -> FinishForecast:
    finish = found.finish if found.finish < time.time() + _LONGEST_SECONDS else 0.0
    return FinishForecast(finish, _OUTLOOKS.get(found.outlook, ""), found.reason, found.deadline)
