"""Runs a campaign: titles under way, one fault after another, and what came of them."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random

from tests.faults.check import Verdict
from tests.faults.generator import Fault, faults, titles
from tests.faults.kinds import usable_kinds
from tests.faults.kinds.kind import Kind
from tests.faults.store_client import patiently
from tests.faults.supervisor import Ended
from tests.faults.title_client import TitleClient
from tests.faults.trial_cluster import TrialCluster, open_trial_cluster

# Faults that may be under way at the same time: more than that is a dead site, not a bad day.
_AT_ONCE = 6
_LANES = 3
# The next fault waits for a sign of life after so long without one, so that recovery can be told from bad luck ...
_QUIET_SECONDS = 10.0
# ... and the campaign is over when none comes.
_DEAD_SECONDS = 240.0
_LOOK_SECONDS = 0.1


@dataclass
class Happened:
    """A fault that was injected.

    Attributes:
        fault: what was planned.
        began, over: on `time.monotonic`.
        recovery: seconds to the next committed segment; None when none came after it.
        error: why it could not be injected; empty when it was.
    """

    fault: Fault
    began: float
    over: float = 0.0
    recovery: float | None = None
    error: str = ""


@dataclass
class Result:
    """What came of a campaign.

    Attributes:
        happened: every fault.
        verdicts: on every title.
        ended: processes that ended by themselves.
        most_bytes: largest resident memory of a process by role.
        starts: processes started.
        commits: segments committed.
        silence: longest seconds between two commits.
        seconds: from the first fault to the last.
        alone: seconds from a kill of all processes of a role to the next commit, with no other fault.
        outage: seconds to the next commit after the broker was down for `outage_seconds`; None when not tried.
        broken: promises that did not hold, beside those on films.
        notes: what this machine does not allow.
    """

    seed: int
    outage_seconds: float
    happened: list[Happened] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    ended: list[Ended] = field(default_factory=list)
    most_bytes: dict[str, int] = field(default_factory=dict)
    starts: int = 0
    commits: int = 0
    silence: float = 0.0
    seconds: float = 0.0
    alone: dict[str, float] = field(default_factory=dict)
    outage: float | None = None
    broken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def run_campaign(
    seed: int, count: int, outage_seconds: float, folder: Path, keep: Path, say: Callable[[str], None]
) -> Result:
    """Injects `count` faults and waits for every film.

    Args:
        seed: of faults and titles.
        count: faults to inject.
        outage_seconds: how long the broker is down at the end; 0 for not at all.
        folder: an empty one for logs, data and films under way.
        keep: for films that are not what they should be.
        say: told of each fault and each verdict.
    """
    kinds, notes = usable_kinds()
    result = Result(seed, outage_seconds, notes=notes)
    with open_trial_cluster(folder) as world:
        shop = TitleClient(world, titles(seed), _LANES, keep)
        with shop:
            try:
                _live(world, 0)
                plan = islice(faults(seed, [kind.odds for kind in kinds]), count)
                _inject(world, plan, {kind.name: kind for kind in kinds}, result, say)
                if outage_seconds:
                    _kill_alone(world, result)
                    _outage(world, result)
            except _DeadError as error:
                result.broken.append(str(error))
                _examine(world, keep)
                shop.abandon()
        _close(world, shop, result)
        if any(not verdict.identical for verdict in result.verdicts.values()):
            # Who asked the store for what: without it nobody finds out why an object is not there.
            shutil.copy(world.s3.requests_log, keep)
            (keep / "objects.txt").write_text("\n".join(patiently(lambda: world.shelf.names(""))))
    return result


class _DeadError(Exception):
    """Nothing is committed any more."""


def _examine(world: TrialCluster, keep: Path) -> None:
    """Keeps what every process says of itself: its metrics, and in its log where each of its threads is."""
    for process in world.cluster.processes:
        if process.code is None:
            os.kill(process.pid, signal.SIGUSR2)
            pages = (process.get(path)[1] for path in ("/readyz", "/metrics"))
            (keep / f"{process.name}.txt").write_text("\n".join(pages))


def _live(world: TrialCluster, moment: float) -> float:
    """Waits for the first commit after a moment; how long after it came."""
    while (came := world.commits.after(moment)) is None:
        if world.commits.quiet_seconds > _DEAD_SECONDS:
            raise _DeadError(f"nothing was committed for {_DEAD_SECONDS:.0f} s")
        time.sleep(_LOOK_SECONDS)
    return came


def _inject(
    world: TrialCluster, plan: Iterator[Fault], kinds: dict[str, Kind], result: Result, say: Callable[[str], None]
) -> None:
    began = time.monotonic()
    room = threading.Semaphore(_AT_ONCE)
    running: list[Future[None]] = []
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="fault") as pool:
        for fault in plan:
            time.sleep(fault.gap)
            while world.commits.quiet_seconds > _QUIET_SECONDS:
                if world.commits.quiet_seconds > _DEAD_SECONDS:
                    raise _DeadError(f"nothing was committed for {_DEAD_SECONDS:.0f} s before fault {fault.number}")
                time.sleep(_LOOK_SECONDS)
            room.acquire()
            happened = Happened(fault, time.monotonic())
            result.happened.append(happened)
            say(f"{happened.began - began:7.1f} s  fault {fault.number}: {fault.kind}, {fault.seconds:.1f} s")
            task = pool.submit(_one, world, kinds[fault.kind], happened)
            task.add_done_callback(lambda _: room.release())
            running.append(task)
    for task in running:
        task.result()
    result.seconds = time.monotonic() - began
    _live(world, time.monotonic())
    for happened in result.happened:
        start = happened.began if kinds[happened.fault.kind].from_begin else happened.over
        happened.recovery = world.commits.after(start)


def _one(world: TrialCluster, kind: Kind, happened: Happened) -> None:
    luck = Random(happened.fault.luck)
    try:
        with kind.inject(world, luck):
            happened.began = time.monotonic()
            time.sleep(happened.fault.seconds)
    except Exception as error:  # noqa: BLE001 - told in the report, and the campaign goes on
        happened.error = f"{type(error).__name__}: {error}"
    happened.over = time.monotonic()


def _kill_alone(world: TrialCluster, result: Result) -> None:
    """Every process of a role is killed at once and started again, and nothing else is wrong."""
    for role, slots in world.supervisor.slots.items():
        _live(world, time.monotonic())
        filled = slots[: world.supervisor.base[role]]
        with world.supervisor.troubling(filled):
            killed = time.monotonic()
            for slot in filled:
                world.supervisor.kill(slot)
            for slot in filled:
                world.supervisor.start(slot)
        result.alone[role] = _live(world, killed)


def _outage(world: TrialCluster, result: Result) -> None:
    """The broker is away for long, and nothing else is wrong: nobody dies of it, and work goes on by itself."""
    before = world.supervisor.pids()
    with world.broker_lock:
        world.kafka.kill()
        time.sleep(result.outage_seconds)
        world.kafka.start()
    result.outage = _live(world, time.monotonic())
    if world.supervisor.pids() != before:
        result.broken.append("a process ended while the broker was down")


def _close(world: TrialCluster, shop: TitleClient, result: Result) -> None:
    result.verdicts = shop.verdicts
    result.ended, result.most_bytes = world.supervisor.ended, world.supervisor.most_bytes
    result.starts, result.commits = world.supervisor.starts, world.commits.count
    result.silence = world.commits.longest_silence
