"""Disks fill up: the encoders' scratch, the store's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from tests.faults.kinds.kind import Kind
from tests.faults.trial_cluster import TrialCluster


@contextmanager
def _full_scratch(world: TrialCluster, _luck: Random) -> Iterator[None]:
    with world.scratch.filled():
        yield


@contextmanager
def _full_store(world: TrialCluster, _luck: Random) -> Iterator[None]:
    with world.store_disk.filled():
        yield


KINDS = (
    Kind("encoders' scratch full", 3, (2.0, 8.0), _full_scratch),
    Kind("store full", 3, (2.0, 8.0), _full_store),
)
