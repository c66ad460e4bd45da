"""The broker and the store are killed, frozen and restarted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from tests.faults.kinds.kind import FaultKind
from tests.faults.trial_cluster import TrialCluster


@contextmanager
def _kill_broker(trial: TrialCluster, _rng: Random) -> Iterator[None]:
    with trial.broker_lock:
        trial.kafka.kill()
        try:
            yield
        finally:
            trial.kafka.start()


@contextmanager
def _restart_broker(trial: TrialCluster, _rng: Random) -> Iterator[None]:
    with trial.broker_lock:
        trial.kafka.stop()
        try:
            yield
        finally:
            trial.kafka.start()


@contextmanager
def _freeze_broker(trial: TrialCluster, _rng: Random) -> Iterator[None]:
    with trial.broker_lock:
        trial.kafka.freeze()
        try:
            yield
        finally:
            trial.kafka.thaw()


@contextmanager
def _kill_store(trial: TrialCluster, _rng: Random) -> Iterator[None]:
    with trial.store_lock:
        trial.s3.kill()
        try:
            yield
        finally:
            trial.s3.start()


@contextmanager
def _freeze_store(trial: TrialCluster, _rng: Random) -> Iterator[None]:
    with trial.store_lock:
        trial.s3.freeze()
        try:
            yield
        finally:
            trial.s3.thaw()


KINDS = (
    FaultKind("broker SIGKILL", 2, (0.5, 6.0), _kill_broker),
    FaultKind("broker orderly restart", 1, (0.5, 3.0), _restart_broker),
    FaultKind("broker SIGSTOP", 3, (1.0, 8.0), _freeze_broker),
    FaultKind("store SIGKILL", 4, (0.5, 6.0), _kill_store),
    FaultKind("store SIGSTOP", 4, (1.0, 8.0), _freeze_store),
)
