"""Fits shift, rotation and light between two pictures by least squares about their midpoint.

Pixels that show something else are left out (Lucas and Kanade, IJCAI 1981). Every sum is of multiples of 2**-16 and
exact in float64 in any order, so that all processors find the same numbers to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float64]

# Pixels further from the common change than this multiple of the mean distance show something else.
_TRIM = 2.5
_TRIMS = 2
# Variance, in squared levels, that grain and rounding leave in a picture without detail.
_NOISE = 1.0
# Pixels on a side of the chessboard's cells.
_CELL = 16
ROUNDING = 256
"""Levels and gradients are multiples of 1 / ROUNDING."""


@dataclass(frozen=True, slots=True)
class MotionFit:
    """How a part of a picture differs from that of an earlier one. Lengths are in pixels of the parts.

    Attributes:
        right: how far the scene moved to the right; with a rotation, at the centre of rotation.
        down: the same downwards.
        rotation: by how many degrees it turned clockwise; 0 if not asked for.
        rotation_error: half of by how much more one half of the pixels turned than the other.
        light: mean levels, contrast and likeness of what was compared.
    """

    right: float
    down: float
    rotation: float
    rotation_error: float
    light: Light


@dataclass(frozen=True, slots=True)
class Light:
    """Mean levels, contrast and likeness of what was compared of two parts, and of how many pixels that was."""

    count: float
    before: float
    after: float
    contrast: float
    likeness: float


def fit_motion(here: Field, there: Field, centre: tuple[float, float] | None) -> MotionFit:
    """Fits the motion of less than a pixel between two parts.

    Args:
        here: (h, w) levels of the earlier picture, multiples of 1 / ROUNDING, from 0 to 255.
        there: (h, w) the same of the later picture.
        centre: column and row, in pixels of the parts, about which the scene may have turned; None for a shift alone.
    """
    radius, rim = (1.0, 1) if centre is None else (max(here.shape) / 2, 2)
    fields = _fields(here, there, centre, rim)
    whole = _all_products(fields)
    kept, light = whole, _light(whole)
    distance, beside = np.empty(fields.shape[1]), np.empty(fields.shape[1])
    left_out = np.empty(0, np.intp)
    for _ in range(_TRIMS):
        motion = _solved(_equations(kept, light))
        _find_distances(fields, motion, light, (distance, beside))
        # Rounded, so that the sum is exact.
        mean = float(_whole_parts(distance, beside).sum()) / ROUNDING / distance.size
        left_out = np.flatnonzero(distance > _TRIM * mean)
        kept = whole - _products(fields, left_out)
        light = _light(kept)
    motion = _solved(_equations(kept, light))
    # The difference has the gradient of the earlier picture times the contrast.
    pixels = 4 * (1 + light.contrast) / (2 * light.contrast)
    if centre is None:
        return MotionFit(pixels * motion[0], pixels * motion[1], 0.0, 0.0, light)
    degrees = math.degrees(pixels / radius)
    half = _half(here.shape[0] - 2 * rim, here.shape[1] - 2 * rim)
    products = _products(fields, np.flatnonzero(half)) - _products(fields, left_out[half[left_out]])
    one, other = (_solved(_equations(each, light))[2] for each in (products, kept - products))
    return MotionFit(pixels * motion[0], pixels * motion[1], degrees * motion[2], degrees * (one - other) / 2, light)


def _fields(here: Field, there: Field, centre: tuple[float, float] | None, rim: int) -> Field:
    """Ones, the levels of both pictures and their gradients without a rim: (n, pixels)."""
    rows, columns = here.shape[0] - 2 * rim, here.shape[1] - 2 * rim
    fields = np.empty((_GRADIENTS + (2 if centre is None else 3), rows, columns))
    fields[_ONES] = 1
    fields[_HERE], fields[_THERE] = here[rim:-rim, rim:-rim], there[rim:-rim, rim:-rim]
    _find_gradients(here + there, centre, fields[_GRADIENTS:])
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


def _find_gradients(both: Field, centre: tuple[float, float] | None, out: Field) -> None:
    """Four times the gradient of the mean of both pictures; with a centre, also what a turn takes off.

    The turn moves a pixel that is half the longer side away by one pixel.

    Differences of two pixels make fine detail less steep than it is, and a rotation larger. Where it is measured, they
    are of fourth order (Fornberg, Mathematics of Computation 51, 1988), and a rim of two pixels is left out, not one.
    """
    if centre is None:
        np.subtract(both[1:-1, 2:], both[1:-1, :-2], out=out[0])
        np.subtract(both[2:, 1:-1], both[:-2, 1:-1], out=out[1])
        return
    across, along = both[2:-2, 3:-1] - both[2:-2, 1:-3], both[3:-1, 2:-2] - both[1:-3, 2:-2]
    out[0] = _round((8 * across - both[2:-2, 4:] + both[2:-2, :-4]) / 6)
    out[1] = _round((8 * along - both[4:, 2:-2] + both[:-4, 2:-2]) / 6)
    (rows, columns), radius = across.shape, max(both.shape) / 2
    x = (np.arange(2, columns + 2) - centre[0]) / radius
    y = (np.arange(2, rows + 2)[:, None] - centre[1]) / radius
    out[2] = _round(x * out[1] - y * out[0])


def _round(values: Field) -> Field:
    """Rounds in place, to multiples of 1 / ROUNDING."""
    values *= ROUNDING
    np.rint(values, out=values)
    values /= ROUNDING
    return values


@lru_cache(maxsize=64)
def _half(rows: int, columns: int) -> NDArray[np.bool_]:
    """Whether pixels, row by row, are in the cells of one colour of a chessboard; (rows * columns,)."""
    return ((np.arange(rows)[:, None] // _CELL + np.arange(columns) // _CELL) % 2).astype(bool).ravel()


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
# Of two and of three gradients each pair.
_PAIRS = {count: np.triu_indices(count) for count in (2, 3)}


def _light(products: Field) -> Light:
    count = max(1.0, float(products[_ONES, _ONES]))
    before, after = float(products[_ONES, _HERE]) / count, float(products[_ONES, _THERE]) / count
    spread = float(products[_HERE, _HERE]) / count - before**2 + _NOISE
    spread_after = float(products[_THERE, _THERE]) / count - after**2 + _NOISE
    common = float(products[_HERE, _THERE]) / count - before * after + _NOISE
    contrast, likeness = math.sqrt(spread_after / spread), common / math.sqrt(spread * spread_after)
    return Light(float(products[_ONES, _ONES]), before, after, contrast, likeness)


@dataclass(frozen=True, slots=True)
class _Equations:
    """The normal equations of two or three gradients.

    Attributes:
        products: of each pair of gradients, in the order of `np.triu_indices`.
        sides: products of each gradient with the difference of both parts, with the opposite sign.
    """

    products: tuple[float, ...]
    sides: tuple[float, ...]


def _equations(products: Field, light: Light) -> _Equations:
    level = light.after - light.contrast * light.before
    ones, here, there = (products[row, _GRADIENTS:] for row in (_ONES, _HERE, _THERE))
    gradients = products[_GRADIENTS:, _GRADIENTS:]
    return _Equations(
        tuple(gradients[_PAIRS[len(gradients)]].tolist()),
        tuple((level * ones - (there - light.contrast * here)).tolist()),
    )


def _solved(equations: _Equations) -> tuple[float, ...]:
    """The amounts of the gradients that leave the least of the difference: quarters of a pixel, and of a radius."""
    if len(equations.sides) == 2:
        (xx, xy, yy), (bx, by) = equations.products, equations.sides
        return _shift((xx, xy, yy), bx, by)
    (xx, xy, xt, yy, yt, tt), (bx, by, bt) = equations.products, equations.sides
    # The rotation goes by what of its gradient no shift explains (Frisch and Waugh, Econometrica 1933).
    x, y = _shift((xx, xy, yy), bx, by)
    like_x, like_y = _shift((xx, xy, yy), xt, yt)
    turn = (bt - like_x * bx - like_y * by) / (tt - like_x * xt - like_y * yt + 1)
    return x - turn * like_x, y - turn * like_y, turn


def _shift(products: tuple[float, float, float], bx: float, by: float) -> tuple[float, float]:
    xx, xy, yy = products[0] + 1, products[1], products[2] + 1
    determinant = xx * yy - xy * xy
    return (bx * yy - by * xy) / determinant, (by * xx - bx * xy) / determinant
