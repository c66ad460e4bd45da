"""Registers a picture with an earlier one: how far the scene moved between them, and how its light changed.

A search for whole pixels on a pyramid, then least squares about the midpoint of both pictures (Lucas and Kanade, IJCAI
1981), without the pixels that show something else. Every sum is of multiples of 2**-16 and exact in float64 in any
order, so that all processors find the same numbers to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.picture import Picture, eight_bits

Field = NDArray[np.float64]
Codes = NDArray[np.uint8]

# Pictures are reduced by a whole number to about this many columns, but at least to half their size.
_COLUMNS = 240
_LEAST_SIDE = 32
# The coarsest level is searched this far in each direction, which is an eighth of the picture's width.
_LEVELS, _REACH = 3, 4
_KERNEL = np.array([1, 4, 6, 4, 1], np.float32) / 16
# Pixels further from the common change than this multiple of the mean distance show something else.
_TRIM = 2.5
_TRIMS, _PASSES = 2, 4
# Variance, in squared levels, that grain and rounding leave in a picture without detail.
_NOISE = 1.0
_ROUNDING = 256


@dataclass(frozen=True, slots=True)
class SmallLuma:
    """What is registered of a picture.

    Attributes:
        levels: (h, w) luma in 8-bit levels, reduced and slightly blurred; multiples of 2**-8.
        textures: luma without its local mean, around 128, at full, half, quarter and eighth of that size.
        step: samples of the picture per pixel of `levels`.
    """

    levels: Field
    textures: tuple[Codes, ...]
    step: int


@dataclass(frozen=True, slots=True)
class Registration:
    """How a picture differs from an earlier one.

    Attributes:
        right: by how many samples of the picture the scene moved to the right.
        down: the same downwards.
        before: mean level of the common part in the earlier picture, in 8-bit levels.
        after: the same in the later picture.
        contrast: how many times the contrast of the earlier picture the later one has in the common part.
        common: share of the earlier picture that was compared, 0 to 1.
        likeness: correlation of both there, -1 to 1; 1 when neither has any detail.
    """

    right: float
    down: float
    before: float
    after: float
    contrast: float
    common: float
    likeness: float


def small_luma(picture: Picture) -> SmallLuma:
    """Reduces and blurs a picture's luma."""
    luma = picture.planes[0]
    rows, columns = luma.shape
    step = 1 if min(rows, columns) < 2 * _LEAST_SIDE else max(2, columns // _COLUMNS)
    step = max(1, min(step, rows // _LEAST_SIDE))
    whole = eight_bits(luma[: rows // step * step, : columns // step * step], picture.format.depth)
    size = (columns // step, rows // step)
    small = np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.uint8)
    levels = cv2.sepFilter2D(small.astype(np.float32), cv2.CV_32F, _KERNEL, _KERNEL)
    texture = cv2.addWeighted(cv2.GaussianBlur(small, (0, 0), 1.0), 1, cv2.blur(small, (15, 15)), -1, 128)
    textures = [np.asarray(texture, np.uint8)]
    while len(textures) <= _LEVELS and min(textures[-1].shape) >= _LEAST_SIDE:
        height, width = textures[-1].shape
        # OpenCV halves even sides in integers, the same on every processor.
        even = textures[-1][: height // 2 * 2, : width // 2 * 2]
        half = cv2.resize(even, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        textures.append(np.asarray(half, np.uint8))
    return SmallLuma(levels.astype(np.float64), tuple(textures), step)


def relit(small: SmallLuma, factors: NDArray[np.float32], *, black: int) -> SmallLuma:
    """Reduced luma whose light is multiplied by a smooth field; the search for the shift does not need it exact.

    Args:
        small: the reduced luma.
        factors: (h, w).
        black: level of black, in 8-bit levels, which stays.
    """
    levels = np.clip((small.levels - black) * factors + black, 0, 255)
    return replace(small, levels=np.rint(levels * _ROUNDING) / _ROUNDING)


def register(earlier: SmallLuma, later: SmallLuma) -> Registration:
    """Registers two pictures of the same size."""
    right, down = _search(earlier, later)
    found = _refine(earlier, later, right, down)
    for _ in range(_PASSES):
        turned = round(found.right), round(found.down)
        if turned == (right, down) or not _overlaps(later.levels, *turned):
            break
        right, down = turned
        found = _refine(earlier, later, right, down)
    step = later.step
    return replace(found, right=found.right * step, down=found.down * step)


def _search(earlier: SmallLuma, later: SmallLuma) -> tuple[int, int]:
    """The shift in whole pixels with the least difference of the textures."""
    right = down = 0
    reach = _REACH
    for one, other in zip(reversed(earlier.textures), reversed(later.textures), strict=True):
        right, down = 2 * right, 2 * down
        places = [(right + x, down + y) for y in range(-reach, reach + 1) for x in range(-reach, reach + 1)]
        # Of equal differences the smallest shift counts: a picture without detail does not move.
        costs = [(_difference(one, other, *place), abs(place[0]) + abs(place[1]), place) for place in places]
        right, down = min(costs)[2]
        reach = 1
    return right, down


def _difference(earlier: Codes, later: Codes, right: int, down: int) -> float:
    if not _overlaps(later, right, down):
        return float("inf")
    one, other = _common(earlier, later, right, down)
    return float(cv2.norm(one, other, cv2.NORM_L1)) / one.size


def _overlaps(later: NDArray[np.generic], right: int, down: int) -> bool:
    """Whether a shift leaves at least half of the rows and of the columns."""
    rows, columns = later.shape
    return bool(abs(right) <= columns // 2 and abs(down) <= rows // 2)


def _common(earlier: NDArray[Any], later: NDArray[Any], right: int, down: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The parts of both pictures that show the same after a shift of the scene."""
    rows, columns = later.shape
    there = later[max(0, down) : rows + min(0, down), max(0, right) : columns + min(0, right)]
    here = earlier[max(0, -down) : rows + min(0, -down), max(0, -right) : columns + min(0, -right)]
    return here, there


def _refine(earlier: SmallLuma, later: SmallLuma, right: int, down: int) -> Registration:
    """The shift in fractions of a pixel near a shift in whole ones, and the change of light; in pixels of `levels`."""
    here, there = _common(earlier.levels, later.levels, right, down)
    both = here + there
    # Four times the gradient of the mean of both pictures.
    across, along = both[1:-1, 2:] - both[1:-1, :-2], both[2:, 1:-1] - both[:-2, 1:-1]
    here, there = here[1:-1, 1:-1], there[1:-1, 1:-1]
    light = _light(here, there, np.ones(here.shape))
    for _ in range(_TRIMS):
        x, y = _shift(light, (across, along), here, there)
        distance = np.abs(there - light.after - light.contrast * (here - light.before) + x * across + y * along)
        # Rounded, so that the sum is exact.
        mean = float(np.rint(distance * _ROUNDING).sum()) / _ROUNDING / distance.size
        kept = (distance <= _TRIM * mean).astype(np.float64)
        light = _light(here, there, kept)
    x, y = _shift(light, (across, along), here, there)
    # The difference has the gradient of the earlier picture times the contrast.
    pixels = 4 * (1 + light.contrast) / (2 * light.contrast)
    common = float(light.kept.sum()) / earlier.levels.size
    return Registration(
        right + pixels * x, down + pixels * y, light.before, light.after, light.contrast, common, light.likeness
    )


@dataclass(frozen=True, slots=True)
class _Light:
    """Mean levels, contrast and likeness of two parts where `kept` is 1."""

    kept: Field
    before: float
    after: float
    contrast: float
    likeness: float


def _dot(one: Field, other: Field) -> float:
    """Sum of products. BLAS would wake its threads for each of these small sums, which takes ten times as long."""
    return float(np.einsum("ij,ij->", one, other))


def _light(here: Field, there: Field, kept: Field) -> _Light:
    count = max(1.0, float(kept.sum()))
    seen, shown = here * kept, there * kept
    before, after = float(seen.sum()) / count, float(shown.sum()) / count
    spread = _dot(seen, here) / count - before**2 + _NOISE
    spread_after = _dot(shown, there) / count - after**2 + _NOISE
    common = _dot(seen, there) / count - before * after + _NOISE
    contrast, likeness = math.sqrt(spread_after / spread), common / math.sqrt(spread * spread_after)
    return _Light(kept, before, after, contrast, likeness)


def _shift(light: _Light, gradient: tuple[Field, Field], here: Field, there: Field) -> tuple[float, float]:
    """Least squares of the difference of both parts by the gradient, in quarters of a pixel."""
    level = light.after - light.contrast * light.before
    across, along = gradient
    by_across, by_along = across * light.kept, along * light.kept

    def difference(by: Field) -> float:
        changed = _dot(by, there) - light.contrast * _dot(by, here)
        return changed - level * float(by.sum())

    xx, yy = _dot(by_across, across) + 1, _dot(by_along, along) + 1
    xy = _dot(by_across, along)
    bx, by = -difference(by_across), -difference(by_along)
    determinant = xx * yy - xy * xy
    return (bx * yy - by * xy) / determinant, (by * xx - bx * xy) / determinant
