"""What the planner makes of leases, receipts and events, on a clock that the test moves."""

from __future__ import annotations

import math

import pytest
from prometheus_client import REGISTRY

from reelwright.dispatcher.known_pools import ScaledPool
from reelwright.dispatcher.pod_starts import PodStarts
from reelwright.wire.forecast_pb2 import OUTLOOK_AT_RISK, OUTLOOK_HELD, OUTLOOK_MISSED, PlannedTitle, TitleForecast
from reelwright.wire.titles_pb2 import Event, SegmentCommitted, TitleFinished
from tests.support.planners import CPU, PlannerHarness
from tests.support.schedulers import batch


def test_a_title_told_of_wakes_the_first_pod() -> None:
    """Before any batch is here a title wants a pod; when it ends, none is wanted, whatever is reported late."""
    h = PlannerHarness()
    assert h.planner.pods(CPU) == (0, "idle")
    h.progress("r", 1000, waiting=True)
    assert h.planner.pods(CPU) == (1, "unmeasured")
    h.planner.record_event(Event(run="r", attempt=1, title_finished=TitleFinished()))
    h.progress("r", 1000)
    assert h.planner.pods(CPU) == (0, "idle")
    h.progress("r", 1000, attempt=2)
    assert h.planner.pods(CPU) == (1, "unmeasured")


def test_the_speed_is_that_of_the_work_alone() -> None:
    """A pod that waits for work most of the time is not slow: only the seconds of its receipts count."""
    h = PlannerHarness()
    stream = h.connect("w", pool="cpu", parallel=2)
    for number in range(5):
        h.restore(stream, "r", seconds=4.0, number=number)
        h.pass_time(60)
    assert h.planner.speeds.frames_per_second("cpu") == pytest.approx(0.5)
    assert REGISTRY.get_sample_value("reelwright_pod_frames_per_second", {"pool": "cpu"}) == pytest.approx(0.5)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, 1e308, -1.0, 5e-324])
def test_seconds_that_cannot_be_are_ignored(wrong: float) -> None:
    """Seconds of a receipt that no restoration takes do not change the speed of a pool."""
    h = PlannerHarness()
    stream = h.measure("cpu")
    speed = h.planner.speeds.pixels_per_second("cpu")
    h.scheduler.add_batch(batch("warm", 1))
    h.scheduler.add_credits(stream, 1)
    h.scheduler.complete_batch(stream, h.granted(stream)[-1].lease_id)
    h.follow(wrong)
    assert h.planner.speeds.pixels_per_second("cpu") == speed


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, 1e308, -1.0])
def test_times_that_cannot_be_are_none(wrong: float) -> None:
    """A title with a deadline or a submission at no time is scaled and forecast as if it had none."""
    h = PlannerHarness()
    h.measure("cpu")
    h.progress("r", 9000)
    known = h.planner.pods(CPU)
    h.progress("r", 9000, deadline=wrong, submitted=wrong)
    h.pass_time(1)
    assert h.planner.pods(CPU) == known
    planned = PlannedTitle(frames=10, frame_pixels=1, model_sha256="m", priority_class="standard", deadline=wrong)
    assert h.forecast.check(planned).deadline == 0


def test_pods_follow_the_work_that_is_left() -> None:
    """Frames that are restored are not left, before and after their commit, and the deadline decides on the pods."""
    h = PlannerHarness()
    stream = h.measure("cpu")
    for number in range(20):
        h.scheduler.add_batch(batch("r", number))
    h.pass_time(1)
    h.progress("r", 901, deadline=h.clock.now + 200)
    # 901 frames; 180 s are planned; the first batch of a pod takes 1 s after the 30 s of the hint.
    assert h.planner.pods(CPU) == (6, "deadline")
    h.progress("r", 901, committed=720, deadline=h.clock.now + 200)
    h.follow()
    assert h.planner.pods(CPU).pods == 2
    h.scheduler.add_credits(stream, 1)
    h.follow()
    h.scheduler.complete_batch(stream, h.granted(stream)[-1].lease_id)
    h.follow(1.0)
    (title,) = h.planner.titles.titles()
    assert (title.frames_left, title.segments_to_encode) == (180, 1)
    h.planner.record_event(Event(run="r", attempt=1, segment_committed=SegmentCommitted(segment=0, frames=1)))
    assert (title.frames_left, title.segments_to_encode) == (180, 0)
    h.progress("r", 901, committed=721)
    assert title.frames_left == 180


def test_a_batch_that_is_restored_again_counts_once() -> None:
    """Neither a batch restored twice nor one of a segment that its decoder counts as committed is counted again."""
    h = PlannerHarness()
    stream = h.connect("w", pool="cpu")
    h.progress("r", 100)
    for _ in range(2):
        h.restore(stream, "r", seconds=1.0, segment=3, repeats=4)
    (title,) = h.planner.titles.titles()
    assert (title.frames_left, title.segments_to_encode) == (95, 1)
    # A segment whose commit was announced after the report was made is restored still.
    h.planner.record_event(Event(run="r", attempt=1, segment_committed=SegmentCommitted(segment=3, frames=5)))
    h.progress("r", 100, committed=20, segments_committed=[0, 2, 4, 5])
    assert (title.frames_left, title.segments_to_encode) == (75, 0)
    h.progress("r", 100, committed=25, segments_committed=[0, 2, 3, 5])
    for segment, left in ((3, 75), (0, 75), (2, 74), (5, 73)):
        h.restore(stream, "r", seconds=1.0, segment=segment)
        assert (segment, title.frames_left) == (segment, left)
    assert title.segments_to_encode == 2


def test_a_pod_on_its_way_is_not_asked_for_twice() -> None:
    """While pods start, the number stays what it was: their start time has begun to pass."""
    h = PlannerHarness()
    stream = h.connect("w", pool="cpu")
    h.restore(stream, "warm", seconds=1.0)
    h.scheduler.disconnect_worker(stream)
    for number in range(20):
        h.scheduler.add_batch(batch("r", number))
    h.pass_time(1)
    h.progress("r", 900, deadline=h.clock.now + 200)
    first = h.planner.pods(CPU)
    assert first.reason == "deadline"
    h.pass_time(25)
    assert abs(h.planner.pods(CPU).pods - first.pods) <= 1


def start_seconds(h: PlannerHarness) -> float:
    """Seconds from now until a new pod of the pool `cpu` has restored its first batch."""
    (state,) = h.planner.pools.states()
    return state.start_seconds


def test_the_start_of_a_pod_is_measured_from_its_request() -> None:
    """The answer that asks for a pod begins its start; each measured start counts half beside what was known."""
    h = PlannerHarness()
    h.progress("r", 1000)
    h.planner.pods(CPU)
    h.pass_time(10)
    h.planner.pods(CPU)
    assert start_seconds(h) == 20
    h.connect("w", pool="cpu")
    h.planner.pods(CPU)
    assert start_seconds(h) == 20
    assert REGISTRY.get_sample_value("reelwright_pod_start_seconds", {"pool": "cpu"}) == 30
    h.pass_time(1)
    assert REGISTRY.get_sample_value("reelwright_pod_start_seconds", {"pool": "cpu"}) == 20


def test_only_pods_that_were_asked_for_measure_a_start() -> None:
    """A pod that replaces another one, a worker that connects again, and a request that is taken back say nothing."""
    h = PlannerHarness()
    h.progress("r", 1000)
    first = h.connect("first", pool="cpu")
    h.planner.pods(CPU)
    h.pass_time(5)
    h.connect("rollout", pool="cpu")
    h.pass_time(5)
    h.scheduler.disconnect_worker(first)
    h.pass_time(5)
    h.connect("first", pool="cpu")
    h.planner.pods(CPU)
    assert start_seconds(h) == 30
    starts = PodStarts()
    starts.request(2, 0.0)
    starts.request(1, 10.0)
    starts.request(2, 100.0)
    starts.see(["a", "b"], 60.0, 130.0)
    # 130 s, then 30 s.
    assert starts.seconds(60.0) == (60 + 130) / 2 / 2 + 30 / 2


def test_a_start_that_took_hours_says_little() -> None:
    """A pod for which there was no machine counts as the longest start that would still have been expected."""
    starts = PodStarts()
    starts.request(1, 0.0)
    starts.see(["a"], 60.0, 7200.0)
    assert starts.seconds(60.0) == (60 + 3 * 60 + 60) / 2


def test_work_goes_to_the_next_pool_when_pods_do_not_come() -> None:
    """A pool whose pods have not come for a multiple of their start time is not counted on."""
    h = PlannerHarness()
    gpu = ScaledPool(name="gpu", max_pods=4, price_per_hour=6.0, start_seconds=100.0)
    h.progress("r", 1000)
    assert (h.planner.pods(CPU), h.planner.pods(gpu)) == ((1, "unmeasured"), (0, "cheaper_pool"))
    h.pass_time(3 * 30 + 61)
    assert (h.planner.pods(CPU), h.planner.pods(gpu)) == ((1, "unmeasured"), (1, "unmeasured"))


def test_a_pool_gets_only_titles_that_it_can_restore() -> None:
    """Model and engine of its workers decide, also after they have left, until the pool itself is changed."""
    h = PlannerHarness()
    stream = h.connect("w", pool="cpu", engine="openvino-1 cpu")
    h.follow()
    h.scheduler.disconnect_worker(stream)
    h.progress("r", 1000, model_sha256="other")
    h.progress("s", 1000, engine="torch")
    assert h.planner.pods(CPU) == (0, "idle")
    h.progress("t", 1000, engine="openvino")
    assert h.planner.pods(CPU) == (1, "unmeasured")
    h.planner.record_event(Event(run="t", attempt=1, title_finished=TitleFinished()))
    changed = ScaledPool(name="cpu", revision="a new image", engine="openvino")
    assert h.planner.pods(changed) == (1, "unmeasured")
    h.planner.record_event(Event(run="r", attempt=1, title_finished=TitleFinished()))
    assert h.planner.pods(changed) == (0, "idle")


def test_a_pool_of_a_model_in_the_store_waits_for_its_titles() -> None:
    """A pool without pods whose model's hash is known is started for titles of that model alone."""
    h = PlannerHarness()
    mine = ScaledPool(name="mine", model_sha256="a" * 64, engine="openvino")
    h.progress("r", 1000, model_sha256="b" * 64)
    assert h.planner.pods(mine) == (0, "idle")
    h.progress("s", 1000, model_sha256="a" * 64)
    assert h.planner.pods(mine) == (1, "unmeasured")


def test_batches_of_a_decoder_that_tells_nothing_count() -> None:
    """A decoder of an earlier version reports no title; what it publishes is work all the same."""
    h = PlannerHarness()
    h.scheduler.add_batch(batch("r"))
    h.follow()
    assert h.planner.pods(CPU) == (1, "unmeasured")
    assert h.planner.encoders(4) == 1


def test_a_title_that_nobody_tells_of_is_forgotten() -> None:
    """A title whose end event was lost keeps no pods for ever."""
    h = PlannerHarness()
    h.progress("r", 1000)
    h.pass_time(182)
    assert h.planner.pods(CPU) == (0, "idle")


def test_encoders_follow_the_restored_segments() -> None:
    """Segments of which restored frames wait are shared by the encoders; a title alone wants one."""
    h = PlannerHarness()
    assert h.planner.encoders(2) == 0
    h.progress("r", 1000)
    assert h.planner.encoders(2) == 1
    stream = h.connect("w", pool="cpu")
    for run in "abcde":
        h.restore(stream, run, seconds=1.0)
    assert h.planner.encoders(2) == 3


def forecast_of(h: PlannerHarness, run: str) -> TitleForecast:
    """The forecast of a run."""
    (found,) = h.forecast.forecasts([run])
    return found


def test_a_forecast_tells_whether_the_deadline_holds() -> None:
    """With the pods there are, with as many as there may be, or not at all; in words too."""
    h = PlannerHarness()
    h.planner.pods(CPU)
    h.measure("cpu")
    h.planner.pods(CPU)
    now = h.clock.now
    h.progress("r", 1000, deadline=now + 1200)
    assert forecast_of(h, "r").finish == pytest.approx(now + 1000)
    assert forecast_of(h, "r").outlook == OUTLOOK_HELD
    h.progress("r", 1000, deadline=now + 400)
    assert forecast_of(h, "r").outlook == OUTLOOK_AT_RISK
    assert forecast_of(h, "r").finish == pytest.approx(now + 1000)
    assert forecast_of(h, "r").reason.endswith("10 min after its deadline; more pods can hold it")
    h.progress("r", 1000, deadline=now + 100)
    # 31 s with one pod, then ten.
    assert forecast_of(h, "r").outlook == OUTLOOK_MISSED
    assert forecast_of(h, "r").earliest_finish == pytest.approx(now + 31 + 969 / 10)


def test_a_deadline_can_be_checked_before_the_submission() -> None:
    """A title that is only planned is counted behind those that are under way."""
    h = PlannerHarness()
    h.planner.pods(CPU)
    h.measure("cpu")
    title = PlannedTitle(frames=500, frame_pixels=1, model_sha256="m", priority_class="standard")
    alone = h.forecast.check(title).finish
    assert alone == pytest.approx(h.clock.now + 500)
    h.progress("r", 500)
    assert h.forecast.check(title).finish == pytest.approx(h.clock.now + 1000)


def test_what_is_not_known_has_no_forecast() -> None:
    """Without a size, a pool or a speed there is a reason instead of a time."""
    h = PlannerHarness()
    h.progress("r", 0, deadline=h.clock.now + 10)
    assert (forecast_of(h, "r").finish, forecast_of(h, "r").outlook) == (0, 0)
    assert "frames" in forecast_of(h, "r").reason
    h.progress("r", 10, deadline=h.clock.now + 10)
    assert "no pool" in forecast_of(h, "r").reason
    h.planner.pods(CPU)
    assert "speed" in forecast_of(h, "r").reason


def test_what_is_left_and_what_the_pods_cost_is_shown() -> None:
    """Frames left, titles whose deadline is over and the cost of the connected workers follow events and workers."""
    h = PlannerHarness()
    h.connect("one", pool="priced", price_per_hour=2.5)
    stream = h.connect("two", pool="priced", price_per_hour=1.5)
    h.progress("late", 900, committed=400, deadline=h.clock.now + 2)
    h.progress("other", 100)
    h.pass_time(1)
    shown = {"reelwright_frames_left": 600, "reelwright_titles_overdue": 0}
    assert {name: REGISTRY.get_sample_value(name) for name in shown} == shown
    assert REGISTRY.get_sample_value("reelwright_pool_cost_per_hour", {"pool": "priced"}) == 4
    h.scheduler.disconnect_worker(stream)
    h.pass_time(2)
    assert REGISTRY.get_sample_value("reelwright_titles_overdue") == 1
    assert REGISTRY.get_sample_value("reelwright_pool_cost_per_hour", {"pool": "priced"}) == 2.5
