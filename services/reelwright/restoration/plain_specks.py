"""Specks that are dust whatever the classifier says: strong ones that nothing moves near.

Dust that is rare in a film, and specks on plain scenes, were hardly among what the classifier learnt from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.speck_columns import QuickColumn, SearchedColumn
from reelwright.restoration.speck_features import LOG_FLOOR
from reelwright.restoration.specks import Floats

# How much each measure counts, as a logarithm, and how much is asked of a speck of `_SIZE` pixels.
_APART_FLOOR, _BESIDE_FLOOR, _UNREST_FLOOR, _UNREST_SIGMAS = 0.02, 0.05, 0.3, 4.6
_BESIDE_WEIGHT, _UNLIKE_WEIGHT, _UNREST_WEIGHT, _SIZE_WEIGHT, _SIZE = 0.7, 2.8, 0.15, 0.4, 100.0
_ENOUGH = 2.7 + 3.0
# The height is more than so many thresholds, and what is stray less than this share of the greatest height.
_HIGH, _CALM = 2.0, 0.3


def are_plain(features: Floats) -> NDArray[np.bool_]:
    """Whether specks are strong, calm and shown by no other frame, (specks,).

    Args:
        features: (specks, all features), see `speck_features` and `speck_search`.
    """
    height, apart, unrest, stray, beside = (
        np.maximum(np.exp(features[:, column]) - LOG_FLOOR, 0)
        for column in (
            QuickColumn.HEIGHT,
            QuickColumn.APART_TO_HEIGHT,
            QuickColumn.RING_APART,
            QuickColumn.RING_STRAY_TO_TOP,
            SearchedColumn.BESIDE_LESSER,
        )
    )
    evidence = -np.log(apart + _APART_FLOOR) - _UNREST_WEIGHT * np.log(unrest * _UNREST_SIGMAS + _UNREST_FLOOR)
    unlike = features[:, SearchedColumn.UNLIKE_LESSER]
    evidence += _UNLIKE_WEIGHT * unlike - _BESIDE_WEIGHT * np.log(beside + _BESIDE_FLOOR)
    evidence -= _SIZE_WEIGHT * (features[:, QuickColumn.LOG_AREA] - np.log(_SIZE))
    return np.asarray((evidence > _ENOUGH) & (height > _HIGH) & (stray < _CALM), np.bool_)
