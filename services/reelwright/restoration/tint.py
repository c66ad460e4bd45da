"""Measures the tint of a restored frame: chroma that its source does not have."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.picture import Picture, Plane

_PARTS, _DIGITS = 4, 3


def tint_of(source: Picture, restored: Picture, gain: float) -> float:
    """By how many 8-bit levels the mean chroma of a restored picture differs from the source's where it does most.

    Args:
        source: the frame; without chroma it counts as neutral.
        restored: the same restored.
        gain: code values of `restored` per code value of `source`.
    """
    target = restored.format
    worst = 0.0
    for number in range(1, target.planes):
        planes = [restored.planes[number]]
        if source.format.planes == target.planes:
            planes.append(source.planes[number])
        shape = tuple(min(_PARTS, *sides) for sides in zip(*(plane.shape for plane in planes), strict=True))
        found = _means(planes[0], shape) - target.neutral
        for plane in planes[1:]:
            found = found - gain * (_means(plane, shape) - source.format.neutral)
        worst = max(worst, float(np.abs(found).max()))
    # A damaged picture may have codes above its depth.
    return round(min(worst / 2.0 ** (target.depth - 8), 4096.0), _DIGITS)


def _means(plane: Plane, parts: tuple[int, ...]) -> NDArray[np.float64]:
    """The means of a plane's parts, in so many rows and columns."""
    rows = np.linspace(0, plane.shape[0], parts[0] + 1).astype(int)
    columns = np.linspace(0, plane.shape[1], parts[1] + 1).astype(int)
    means = [
        cv2.mean(plane[rows[i] : rows[i + 1], columns[j] : columns[j + 1]])[0]
        for i in range(len(rows) - 1)
        for j in range(len(columns) - 1)
    ]
    return np.array(means, np.float64)
