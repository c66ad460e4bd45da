"""Fits shift and light between two pictures by least squares about their midpoint.

Pixels that show something else are left out (Lucas and Kanade, IJCAI 1981). Every sum is of multiples of 2**-16 and
exact in float64 in any order, so that all processors find the same numbers to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float64]

# Pixels further from the common change than this multiple of the mean distance show something else.
_TRIM = 2.5
_TRIMS = 2
# Variance, in squared levels, that grain and rounding leave in a picture without detail.
_NOISE = 1.0
ROUNDING = 256
"""Levels and gradients are multiples of 1 / ROUNDING."""


@dataclass(frozen=True, slots=True)
class MotionFit:
    """How a part of a picture differs from that of an earlier one. Lengths are in pixels of the parts.

    Attributes:
        right: how far the scene moved to the right.
        down: the same downwards.
        light: mean levels, contrast and likeness of what was compared.
    """

    right: float
    down: float
    light: Light


@dataclass(frozen=True, slots=True)
class Light:
    """Mean levels, contrast and likeness of what was compared of two parts, and of how many pixels that was."""

    count: float
    before: float
    after: float
    contrast: float
    likeness: float


def fit_motion(here: Field, there: Field) -> MotionFit:
    """Fits the motion of less than a pixel between two parts.

    Args:
        here: (h, w) levels of the earlier picture, multiples of 1 / ROUNDING, from 0 to 255.
        there: (h, w) the same of the later picture.
    """
    fields = _fields(here, there)
    whole = _all_products(fields)
    kept, light = whole, _light(whole)
    distance, beside = np.empty(fields.shape[1]), np.empty(fields.shape[1])
    for _ in range(_TRIMS):
        motion = _solved(kept, light)
        _find_distances(fields, motion, light, (distance, beside))
        # Rounded, so that the sum is exact.
        mean = float(_whole_parts(distance, beside).sum()) / ROUNDING / distance.size
        left_out = np.flatnonzero(distance > _TRIM * mean)
        kept = whole - _products(fields, left_out)
        light = _light(kept)
    motion = _solved(kept, light)
    # The difference has the gradient of the earlier picture times the contrast.
    pixels = 4 * (1 + light.contrast) / (2 * light.contrast)
    return MotionFit(pixels * motion[0], pixels * motion[1], light)


def _fields(here: Field, there: Field) -> Field:
    """Ones, the levels of both pictures and four times the gradient of their mean, without a rim: (n, pixels)."""
    rows, columns = here.shape[0] - 2, here.shape[1] - 2
    fields = np.empty((_GRADIENTS + 2, rows, columns))
    fields[_ONES] = 1
    fields[_HERE], fields[_THERE] = here[1:-1, 1:-1], there[1:-1, 1:-1]
    both = here + there
    np.subtract(both[1:-1, 2:], both[1:-1, :-2], out=fields[_GRADIENTS])
    np.subtract(both[2:, 1:-1], both[:-2, 1:-1], out=fields[_GRADIENTS + 1])
    return fields.reshape(len(fields), -1)


def _find_distances(fields: Field, motion: tuple[float, ...], light: Light, out: tuple[Field, Field]) -> None:
    """Writes how far each pixel is from the common change to the first of `out`, and over the second."""
    distance, beside = out
    np.subtract(fields[_HERE], light.before, out=beside)
    np.multiply(beside, light.contrast, out=beside)
    np.subtract(fields[_THERE], light.after, out=distance)
    np.subtract(distance, beside, out=distance)
    for amount, gradient in zip(motion, fields[_GRADIENTS:], strict=True):
        np.multiply(gradient, amount, out=beside)
        np.add(distance, beside, out=distance)
    np.abs(distance, out=distance)


def _whole_parts(values: Field, out: Field) -> Field:
    """Values in whole numbers of 1 / ROUNDING."""
    return np.rint(np.multiply(values, ROUNDING, out=out), out=out)


def _products(fields: Field, pixels: NDArray[np.intp]) -> Field:
    """Sums of the products of each two fields over some pixels; (n, n)."""
    return _all_products(fields.take(pixels, axis=1)) if len(pixels) else np.zeros((len(fields), len(fields)))


def _all_products(fields: Field) -> Field:
    """Sums of the products of each two fields over all pixels; (n, n).

    BLAS would wake its threads for each of these small sums, which takes ten times as long.
    """
    return np.asarray(cv2.mulTransposed(fields, False), np.float64)


# Rows of a table of products: of ones, of the levels of both pictures, and from here on of the gradients.
_ONES, _HERE, _THERE, _GRADIENTS = range(4)


def _light(products: Field) -> Light:
    count = max(1.0, float(products[_ONES, _ONES]))
    before, after = float(products[_ONES, _HERE]) / count, float(products[_ONES, _THERE]) / count
    spread = float(products[_HERE, _HERE]) / count - before**2 + _NOISE
    spread_after = float(products[_THERE, _THERE]) / count - after**2 + _NOISE
    common = float(products[_HERE, _THERE]) / count - before * after + _NOISE
    contrast, likeness = math.sqrt(spread_after / spread), common / math.sqrt(spread * spread_after)
    return Light(float(products[_ONES, _ONES]), before, after, contrast, likeness)


def _solved(products: Field, light: Light) -> tuple[float, float]:
    """The amounts of the gradients that leave the least of the difference of both parts, in quarters of a pixel."""
    level = light.after - light.contrast * light.before
    ones, here, there = (products[row, _GRADIENTS:] for row in (_ONES, _HERE, _THERE))
    (xx, xy), (_, yy) = products[_GRADIENTS:, _GRADIENTS:].tolist()
    bx, by = (level * ones - (there - light.contrast * here)).tolist()
    xx, yy = xx + 1, yy + 1
    determinant = xx * yy - xy * xy
    return (bx * yy - by * xy) / determinant, (by * xx - bx * xy) / determinant
