"""A process runs with a wrong clock, or in another version of the product."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from tests.faults.kinds.kind import FaultKind
from tests.faults.kinds.processes import random_slot
from tests.faults.trial_cluster import TrialCluster, clock_env

# S3 refuses requests of a client whose clock differs by 15 minutes, so the skew stays well below that.
_MAX_SKEW_SECONDS = 600


@contextmanager
def _restarted_with(trial: TrialCluster, rng: Random, env: dict[str, str]) -> Iterator[None]:
    slot = random_slot(trial, rng)
    with trial.supervisor.locked([slot]):
        trial.supervisor.stop(slot)
        trial.supervisor.start(slot, **env)
        try:
            yield
        finally:
            trial.supervisor.stop(slot)
            trial.supervisor.start(slot)


@contextmanager
def _skew_clock(trial: TrialCluster, rng: Random) -> Iterator[None]:
    seconds = rng.choice([-1, 1]) * rng.randint(30, _MAX_SKEW_SECONDS)
    with _restarted_with(trial, rng, clock_env(seconds)):
        yield


@contextmanager
def _upgrade(trial: TrialCluster, rng: Random) -> Iterator[None]:
    with _restarted_with(trial, rng, {"PYTHONPATH": str(trial.next_version)}):
        yield


SKEWS = (FaultKind("clock of a process wrong by up to 10 minutes", 3, (4.0, 15.0), _skew_clock),)
KINDS = (*SKEWS, FaultKind("process upgraded to another version", 3, (4.0, 15.0), _upgrade))
