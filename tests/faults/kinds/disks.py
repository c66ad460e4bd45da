"""Disks are full: the encoders' scratch disk, the store's disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from tests.faults.kinds.kind import FaultKind
from tests.faults.trial_cluster import TrialCluster


@contextmanager
def _fill_scratch(trial: TrialCluster, _rng: Random) -> Iterator[None]:
    with trial.scratch.filled():
        yield


@contextmanager
def _fill_store(trial: TrialCluster, _rng: Random) -> Iterator[None]:
    with trial.store_disk.filled():
        yield


KINDS = (
    FaultKind("encoders' scratch full", 3, (2.0, 8.0), _fill_scratch),
    FaultKind("store full", 3, (2.0, 8.0), _fill_store),
)
