"""The client of forecasts: certificates that are replaced, and a dispatcher that does not answer."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from reelwright.client.forecast import Forecasts, ForecastSettings
from reelwright.wire import forecast_pb2 as wire
from reelwright.wire.forecast_pb2_grpc import ForecastServicer, add_ForecastServicer_to_server
from tests.support.certificates import Authority
from tests.support.dispatch_harness import DispatchHarness
from tests.support.ledgers import request_of


def test_replaced_certificates_are_used(make_harness: Callable[..., DispatchHarness], tmp_path: Path) -> None:
    """After a connection that failed the files are read again, and the next question is answered."""
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    certificate, key = new.issue("dispatcher")
    h = make_harness(scaler_address="127.0.0.1:0", scaler_settle_seconds=0, tls_certificate=certificate, tls_key=key)
    ca = tmp_path / "ca.pem"
    shutil.copy(old.certificate, ca)
    settings = ForecastSettings(
        address=h.dispatcher.scaler_address, tls_ca=ca, tls_server_name="localhost", timeout_seconds=2
    )
    forecasts = Forecasts(settings)
    shutil.copy(new.certificate, ca)
    assert forecasts.check(request_of()) is None
    assert forecasts.check(request_of()) is not None
    forecasts.close()


def test_a_silent_dispatcher_is_asked_once_a_minute() -> None:
    """After a question without an answer the next ones are answered with nothing, at once."""
    asked: list[str] = []

    class Silent(ForecastServicer):
        def Read(self, _: wire.ForecastRequest, context: grpc.ServicerContext) -> wire.ForecastReply:  # noqa: N802
            asked.append("read")
            context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
            raise AssertionError

    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)
        add_ForecastServicer_to_server(Silent(), server)  # type: ignore[no-untyped-call]
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        forecasts = Forecasts(ForecastSettings(address=f"127.0.0.1:{port}"))
        assert (forecasts.of("r", 1), forecasts.check(request_of()), forecasts.of("r", 1)) == (None, None, None)
        forecasts.close()
        server.stop(None).wait()
    assert asked == ["read"]
