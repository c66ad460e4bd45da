"""Tells flicker from what moves and is lit in the scene, by the changes of a path from frame to frame.

A path is taken for a random walk, which is the scene, plus independent changes from frame to frame, which are flicker
(the local level model, Harvey: Forecasting, structural time series models and the Kalman filter, 1989). Flicker turns
back in the next frame and so makes adjacent changes opposite, while what moves in the scene makes them alike.

Changes are whole numbers and their sums exact, so that all processors find the same numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Changes that are needed to say anything.
LEAST_CHANGES = 7
# The standard deviation of a normal distribution is so many times the median distance.
_MEDIAN = 1.4826
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a path's changes say of flicker.

    Attributes:
        square: mean square of a change.
        flicker: variance of the flicker, 0 or more.
        deviations: by how many standard deviations of chance adjacent changes are opposite, 0 or more.
    """

    square: float
    flicker: float
    deviations: float

    def certain(self, chance: float) -> float:
        """How certain the flicker is: 0 up to so many deviations as chance makes, 1 from one more on."""
        return min(1.0, max(0.0, self.deviations - chance))


def usual_change(changes: Numbers, deviations: float) -> int:
    """So many robust standard deviations of changes around 0."""
    middle = len(changes) // 2
    return round(deviations * _MEDIAN * int(np.partition(np.abs(changes), middle)[middle]))


def evidence(changes: Numbers, largest: int, *, trend: bool = False) -> Evidence:
    """Compares adjacent changes.

    Args:
        changes: (n,) from frame to frame, at least seven.
        largest: larger changes count as this one, so that a few of them decide nothing.
        trend: whether adjacent changes are compared with those that are two and three frames apart. A fade makes all of
            them alike, and flicker the adjacent ones alone opposite. In animation whose drawings last two or three
            frames one of the two is 0.
    """
    usual, count = np.clip(changes, -largest, largest), len(changes)
    square = int((usual * usual).sum()) / count
    alike = max(0, min(_products(usual, 2), _products(usual, 3))) if trend else 0
    opposite = (alike - _products(usual, 1)) / count
    if opposite <= 0:
        return Evidence(square, 0.0, 0.0)
    return Evidence(square, opposite, opposite / square * math.sqrt(count - 1))


def _products(changes: Numbers, apart: int) -> int:
    return int((changes[apart:] * changes[:-apart]).sum())
