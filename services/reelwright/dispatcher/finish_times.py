"""When titles will be restored, by the shares that the ready queue gives them. Pure."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reelwright.dispatcher.ready_queue import CLASS_WEIGHTS, deadline_weight

# A step so small that rounding decides is no step.
_EPSILON = 1e-9
# Titles of a class that a decoder has at work at the same time, where none is at work yet (`DecoderSettings.titles`).
_USUAL_TITLES_PER_CLASS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TitleAhead:
    """A title that is to be restored.

    Attributes:
        key: names it in the answer.
        pixels: luma samples of the frames that are left.
        priority: its priority class.
        deadline: Unix seconds; None without a deadline.
        due: Unix seconds by which decoders order their titles.
        waiting: no decoder has begun it.
        pools: names of the pools that may restore it.
    """

    key: str
    pixels: float
    priority: str
    deadline: float | None
    due: float
    waiting: bool
    pools: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Pods that restore.

    Attributes:
        pool: their pool.
        speed: pixels that all of them restore in a second.
        start_seconds: seconds from now until they do.
    """

    pool: str
    speed: float
    start_seconds: float = 0.0


def finish_times(titles: Sequence[TitleAhead], capacities: Sequence[Capacity], now: float) -> dict[str, float]:
    """When each title will be restored, in Unix seconds; infinite when no pool that may restore it has pods.

    Titles that are decoded share each pool by class and deadline, as in `ready_queue`. A waiting one begins when one of
    its class is done, the most urgent first, as in the decoder. Encoding is not counted: it runs in parallel.

    Args:
        titles: the titles.
        capacities: the pods, with those that start later.
        now: Unix seconds.
    """
    left = {title.key: title.pixels for title in titles}
    active = [title for title in titles if not title.waiting]
    at_work = Counter(title.priority for title in active)
    waiting: dict[str, list[TitleAhead]] = {name: [] for name in CLASS_WEIGHTS}
    for title in sorted((title for title in titles if title.waiting), key=lambda title: title.due, reverse=True):
        waiting[title.priority].append(title)
    steps = sorted({capacity.start_seconds for capacity in capacities})
    done: dict[str, float] = {}
    seconds = 0.0
    while True:
        active = _filled(active, waiting, at_work)
        speeds = _speeds(active, [each for each in capacities if each.start_seconds <= seconds], now + seconds)
        ends = [left[title.key] / speeds[title.key] for title in active if speeds[title.key]]
        starts = [step - seconds for step in steps if step > seconds]
        if not ends and not starts:
            return done | {title.key: math.inf for title in titles if title.key not in done}
        passed = max(min([*ends, *starts]), 0.0)
        seconds += passed
        for title in active:
            left[title.key] -= passed * speeds[title.key]
            if left[title.key] <= _EPSILON * max(1.0, title.pixels):
                done[title.key] = now + seconds
        active = [title for title in active if title.key not in done]


def _filled(
    active: list[TitleAhead], waiting: Mapping[str, list[TitleAhead]], at_work: Counter[str]
) -> list[TitleAhead]:
    """The active titles, with waiting ones where their class has room; the last one of a list comes first."""
    busy = Counter(title.priority for title in active)
    for name, titles in waiting.items():
        room = (at_work[name] or _USUAL_TITLES_PER_CLASS) - busy[name]
        active = active + [titles.pop() for _ in range(min(room, len(titles)))]
    return active


def _speeds(active: Sequence[TitleAhead], capacities: Sequence[Capacity], now: float) -> dict[str, float]:
    """Pixels that are restored of each active title in a second."""
    speeds = dict.fromkeys((title.key for title in active), 0.0)
    for capacity in capacities:
        able = [title for title in active if capacity.pool in title.pools]
        classes: defaultdict[str, float] = defaultdict(float)
        weights = {title.key: deadline_weight(title.deadline, now) for title in able}
        for title in able:
            classes[title.priority] += weights[title.key]
        total = sum(CLASS_WEIGHTS[name] for name in classes)
        for title in able:
            share = CLASS_WEIGHTS[title.priority] / total * weights[title.key] / classes[title.priority]
            speeds[title.key] += capacity.speed * share
    return speeds
