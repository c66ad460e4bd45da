"""Role processes are killed, frozen, restarted in order, and scaled."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from random import Random

from tests.faults.kinds.kind import FaultKind
from tests.faults.supervisor import ProcessSlot
from tests.faults.trial_cluster import TrialCluster
from tests.support.cluster import ROLES

# An orchestrator needs about this long to notice that a container is gone.
_NOTICED_SECONDS = (0.0, 1.5)


def random_slot(trial: TrialCluster, rng: Random, role: str | None = None) -> ProcessSlot:
    """One of the slots of a role that have a process when nothing is scaled; of any role when `role` is None."""
    role = role or rng.choice(ROLES)
    return rng.choice(trial.supervisor.slots[role][: trial.supervisor.base[role]])


@contextmanager
def _kill(role: str, trial: TrialCluster, rng: Random) -> Iterator[None]:
    slot = random_slot(trial, rng, role)
    with trial.supervisor.locked([slot]):
        trial.supervisor.kill(slot)
        try:
            yield
        finally:
            trial.supervisor.start(slot)


@contextmanager
def _kill_all(trial: TrialCluster, rng: Random) -> Iterator[None]:
    role = rng.choice(ROLES)
    slots = trial.supervisor.slots[role][: trial.supervisor.base[role]]
    with trial.supervisor.locked(slots):
        for slot in slots:
            trial.supervisor.kill(slot)
        try:
            yield
        finally:
            for slot in slots:
                trial.supervisor.start(slot)


@contextmanager
def _freeze(role: str, trial: TrialCluster, rng: Random) -> Iterator[None]:
    slot = random_slot(trial, rng, role)
    with trial.supervisor.locked([slot]):
        process = slot.process
        if process is not None and process.code is None:
            process.freeze()
        try:
            yield
        finally:
            if process is not None and process.code is None:
                process.thaw()


@contextmanager
def _restart(trial: TrialCluster, rng: Random) -> Iterator[None]:
    slot = random_slot(trial, rng)
    with trial.supervisor.locked([slot]):
        trial.supervisor.stop(slot)
        trial.supervisor.start(slot)
        yield


@contextmanager
def _scale(trial: TrialCluster, rng: Random) -> Iterator[None]:
    role = rng.choice(ROLES)
    slots, base = trial.supervisor.slots[role], trial.supervisor.base[role]
    wanted = rng.choice([0, *(n for n in range(1, len(slots) + 1) if n != base)])
    with trial.supervisor.locked(slots):
        _resize(trial, slots, base, wanted)
        try:
            yield
        finally:
            _resize(trial, slots, wanted, base)


def _resize(trial: TrialCluster, slots: list[ProcessSlot], now: int, wanted: int) -> None:
    for slot in slots[now:wanted]:
        trial.supervisor.start(slot)
    leaving = slots[wanted:now]
    with ThreadPoolExecutor(len(slots)) as pool:
        list(pool.map(trial.supervisor.stop, leaving))
    for slot in leaving:
        slot.process = None


KINDS = (
    *(
        FaultKind(f"SIGKILL {role}", 6, _NOTICED_SECONDS, partial(_kill, role), recovery_from_start=True)
        for role in ROLES
    ),
    FaultKind("SIGKILL every process of a role", 3, _NOTICED_SECONDS, _kill_all, recovery_from_start=True),
    *(FaultKind(f"SIGSTOP {role}", 3, (1.0, 15.0), partial(_freeze, role)) for role in ROLES),
    FaultKind("orderly restart of a role", 6, (0.0, 0.0), _restart),
    FaultKind("role scaled, down to none or up to three", 5, (2.0, 10.0), _scale),
)
