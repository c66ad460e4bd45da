"""What a kind of fault is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from random import Random

from tests.faults.generator import Odds
from tests.faults.trial_cluster import TrialCluster

Injection = Callable[[TrialCluster, Random], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Attributes:
        name: as the report has it.
        weight: how often it comes, against the others.
        seconds: shortest and longest time it lasts.
        inject: the fault; it begins on entering the context and is over on leaving it.
        from_begin: recovery counts from the beginning (a kill) and not from the end (an outage).
    """

    name: str
    weight: int
    seconds: tuple[float, float]
    inject: Injection
    from_begin: bool = False

    @property
    def odds(self) -> Odds:
        """What the generator draws from."""
        return Odds(self.name, self.weight, self.seconds)
