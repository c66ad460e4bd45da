"""Clocks that are wrong, and a role of another version among the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from tests.faults.kinds.kind import Kind
from tests.faults.kinds.processes import slot_of
from tests.faults.trial_cluster import TrialCluster, clock_env

# S3 refuses a request whose clock is 15 minutes off, whoever sends it, so clocks stay well within.
_MOST_SKEW_SECONDS = 600


@contextmanager
def _restarted_with(world: TrialCluster, luck: Random, env: dict[str, str]) -> Iterator[None]:
    slot = slot_of(world, luck)
    with world.supervisor.troubling([slot]):
        world.supervisor.stop(slot)
        world.supervisor.start(slot, **env)
        try:
            yield
        finally:
            world.supervisor.stop(slot)
            world.supervisor.start(slot)


@contextmanager
def _skew(world: TrialCluster, luck: Random) -> Iterator[None]:
    seconds = luck.choice([-1, 1]) * luck.randint(30, _MOST_SKEW_SECONDS)
    with _restarted_with(world, luck, clock_env(seconds)):
        yield


@contextmanager
def _upgrade(world: TrialCluster, luck: Random) -> Iterator[None]:
    with _restarted_with(world, luck, {"PYTHONPATH": str(world.next_version)}):
        yield


SKEWS = (Kind("clock of a process wrong by up to 10 minutes", 3, (4.0, 15.0), _skew),)
KINDS = (*SKEWS, Kind("process upgraded to another version", 3, (4.0, 15.0), _upgrade))
