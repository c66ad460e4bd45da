"""Role processes die, freeze, leave in order, come and go."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from random import Random

from tests.faults.kinds.kind import Kind
from tests.faults.supervisor import Slot
from tests.faults.trial_cluster import TrialCluster
from tests.support.cluster import ROLES

# The time in which an orchestrator notices that a container is gone.
_NOTICED = (0.0, 1.5)


def slot_of(world: TrialCluster, luck: Random, role: str | None = None) -> Slot:
    """One of the places that are filled when nobody scales."""
    role = role or luck.choice(ROLES)
    return luck.choice(world.supervisor.slots[role][: world.supervisor.base[role]])


@contextmanager
def _kill(role: str, world: TrialCluster, luck: Random) -> Iterator[None]:
    slot = slot_of(world, luck, role)
    with world.supervisor.troubling([slot]):
        world.supervisor.kill(slot)
        try:
            yield
        finally:
            world.supervisor.start(slot)


@contextmanager
def _kill_all(world: TrialCluster, luck: Random) -> Iterator[None]:
    role = luck.choice(ROLES)
    slots = world.supervisor.slots[role][: world.supervisor.base[role]]
    with world.supervisor.troubling(slots):
        for slot in slots:
            world.supervisor.kill(slot)
        try:
            yield
        finally:
            for slot in slots:
                world.supervisor.start(slot)


@contextmanager
def _freeze(role: str, world: TrialCluster, luck: Random) -> Iterator[None]:
    slot = slot_of(world, luck, role)
    with world.supervisor.troubling([slot]):
        process = slot.process
        if process is not None and process.code is None:
            process.freeze()
        try:
            yield
        finally:
            if process is not None and process.code is None:
                process.thaw()


@contextmanager
def _restart(world: TrialCluster, luck: Random) -> Iterator[None]:
    slot = slot_of(world, luck)
    with world.supervisor.troubling([slot]):
        world.supervisor.stop(slot)
        world.supervisor.start(slot)
        yield


@contextmanager
def _scale(world: TrialCluster, luck: Random) -> Iterator[None]:
    role = luck.choice(ROLES)
    slots, base = world.supervisor.slots[role], world.supervisor.base[role]
    wanted = luck.choice([0, *(n for n in range(1, len(slots) + 1) if n != base)])
    with world.supervisor.troubling(slots):
        _size(world, slots, base, wanted)
        try:
            yield
        finally:
            _size(world, slots, wanted, base)


def _size(world: TrialCluster, slots: list[Slot], now: int, wanted: int) -> None:
    for slot in slots[now:wanted]:
        world.supervisor.start(slot)
    leaving = slots[wanted:now]
    with ThreadPoolExecutor(len(slots)) as pool:
        list(pool.map(world.supervisor.stop, leaving))
    for slot in leaving:
        slot.process = None


KINDS = (
    *(Kind(f"SIGKILL {role}", 6, _NOTICED, partial(_kill, role), from_begin=True) for role in ROLES),
    Kind("SIGKILL every process of a role", 3, _NOTICED, _kill_all, from_begin=True),
    *(Kind(f"SIGSTOP {role}", 3, (1.0, 15.0), partial(_freeze, role)) for role in ROLES),
    Kind("orderly restart of a role", 6, (0.0, 0.0), _restart),
    Kind("role scaled, down to none or up to three", 5, (2.0, 10.0), _scale),
)
