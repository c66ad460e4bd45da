"""The broker and the store die, freeze and restart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from tests.faults.kinds.kind import Kind
from tests.faults.trial_cluster import TrialCluster


@contextmanager
def _kill_broker(world: TrialCluster, _luck: Random) -> Iterator[None]:
    with world.broker_lock:
        world.kafka.kill()
        try:
            yield
        finally:
            world.kafka.start()


@contextmanager
def _restart_broker(world: TrialCluster, _luck: Random) -> Iterator[None]:
    with world.broker_lock:
        world.kafka.stop()
        try:
            yield
        finally:
            world.kafka.start()


@contextmanager
def _freeze_broker(world: TrialCluster, _luck: Random) -> Iterator[None]:
    with world.broker_lock:
        world.kafka.freeze()
        try:
            yield
        finally:
            world.kafka.thaw()


@contextmanager
def _kill_store(world: TrialCluster, _luck: Random) -> Iterator[None]:
    with world.store_lock:
        world.s3.kill()
        try:
            yield
        finally:
            world.s3.start()


@contextmanager
def _freeze_store(world: TrialCluster, _luck: Random) -> Iterator[None]:
    with world.store_lock:
        world.s3.freeze()
        try:
            yield
        finally:
            world.s3.thaw()


KINDS = (
    Kind("broker SIGKILL", 2, (0.5, 6.0), _kill_broker),
    Kind("broker orderly restart", 1, (0.5, 3.0), _restart_broker),
    Kind("broker SIGSTOP", 3, (1.0, 8.0), _freeze_broker),
    Kind("store SIGKILL", 4, (0.5, 6.0), _kill_store),
    Kind("store SIGSTOP", 4, (1.0, 8.0), _freeze_store),
)
