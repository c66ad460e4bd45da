"""How many pods each pool should have, from the work that is left and the time there is. Pure.

The cheapest pool takes what it can finish in time, the next one what is left, and so on. Time is counted and not the
length of a queue: a fleet that keeps up has no queue, and a queue says nothing about a deadline.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Reason = Literal[
    "idle",
    "minimum",
    "maximum",
    "deadline",
    "leases",
    "recent_work",
    "start_time",
    "cheaper_pool",
    "unmeasured",
    "batches",
]
REASONS: dict[Reason, str] = {
    "idle": "no title needs the pool",
    "minimum": "the pool has this many at least",
    "maximum": "the pool may have no more",
    "deadline": "so many hold the deadlines",
    "leases": "so many hold the batches that are leased now",
    "recent_work": "the pool had work just now",
    "start_time": "what is left is done before another pod has started",
    "cheaper_pool": "cheaper pools hold the deadlines",
    "unmeasured": "the speed of the pool is not known yet",
    "batches": "decoders deliver no more batches at a time",
}
"""What each reason means."""

# Estimates may be too low, so the work is planned to be done when this share of the time has passed.
_PLANNED_SHARE = 0.9
# The time for work that is late, or nearly: without it the number of pods would grow without a limit.
_LEAST_SECONDS = 60.0
# A pool that had work so recently keeps a pod: titles that follow each other leave gaps, and KEDA asks now and then.
_RECENT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolState:
    """A pool as it is now.

    Attributes:
        name: of the pool.
        pods: pods that take work.
        min_pods: least number of pods.
        max_pods: largest number of pods.
        price_per_hour: of a pod.
        start_seconds: from the request for a pod until its first batch is restored.
        speed: pixels that a pod restores in a second; None if it is not known.
        leases: batches that its pods hold.
        batches_per_pod: batches that one of its pods holds at most, 1 or more.
        idle_seconds: since the pool last held or restored a batch.
        fails_to_start: pods that were wanted have not come in a multiple of the time that they need.
        yields: before its first pod it waits for that of a cheaper pool of which nothing is known either.
    """

    name: str
    pods: int = 0
    min_pods: int = 0
    max_pods: int = 100
    price_per_hour: float = 0.0
    start_seconds: float = 60.0
    speed: float | None = None
    leases: int = 0
    batches_per_pod: int = 1
    idle_seconds: float = math.inf
    fails_to_start: bool = False
    yields: bool = True

    @property
    def proven(self) -> bool:
        """Whether it has pods, or its speed was measured. Any other pool may be an invented one, or a removed one."""
        return self.pods > 0 or self.speed is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class TitleLoad:
    """What is left to restore of a title.

    Attributes:
        pixels: luma samples of the frames that are left; 0 if it is not known yet.
        seconds: until they should be restored; negative when that time has passed.
        pools: names of the pools that may restore them.
        batches: most batches of the title that waited or were leased at the same time in the last minute.
    """

    pixels: float
    seconds: float
    pools: frozenset[str]
    batches: int = 0


class PodsWanted(NamedTuple):
    """The answer for a pool.

    Attributes:
        pods: how many it should have.
        reason: why; a key of REASONS.
    """

    pods: int
    reason: Reason


@dataclass(slots=True)
class _Share:
    """A title's work during the calculation.

    Attributes:
        load: the title.
        left: pixels of it that no pool has taken yet.
        awaited: whether a pool that is not proven starts its first pod for it.
    """

    load: TitleLoad
    left: float
    awaited: bool = False


def pods_wanted(pools: Sequence[PoolState], loads: Sequence[TitleLoad]) -> dict[str, PodsWanted]:
    """The number of pods that each pool should have, with the reason.

    Work is moved away from a pool only to those that have pods or were measured. A pool that is not proven starts a
    first pod and takes nothing; other such pools wait for it while they yield.

    Args:
        pools: the pools.
        loads: the titles without an outcome.
    """
    # Of a title that was not opened yet the work is not known, but there is some.
    shares = [_Share(load, max(1.0, load.pixels)) for load in sorted(loads, key=lambda each: each.seconds)]
    known = max((pool.speed for pool in pools if pool.speed), default=1.0)
    answers: dict[str, PodsWanted] = {}
    chosen: list[tuple[PoolState, int]] = []
    for pool in sorted(pools, key=lambda each: (each.price_per_hour / (each.speed or known), each.name)):
        mine = [share for share in shares if pool.name in share.load.pools]
        answers[pool.name] = answer = _limited(pool, _answer(pool, mine, chosen))
        chosen.append((pool, answer.pods))
        _take(pool, answer.pods, mine)
    return answers


def _answer(pool: PoolState, mine: Sequence[_Share], chosen: Sequence[tuple[PoolState, int]]) -> PodsWanted:
    """The answer for a pool, after the cheaper ones have taken their shares."""
    waits = pool.yields and not pool.proven
    rest = [share for share in mine if share.left > 0 and not (waits and share.awaited)]
    if not rest:
        return _without_work(pool, bool(mine))
    if pool.speed is None:
        return PodsWanted(max(1, pool.pods), "unmeasured")
    if not pool.pods and _done_seconds(mine, chosen) <= 2 * pool.start_seconds:
        return PodsWanted(0, "start_time")
    answer = _by_time(pool, rest)
    # A batch keeps one pod busy. Before the first batch of a title has come, one pod may start.
    batches = max(1, sum(share.load.batches for share in mine))
    if answer.pods > batches:
        answer = PodsWanted(batches, "batches")
    held = math.ceil(pool.leases / pool.batches_per_pod)
    return PodsWanted(held, "leases") if held > answer.pods else answer


def _without_work(pool: PoolState, has_titles: bool) -> PodsWanted:
    if pool.leases:
        return PodsWanted(math.ceil(pool.leases / pool.batches_per_pod), "leases")
    if pool.pods and pool.idle_seconds < _RECENT_SECONDS:
        return PodsWanted(1, "recent_work")
    return PodsWanted(0, "cheaper_pool" if has_titles else "idle")


def _by_time(pool: PoolState, rest: Sequence[_Share]) -> PodsWanted:
    """The fewest pods that finish the work of each title, and all that is due before it, in time."""
    assert pool.speed is not None
    pods, work, late = 1, 0.0, False
    for share in rest:
        work += share.left
        running = math.ceil(work / (pool.speed * max(_PLANNED_SHARE * share.load.seconds, _LEAST_SECONDS)))
        if running <= pool.pods:
            pods = max(pods, running)
            continue
        useful = _useful_seconds(pool, share.load.seconds)
        missing = work - pool.pods * pool.speed * (pool.start_seconds + useful)
        needed = pool.pods + max(0, math.ceil(missing / (pool.speed * useful)))
        pods, late = max(pods, needed), late or needed < running
    return PodsWanted(pods, "start_time" if late and pods == pool.pods else "deadline")


def _useful_seconds(pool: PoolState, seconds: float) -> float:
    """How long a new pod works on what is due in `seconds`: as long as it takes to start at least, or it is no use."""
    return max(_PLANNED_SHARE * seconds - pool.start_seconds, pool.start_seconds, _LEAST_SECONDS)


def _done_seconds(mine: Sequence[_Share], chosen: Sequence[tuple[PoolState, int]]) -> float:
    """When the pools that were chosen before finish these titles, if all of their pods do nothing else."""
    names = frozenset[str]().union(*(share.load.pools for share in mine))
    able = [(pool, pods) for pool, pods in chosen if pool.name in names and pods and not pool.fails_to_start]
    speed = sum(pods * pool.speed for pool, pods in able if pool.speed)
    if not speed:
        return math.inf
    start = max(0.0 if pods <= pool.pods else pool.start_seconds for pool, pods in able)
    return start + sum(max(1.0, share.load.pixels) for share in mine) / speed


def _take(pool: PoolState, pods: int, mine: Sequence[_Share]) -> None:
    """Subtracts what the pods of a pool can restore in time, the most urgent first."""
    if not pods:
        return
    if pool.fails_to_start:
        pods = min(pods, pool.pods)
    if not pool.proven:
        for share in mine:
            share.awaited = share.awaited or pods > 0
        return
    taken = 0.0
    for share in mine:
        if pool.speed is None:
            # Its first batches will show it. Until then no other pool starts beside it.
            share.left = 0.0 if pods else share.left
            continue
        running, new = min(pods, pool.pods), max(0, pods - pool.pods)
        seconds = max(_PLANNED_SHARE * share.load.seconds, _LEAST_SECONDS)
        if new:
            seconds = max(seconds, pool.start_seconds + _useful_seconds(pool, share.load.seconds))
        able = pool.speed * (running * seconds + new * max(0.0, seconds - pool.start_seconds))
        part = min(share.left, max(0.0, able - taken))
        share.left -= part
        taken += part
        # What remains of rounding is no work.
        share.left = share.left if share.left > 1e-6 * share.load.pixels else 0.0


def _limited(pool: PoolState, answer: PodsWanted) -> PodsWanted:
    if answer.pods > pool.max_pods:
        return PodsWanted(pool.max_pods, "maximum")
    if answer.pods < pool.min_pods:
        return PodsWanted(pool.min_pods, "minimum")
    return answer
