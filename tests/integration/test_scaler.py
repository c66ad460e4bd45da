"""KEDA's questions to the dispatcher, over real gRPC."""

from __future__ import annotations

from collections.abc import Callable

import grpc
import pytest
from prometheus_client import REGISTRY

from reelwright.bus.events import publish_event
from reelwright.client.forecast import Forecasts, ForecastSettings
from reelwright.wire.forecast_pb2 import ForecastRequest, PlannedTitle
from reelwright.wire.forecast_pb2_grpc import ForecastStub
from reelwright.wire.titles_pb2 import Event, TitleFinished, TitleProgress
from tests.support.dispatch_harness import MODEL, TIMEOUT_SECONDS, DispatchHarness, batch, until
from tests.support.keda import Keda
from tests.support.ledgers import request_of

MakeHarness = Callable[..., DispatchHarness]


@pytest.fixture
def h(make_harness: MakeHarness) -> DispatchHarness:
    """A dispatcher with a scaler that answers at once."""
    return make_harness(scaler_address="127.0.0.1:0", scaler_settle_seconds=0)


def tell(h: DispatchHarness, run: str, frames: int) -> None:
    """A decoder reports a title."""
    progress = TitleProgress(frames=frames, frame_pixels=256, model_sha256=MODEL, priority_class="standard")
    publish_event(h.bus, Event(run=run, attempt=1, title_progress=progress))


def test_a_pool_goes_from_zero_to_work_and_back(h: DispatchHarness) -> None:
    """A title wakes the pool, its pod is kept while it works, and when title and pod are gone nothing is wanted."""
    with Keda(h.dispatcher.scaler_address, pool="cpu", maxPods="5", scalerAddress="x:1") as scaler:
        assert (scaler.active(), scaler.pods(), scaler.target()) == (False, 0, ("pods", 1))
        tell(h, "r", 4)
        until(scaler.active, "the title to wake the pool")
        assert REGISTRY.get_sample_value("reelwright_pods_wanted", {"pool": "cpu", "reason": "unmeasured"}) == 1
        worker = h.start_worker("w", pool="cpu")
        h.publish(batch("r", 0, 0), batch("r", 0, 1))
        until(lambda: len(h.restored()) == 2, "both batches")
        until(lambda: REGISTRY.get_sample_value("reelwright_pod_frames_per_second", {"pool": "cpu"}), "its speed")
        assert scaler.pods() == 1
        publish_event(h.bus, Event(run="r", attempt=1, title_finished=TitleFinished(frames=4)))
        worker.close()
        until(lambda: not scaler.active(), "the pool to sleep")
        assert REGISTRY.get_sample_value("reelwright_pods_wanted", {"pool": "cpu", "reason": "idle"}) == 0
        assert REGISTRY.get_sample_value("reelwright_pods_wanted", {"pool": "cpu", "reason": "unmeasured"}) is None


def test_forecasts_are_asked_for(h: DispatchHarness) -> None:
    """The client has the forecast of a submitted title and of a planned one; none while no dispatcher answers."""
    tell(h, "r", 4)
    with Keda(h.dispatcher.scaler_address, pool="cpu") as scaler:
        until(scaler.active, "the title is known")
    forecasts = Forecasts(ForecastSettings(address=h.dispatcher.scaler_address))
    found = forecasts.of("r", 1)
    assert found is not None
    assert (found.finish, found.outlook) == (0, "")
    assert "not known yet" in found.reason
    assert forecasts.of("other", 1) is None
    planned = forecasts.check(request_of(frames_estimate=100, frame_pixels=256, model_sha256="other"))
    assert planned is not None
    assert (planned.finish, planned.reason) == (0, "the speed of its pools is not known yet")
    forecasts.close()
    nobody = Forecasts(ForecastSettings(address="127.0.0.1:1", timeout_seconds=1))
    assert (nobody.of("r", 1), nobody.check(request_of())) == (None, None)
    nobody.close()
    assert Forecasts(ForecastSettings()).of("r", 1) is None


def test_a_change_is_pushed(h: DispatchHarness) -> None:
    """With a trigger of the kind external-push the first pod does not wait until KEDA asks again."""
    with Keda(h.dispatcher.scaler_address, pool="cpu") as scaler:
        answers = scaler.activity()
        assert next(answers).result is False
        tell(h, "r", 4)
        assert next(answers).result is True
        answers.cancel()


def test_encoders_are_scaled_by_restored_segments(h: DispatchHarness) -> None:
    """Segments that wait for an encoder want encoders, as many as a pod does at a time each."""
    with Keda(h.dispatcher.scaler_address, role="encoder", segmentsPerPod="2", maxPods="9") as scaler:
        assert scaler.pods() == 0
        h.start_worker("w")
        h.publish(*(batch("r", segment, 0) for segment in range(5)))
        until(lambda: scaler.pods() == 3, "three encoders for five segments")


def test_a_dispatcher_that_has_just_started_leaves_the_pods_alone(make_harness: MakeHarness) -> None:
    """Before titles and pods are reported to it, it gives no answer, so that KEDA changes nothing."""
    h = make_harness(scaler_address="127.0.0.1:0", scaler_settle_seconds=3600)
    with Keda(h.dispatcher.scaler_address, pool="cpu") as scaler, pytest.raises(grpc.RpcError) as caught:
        scaler.active()
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("metadata", "named"),
    [
        ({}, "pool"),
        ({"pool": "Not A Pool"}, "pool"),
        ({"pool": "cpu", "maxPods": "many"}, "maxPods"),
        ({"pool": "cpu", "pricePerHour": "-1"}, "pricePerHour"),
        ({"pool": "cpu", "minPods": "5", "maxPods": "2"}, "maxPods"),
        ({"pool": "cpu", "minPods": "101"}, "maxPods"),
        ({"pool": "cpu", "startSeconds": "1e308"}, "startSeconds"),
        ({"role": "encoder", "segmentsPerPod": "0"}, "segmentsPerPod"),
        ({"role": "encoder", "minPods": "5", "maxPods": "2"}, "maxPods"),
    ],
)
def test_wrong_metadata_is_named(h: DispatchHarness, metadata: dict[str, str], named: str) -> None:
    """A trigger with a mistake is refused with the key, which KEDA shows in the ScaledObject's events."""
    with Keda(h.dispatcher.scaler_address, **metadata) as scaler, pytest.raises(grpc.RpcError) as caught:
        scaler.pods()
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert named in str(caught.value.details())


def test_forecasts_are_served_beside_the_scaler(h: DispatchHarness) -> None:
    """The titles under way are reported, and a planned title is checked."""
    tell(h, "r", 400)
    with grpc.insecure_channel(h.dispatcher.scaler_address) as channel:
        stub = ForecastStub(channel)  # type: ignore[no-untyped-call]

        def read(*runs: str) -> list[tuple[str, int]]:
            reply = stub.Read(ForecastRequest(runs=runs), timeout=TIMEOUT_SECONDS)
            return [(title.run, title.frames_left) for title in reply.titles]

        until(lambda: read() == [("r", 400)], "the title")
        assert read("another") == []
        planned = PlannedTitle(frames=10, frame_pixels=256, model_sha256=MODEL, priority_class="standard")
        assert "no pool" in stub.Check(planned, timeout=TIMEOUT_SECONDS).reason


def test_without_an_address_nothing_is_served(make_harness: MakeHarness) -> None:
    """The scaler is off unless it is asked for."""
    assert make_harness().dispatcher.scaler_address == ""
