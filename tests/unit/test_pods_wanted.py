"""How many pods are wanted: tables for the traps of scaling by time. Frames have one pixel here."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.dispatcher.pods_wanted import REASONS, PodsWanted, PoolState, TitleLoad, pods_wanted

HOUR = 3600.0


def cpu(**changes: object) -> PoolState:
    """A pool of cheap pods: 10 pixels/s, 30 s to start, 0.2 an hour."""
    known = {"name": "cpu", "speed": 10.0, "start_seconds": 30.0, "price_per_hour": 0.2, "batches_per_pod": 3}
    return PoolState(**{**known, **changes})  # type: ignore[arg-type]


def gpu(**changes: object) -> PoolState:
    """A pool of dear pods: 200 pixels/s, 5 minutes to start, 6 an hour."""
    known = {"name": "gpu", "speed": 200.0, "start_seconds": 300.0, "price_per_hour": 6.0, "batches_per_pod": 3}
    return PoolState(**{**known, **changes})  # type: ignore[arg-type]


def load(pixels: float, seconds: float, *, batches: int = 1000, pools: str = "cpu gpu") -> TitleLoad:
    """What is left of a title, with as many batches as pods could want."""
    return TitleLoad(pixels=pixels, seconds=seconds, pools=frozenset(pools.split()), batches=batches)


class Case(NamedTuple):
    """A pool, the titles, and the answer."""

    pool: PoolState
    loads: list[TitleLoad]
    wanted: tuple[int, str]


ONE_POOL = {
    "nothing waits": Case(cpu(pods=3), [], (0, "idle")),
    "nothing waits, but the pool keeps pods": Case(cpu(min_pods=2), [], (2, "minimum")),
    # The queue is empty because the fleet keeps up: what decoders report of the title counts.
    "a fleet that keeps up shows no backlog": Case(cpu(pods=3), [load(90_000, HOUR, batches=3)], (3, "deadline")),
    "leased work counts although no title is known": Case(cpu(pods=5, leases=5), [], (2, "leases")),
    "never fewer than leased work needs": Case(cpu(pods=9, leases=25), [load(100, HOUR)], (9, "leases")),
    "a backlog that drained between two polls": Case(cpu(pods=3, idle_seconds=20), [], (1, "recent_work")),
    "a backlog that drained long ago": Case(cpu(pods=3, idle_seconds=70), [], (0, "idle")),
    "a title that was not opened yet": Case(cpu(), [load(0, HOUR, batches=0)], (1, "deadline")),
    "one pod is enough until the deadline": Case(cpu(), [load(10_000, 10 * HOUR)], (1, "deadline")),
    # 900 s of 1000 are planned, 870 after the start: 87,000 / (10 * 870) = 10.
    "as many as hold the deadline": Case(cpu(), [load(87_000, 1000)], (10, "deadline")),
    "those that run need no start": Case(cpu(pods=10), [load(87_000, 1000)], (10, "deadline")),
    "fewer when there is time": Case(cpu(pods=10), [load(18_000, 1000)], (2, "deadline")),
    "the nearest deadline decides": Case(cpu(), [load(1000, 100 * HOUR), load(87_000, 1000)], (10, "deadline")),
    "work that is due earlier comes first": Case(cpu(), [load(43_500, 999.999), load(43_500, 1000)], (10, "deadline")),
    # One pod needs 80 s for the rest; another one would work for less than a minute of them.
    "the rest is done before a pod has started": Case(cpu(pods=1), [load(800, -10)], (1, "start_time")),
    "what is late is done soon, not with any number of pods": Case(cpu(), [load(6000, -HOUR)], (10, "deadline")),
    "no more than there may be": Case(cpu(max_pods=7), [load(1e9, HOUR)], (7, "maximum")),
    "no more than there are batches": Case(cpu(pods=9), [load(1e9, HOUR, batches=4)], (4, "batches")),
    "the first pod before its speed is known": Case(cpu(speed=None), [load(1e9, HOUR)], (1, "unmeasured")),
    # A dispatcher that has started again must not send the fleet away.
    "the pods there are before their speed is known": Case(
        cpu(speed=None, pods=8), [load(1e9, HOUR)], (8, "unmeasured")
    ),
    "a title for another pool": Case(cpu(pods=1), [load(1e9, HOUR, pools="gpu")], (0, "idle")),
}


@pytest.mark.parametrize("case", ONE_POOL.values(), ids=ONE_POOL.keys())
def test_one_pool(case: Case) -> None:
    """The number of pods of a single pool, with its reason."""
    assert pods_wanted([case.pool], case.loads)["cpu"] == case.wanted


class TwoPools(NamedTuple):
    """Two pools, the titles, and both answers."""

    pools: list[PoolState]
    loads: list[TitleLoad]
    cpu: tuple[int, str]
    gpu: tuple[int, str]


TWO_POOLS = {
    # By price of a pixel: cpu 0.02, gpu 0.03.
    "the cheapest that holds the deadline": TwoPools(
        [cpu(), gpu()], [load(87_000, 1000)], (10, "deadline"), (0, "cheaper_pool")
    ),
    "the faster one is the cheaper one": TwoPools(
        [cpu(), gpu(price_per_hour=1.0)], [load(87_000, 1000)], (0, "cheaper_pool"), (1, "deadline")
    ),
    # 100 cpu pods restore 870,000 in time; 600 s remain to a gpu pod: 1,130,000 / (200 * 600) = 10.
    "the next one takes what the cheapest cannot": TwoPools(
        [cpu(), gpu()], [load(2_000_000, 1000)], (100, "maximum"), (10, "deadline")
    ),
    # 100 cpu pods are done after 90 s; a gpu pod would begin after 300.
    "a short backlog buys no gpu": TwoPools(
        [cpu(), gpu()], [load(60_000, -10)], (100, "deadline"), (0, "cheaper_pool")
    ),
    # 3 cpu pods need 370 s for what is late; the gpu pod pays from 600 s on.
    "a backlog shorter than the start of a gpu": TwoPools(
        [cpu(max_pods=3), gpu()], [load(10_000, -10)], (3, "maximum"), (0, "start_time")
    ),
    "a title that only one of them may restore": TwoPools(
        [cpu(), gpu()], [load(87_000, 1000, pools="gpu"), load(870, 1000)], (1, "deadline"), (1, "deadline")
    ),
    "both unknown: one pod of the cheapest": TwoPools(
        [cpu(speed=None), gpu(speed=None)], [load(1e9, 1000)], (1, "unmeasured"), (0, "cheaper_pool")
    ),
    "the cheapest cannot be had": TwoPools(
        [cpu(speed=None, fails_to_start=True), gpu(speed=None)],
        [load(1e9, 1000)],
        (1, "unmeasured"),
        (1, "unmeasured"),
    ),
    # Nobody has seen a pod of the cheaper one: it may be a removed pool, or an invented one.
    "a pool that is not proven takes nothing from one that is": TwoPools(
        [cpu(speed=None), gpu()], [load(87_000, 1000)], (1, "unmeasured"), (1, "deadline")
    ),
    "a pool with pods takes work before it is measured": TwoPools(
        [cpu(speed=None, pods=1), gpu()], [load(87_000, 1000)], (1, "unmeasured"), (0, "cheaper_pool")
    ),
    "both unknown, and the dearer one has waited for long": TwoPools(
        [cpu(speed=None), gpu(speed=None, yields=False)],
        [load(1e9, 1000)],
        (1, "unmeasured"),
        (1, "unmeasured"),
    ),
    "spot pods that do not come": TwoPools(
        [cpu(fails_to_start=True), gpu()], [load(87_000, 1000)], (10, "deadline"), (1, "deadline")
    ),
    "pods that nobody scales take their share": TwoPools(
        [cpu(), gpu(pods=1, min_pods=1, max_pods=1, price_per_hour=0.0)],
        [load(87_000, 1000)],
        (0, "cheaper_pool"),
        (1, "deadline"),
    ),
}


@pytest.mark.parametrize("case", TWO_POOLS.values(), ids=TWO_POOLS.keys())
def test_two_pools(case: TwoPools) -> None:
    """Pools of different speed and price share the work: the cheapest that holds the deadline comes first."""
    for pools in (case.pools, case.pools[::-1]):
        assert pods_wanted(pools, case.loads) == {"cpu": case.cpu, "gpu": case.gpu}


_pools = st.builds(
    cpu,
    pods=st.integers(0, 50),
    min_pods=st.integers(0, 3),
    max_pods=st.integers(3, 50),
    speed=st.none() | st.floats(1e-3, 1e9),
    leases=st.integers(0, 200),
    start_seconds=st.floats(0, 1e4),
    idle_seconds=st.floats(0, 1e4) | st.just(math.inf),
    fails_to_start=st.booleans(),
)
_loads = st.lists(st.builds(load, st.floats(0, 1e15), st.floats(-1e6, 1e6), batches=st.integers(0, 500)), max_size=6)


@given(_pools, _pools, _loads)
def test_any_state_has_an_answer_within_the_limits(one: PoolState, other: PoolState, loads: list[TitleLoad]) -> None:
    """Whatever is observed, the answer is within the limits, is not 0 for lone work, and its reason is known."""
    other = gpu(**{field: getattr(other, field) for field in ("pods", "max_pods", "speed", "leases", "start_seconds")})
    answers = pods_wanted([one, other], loads)
    for pool in (one, other):
        assert pool.min_pods <= answers[pool.name].pods <= pool.max_pods
        assert answers[pool.name].reason in REASONS
    if loads:
        assert sum(answer.pods for answer in answers.values()) >= 1
    assert pods_wanted([one], loads)["cpu"] >= (min(1, len(loads)), "")


@given(st.floats(1, 1e7), st.floats(200, 1e5), st.integers(0, 20))
def test_the_pods_hold_the_deadline(pixels: float, seconds: float, pods: int) -> None:
    """When the answer is bounded by nothing but the deadline, that many pods restore the work before it."""
    pool = cpu(pods=pods, max_pods=1_000_000)
    wanted = pods_wanted([pool], [load(pixels, seconds, batches=1_000_000)])["cpu"]
    assert isinstance(wanted, PodsWanted)
    running, new = min(pods, wanted.pods), max(0, wanted.pods - pods)
    assert 10.0 * (running * seconds + new * (seconds - 30.0)) >= pixels
