"""Fits shift, rotation and light between two pictures by least squares about their midpoint.

Pixels that show something else are left out (Lucas and Kanade, IJCAI 1981). Every sum is of multiples of 2**-16 and
exact in float64 in any order, so that all processors find the same numbers to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

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
    """Mean levels, contrast and likeness of two parts where `kept` is 1."""

    kept: Field
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
    gradients = _gradients(here + there, centre, radius)
    here, there = here[rim:-rim, rim:-rim], there[rim:-rim, rim:-rim]
    light = _light(here, there, np.ones(here.shape))
    for _ in range(_TRIMS):
        motion = _solved(_equations(light, gradients, here, there))
        distance = there - light.after - light.contrast * (here - light.before)
        for amount, gradient in zip(motion, gradients, strict=True):
            distance = distance + amount * gradient
        distance = np.abs(distance)
        # Rounded, so that the sum is exact.
        mean = float(np.rint(distance * ROUNDING).sum()) / ROUNDING / distance.size
        kept = (distance <= _TRIM * mean).astype(np.float64)
        light = _light(here, there, kept)
    whole = _equations(light, gradients, here, there)
    motion = _solved(whole)
    # The difference has the gradient of the earlier picture times the contrast.
    pixels = 4 * (1 + light.contrast) / (2 * light.contrast)
    if centre is None:
        return MotionFit(pixels * motion[0], pixels * motion[1], 0.0, 0.0, light)
    degrees = math.degrees(pixels / radius)
    half = _equations(replace(light, kept=light.kept * _chessboard(here.shape)), gradients, here, there)
    error = (_solved(half)[2] - _solved(whole.without(half))[2]) / 2
    return MotionFit(pixels * motion[0], pixels * motion[1], degrees * motion[2], degrees * error, light)


def _gradients(both: Field, centre: tuple[float, float] | None, radius: float) -> tuple[Field, ...]:
    """Four times the gradient of the mean of both pictures; with a centre, also what a turn by 1 / `radius` takes off.

    Differences of two pixels make fine detail less steep than it is, and a rotation larger. Where it is measured, they
    are of fourth order (Fornberg, Mathematics of Computation 51, 1988), and a rim of two pixels is left out, not one.
    """
    across, along = both[1:-1, 2:] - both[1:-1, :-2], both[2:, 1:-1] - both[:-2, 1:-1]
    if centre is None:
        return across, along
    across = _rounded((8 * across[1:-1, 1:-1] - both[2:-2, 4:] + both[2:-2, :-4]) / 6)
    along = _rounded((8 * along[1:-1, 1:-1] - both[4:, 2:-2] + both[:-4, 2:-2]) / 6)
    rows, columns = across.shape
    x = (np.arange(2, columns + 2) - centre[0]) / radius
    y = (np.arange(2, rows + 2)[:, None] - centre[1]) / radius
    return across, along, _rounded(x * along - y * across)


def _rounded(values: Field) -> Field:
    return np.asarray(np.rint(values * ROUNDING) / ROUNDING)


def _chessboard(shape: tuple[int, ...]) -> Field:
    """1 in every other cell of a chessboard, 0 in the others."""
    rows, columns = (np.arange(side) // _CELL for side in shape)
    return np.asarray((rows[:, None] + columns) % 2, np.float64)


def dot(one: Field, other: Field) -> float:
    """Sum of products. BLAS would wake its threads for each of these small sums, which takes ten times as long."""
    return float(np.einsum("ij,ij->", one, other))


def _light(here: Field, there: Field, kept: Field) -> Light:
    count = max(1.0, float(kept.sum()))
    seen, shown = here * kept, there * kept
    before, after = float(seen.sum()) / count, float(shown.sum()) / count
    spread = dot(seen, here) / count - before**2 + _NOISE
    spread_after = dot(shown, there) / count - after**2 + _NOISE
    common = dot(seen, there) / count - before * after + _NOISE
    contrast, likeness = math.sqrt(spread_after / spread), common / math.sqrt(spread * spread_after)
    return Light(kept, before, after, contrast, likeness)


@dataclass(frozen=True, slots=True)
class _Equations:
    """The normal equations of two or three gradients.

    Attributes:
        products: of each pair of gradients, in the order of `np.triu_indices`.
        sides: products of each gradient with the difference of both parts, with the opposite sign.
    """

    products: tuple[float, ...]
    sides: tuple[float, ...]

    def without(self, part: _Equations) -> _Equations:
        """The equations of the other pixels."""
        return _Equations(
            tuple(a - b for a, b in zip(self.products, part.products, strict=True)),
            tuple(a - b for a, b in zip(self.sides, part.sides, strict=True)),
        )


def _equations(light: Light, gradients: tuple[Field, ...], here: Field, there: Field) -> _Equations:
    level = light.after - light.contrast * light.before
    weighted = [gradient * light.kept for gradient in gradients]

    def difference(by: Field) -> float:
        changed = dot(by, there) - light.contrast * dot(by, here)
        return changed - level * float(by.sum())

    products = [dot(one, other) for at, one in enumerate(weighted) for other in gradients[at:]]
    return _Equations(tuple(products), tuple(-difference(by) for by in weighted))


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
