"""What the dispatcher remembers of pools: of whom it believes what, for how long, and what it shows."""

from __future__ import annotations

from prometheus_client import REGISTRY

from reelwright.dispatcher.known_pools import ScaledPool
from reelwright.telemetry import metrics
from tests.support.planners import CPU, PlannerHarness
from tests.support.schedulers import batch


def invented(number: int = 0, **changes: object) -> ScaledPool:
    """A pool of which there are no pods, as anyone who reaches the port may describe it."""
    known = {"name": f"invented{number}", "max_pods": 100_000, "price_per_hour": 0.0, "start_seconds": 1e9}
    return ScaledPool(**{**known, **changes})  # type: ignore[arg-type]


def test_an_invented_pool_takes_no_work() -> None:
    """A question about a pool without pods changes no answer for measured pools and for those with pods."""
    h = PlannerHarness()
    h100 = ScaledPool(name="h100", max_pods=20, price_per_hour=6.0)
    stream = h.measure("h100", "torch")
    h.scheduler.disconnect_worker(stream)
    h.connect("new", pool="cpu", engine="openvino")
    for number in range(20):
        h.scheduler.add_batch(batch("r", number))
    h.pass_time(1)
    h.progress("r", 2000, engine="torch", deadline=h.clock.now + 400)
    h.progress("s", 2000, engine="openvino", deadline=h.clock.now + 400)
    assert h.planner.pods(CPU) == (1, "unmeasured")
    assert h.planner.pods(h100) == (7, "deadline")
    for number in range(3):
        h.planner.pods(invented(number))
    assert h.planner.pods(CPU) == (1, "unmeasured")
    assert h.planner.pods(h100) == (7, "deadline")


def test_an_invented_pool_cannot_keep_the_first_pod_away() -> None:
    """Before anything is measured a pool waits for cheaper ones for a quarter of an hour at most."""
    h = PlannerHarness()
    h100 = ScaledPool(name="h100", price_per_hour=6.0)
    h.progress("r", 2000)
    h.planner.pods(invented())
    assert h.planner.pods(h100) == (0, "cheaper_pool")
    for number in range(10):
        h.pass_time(91)
        h.progress("r", 2000)
        h.planner.pods(invented(number))
        answer = h.planner.pods(h100)
    assert answer == (1, "unmeasured")
    for number in range(200):
        h.planner.pods(invented(number))
    assert h.planner.pods(ScaledPool(name="a real pool that came later", price_per_hour=9.0)) == (1, "unmeasured")


def test_a_question_does_not_replace_what_is_known_of_a_pool() -> None:
    """Another description of a pool counts for its own answer, and is believed once nobody uses the former one."""
    h = PlannerHarness()
    h.measure("cpu")
    for number in range(20):
        h.scheduler.add_batch(batch("r", number))
    h.pass_time(1)
    h.progress("r", 2000, deadline=h.clock.now + 300)
    gpu, changed = ScaledPool(name="gpu", price_per_hour=6.0), ScaledPool(name="cpu", max_pods=1, start_seconds=30.0)
    assert h.planner.pods(CPU) == (9, "deadline")
    before = h.planner.pools.states()
    assert h.planner.pods(changed).pods == 1
    assert h.planner.pools.states() == before
    assert REGISTRY.get_sample_value("reelwright_pods_wanted", {"pool": "cpu", "reason": "deadline"}) == 9
    assert h.planner.pods(gpu) == (0, "cheaper_pool")
    h.pass_time(61)
    h.planner.pods(changed)
    assert h.planner.pods(gpu) == (1, "unmeasured")


def test_only_so_many_pools_are_remembered() -> None:
    """Of pools without workers that are asked about, a hundred are remembered; each question has an answer."""
    h = PlannerHarness()
    h.progress("r", 1000)
    for number in range(500):
        h.planner.pods(invented(number))
    assert len(h.planner.pools.states()) == 100
    shown = [series for series in REGISTRY.collect() if series.name == "reelwright_pods_wanted"]
    assert sum(sample.labels["pool"].startswith("invented") for each in shown for sample in each.samples) == 100


def shown_of(pool: str) -> set[str]:
    """The metrics that have a series of a pool."""
    return {
        sample.name.removeprefix("reelwright_")
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.labels.get("pool") == pool
    }


def test_the_series_of_a_removed_pool_end() -> None:
    """A pool that nobody asks about is shown as scaled for ten minutes, and at all while it had a worker that hour."""
    h = PlannerHarness()
    gone = ScaledPool(name="gone")
    stream = h.connect("w", pool="gone")
    h.restore(stream, "r", seconds=1.0)
    h.planner.pods(gone)
    h.scheduler.expire_leases()
    h.pass_time(1)
    of_workers = {"workers_connected", "pod_frames_per_second", "pool_cost_per_hour"}
    assert shown_of("gone") == {*of_workers, "pods_wanted", "pod_start_seconds"}
    h.scheduler.disconnect_worker(stream)
    h.scheduler.expire_leases()
    h.pass_time(600)
    assert shown_of("gone") == of_workers
    h.planner.pods(gone)
    h.pass_time(700)
    assert shown_of("gone") == of_workers
    h.pass_time(2400)
    assert shown_of("gone") == set()
    assert h.planner.speeds.pixels_per_second("gone") is None


def test_the_series_of_encoders_that_nobody_scales_ends() -> None:
    """How many encoders are wanted is shown until nobody has asked for ten minutes."""
    h = PlannerHarness()
    metrics.set_pods_wanted("encoder", h.planner.encoders(4), "segments")
    h.pass_time(599)
    assert shown_of("encoder") == {"pods_wanted"}
    h.pass_time(2)
    assert shown_of("encoder") == set()


def test_only_so_many_pools_of_workers_are_remembered() -> None:
    """Of pools that nobody scales the latest hundred are remembered, and each that has workers."""
    h = PlannerHarness()
    h.connect("stays", pool="stays")
    for number in range(150):
        stream = h.connect("w", pool=f"brief{number}")
        h.pass_time(1)
        h.scheduler.disconnect_worker(stream)
    h.pass_time(1)
    kept = [number for number in range(150) if shown_of(f"brief{number}")]
    assert kept == list(range(51, 150))
    assert shown_of("stays")
