"""Means over clips with confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_RESAMPLES, _SEED = 10_000, 7


class Mean(NamedTuple):
    """A mean over clips.

    Attributes:
        value: the mean.
        low: lower end of its 95 % confidence interval.
        high: upper end.
    """

    value: float
    low: float
    high: float

    def __format__(self, form: str) -> str:
        """The mean and its interval, each in the form of a float: `+1.20 (+0.80 to +1.60)`."""
        return f"{self.value:{form}} ({self.low:{form}} to {self.high:{form}})"


def mean(values: Sequence[float]) -> Mean:
    """The mean of one value per clip, and its interval by the percentile bootstrap (Efron 1979), always the same.

    Args:
        values: at least one; the clips are resampled, because frames of one clip are alike.
    """
    found = np.asarray(values, np.float64)
    drawn = np.random.default_rng(_SEED).integers(0, len(found), (_RESAMPLES, len(found)))
    low, high = np.percentile(found[drawn].mean(axis=1), (2.5, 97.5))
    return Mean(float(found.mean()), float(low), float(high))
