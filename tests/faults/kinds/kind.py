"""The definition of a kind of fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from random import Random

from tests.faults.trial_cluster import TrialCluster


class BrokenGuaranteeError(Exception):
    """A kind that checks a guarantee itself found that it does not hold."""


Injection = Callable[[TrialCluster, Random], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A kind of fault.

    Attributes:
        name: its name in the report.
        weight: how often it is drawn, relative to the other kinds.
        seconds: shortest and longest duration.
        inject: begins the fault on entering the context and ends it on leaving.
        recovery_from_start: whether recovery is measured from the beginning (a kill) or from the end (an outage).
    """

    name: str
    weight: int
    seconds: tuple[float, float]
    inject: Injection
    recovery_from_start: bool = False


def instant_kind(name: str, weight: int, act: Callable[[TrialCluster, Random], None]) -> FaultKind:
    """A kind of fault that is over as soon as it was injected.

    Args:
        name: see FaultKind.
        weight: see FaultKind.
        act: injects it.
    """

    @contextmanager
    def inject(trial: TrialCluster, rng: Random) -> Iterator[None]:
        act(trial, rng)
        yield

    return FaultKind(name, weight, (0.0, 0.0), inject)
