"""Registers a picture with an earlier one: how far the scene moved between them, and how its light changed.

A search for whole pixels on a pyramid, then least squares (`motion_fit`). All processors find the same numbers to the
last bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from reelwright.media.motion_fit import ROUNDING, Field, fit_motion
from reelwright.media.picture import Picture, eight_bits
from reelwright.media.rotation_fit import Turn, fit_rotation

Codes = NDArray[np.uint8]

# Pictures are reduced by a whole number to about this many columns, but at least to half their size.
_COLUMNS = 240
_LEAST_SIDE = 32
# The coarsest level is searched this far in each direction, which is an eighth of the picture's width.
_LEVELS, _REACH = 3, 4
_KERNEL = np.array([1, 4, 6, 4, 1], np.float32) / 16
_PASSES = 4
# The shift is known to about a pixel before the rotation is fitted.
_TURN_PASSES = 2
_PLACES = [(x, y) for y in range(-_REACH, _REACH + 1) for x in range(-_REACH, _REACH + 1)]


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


def halved(small: SmallLuma) -> SmallLuma:
    """The same at half the size."""
    rows, columns = (side // 2 for side in small.levels.shape)
    means = cv2.resize(small.levels[: 2 * rows, : 2 * columns], (columns, rows), interpolation=cv2.INTER_AREA)
    levels = np.rint(np.asarray(means, np.float64) * ROUNDING) / ROUNDING
    return SmallLuma(levels, small.textures[1:], 2 * small.step)


def relit(small: SmallLuma, factors: NDArray[np.float32], added: NDArray[np.float32], *, black: int) -> SmallLuma:
    """Reduced luma whose light is changed by smooth fields; the search for the shift does not need it exact.

    Args:
        small: the reduced luma.
        factors: (h, w) of the light above black.
        added: (h, w) levels that are added afterwards.
        black: level of black, in 8-bit levels.
    """
    levels: Field = (small.levels - black) * factors
    levels += black
    levels += added
    np.clip(levels, 0, 255, out=levels)
    levels *= ROUNDING
    np.rint(levels, out=levels)
    levels /= ROUNDING
    return replace(small, levels=levels)


def register(earlier: SmallLuma, later: SmallLuma) -> Registration:
    """Registers two pictures of the same size, the one before and the one after it."""
    place = _search(earlier, later)
    # Two places may each lead to the other, where the scene lies halfway between them.
    fits = {place: _refine(earlier, later, *place)}
    for _ in range(_PASSES):
        closer = round(fits[place].right), round(fits[place].down)
        if closer == place or _overlap(*later.levels.shape, *closer) is None:
            break
        place = closer
        if place not in fits:
            fits[place] = _refine(earlier, later, *place)
    found = fits[place]
    step = later.step
    return replace(found, right=found.right * step, down=found.down * step)


def register_turn(earlier: SmallLuma, later: SmallLuma, near: tuple[float, float], contrast: float) -> Turn | None:
    """Finds how a picture turned about its centre against an earlier one of the same size, by a degree or so.

    Args:
        earlier: the one before.
        later: the one after it.
        near: how far the scene moved right and down, within a few samples.
        contrast: how many times the contrast of the earlier picture the later one has.

    Returns:
        The turn; its lengths are in samples, and its shift is that of the picture's centre. None where the pictures
        have too little in common, or are too small.
    """
    step, (rows, columns) = later.step, later.levels.shape
    right, down = round(near[0] / step), round(near[1] / step)
    found = None
    for _ in range(_TURN_PASSES):
        if (parts := _overlap(rows, columns, right, down)) is None:
            break
        here, there = earlier.levels[parts.here], later.levels[parts.there]
        centre = (columns - 1) / 2 - max(0, right), (rows - 1) / 2 - max(0, down)
        if (beside := fit_rotation(here, there, contrast, centre)) is None:
            break
        found = replace(
            beside,
            right=(right + beside.right) * step,
            down=(down + beside.down) * step,
            lever_right=beside.lever_right * step,
            lever_down=beside.lever_down * step,
        )
        closer = right + round(beside.right), down + round(beside.down)
        if closer == (right, down):
            break
        right, down = closer
    return found


def _search(earlier: SmallLuma, later: SmallLuma) -> tuple[int, int]:
    """The shift in whole pixels with the least difference of the textures."""
    (one, other), *finer = zip(reversed(earlier.textures), reversed(later.textures), strict=True)
    right, down = _search_all(one, other)
    for one, other in finer:
        right, down = 2 * right, 2 * down
        places = [(right + x, down + y) for y in range(-1, 2) for x in range(-1, 2)]
        # Of equal differences the smallest shift counts: a picture without detail does not move.
        costs = [(_difference(one, other, *place), abs(place[0]) + abs(place[1]), place) for place in places]
        right, down = min(costs)[2]
    return right, down


def _search_all(earlier: Codes, later: Codes) -> tuple[int, int]:
    """The same within `_REACH` of no shift in the smallest textures, all shifts at once."""
    rows, columns = later.shape
    inside, counts, order = _all_overlaps(rows, columns)
    around = np.pad(earlier.astype(np.float32), _REACH)
    moved = sliding_window_view(around, (rows, columns))[::-1, ::-1]
    distances = np.abs(moved - later.astype(np.float32)).reshape(len(counts), -1)
    # Sums of whole numbers below 2**24 are exact in float32.
    costs = np.where(counts > 0, np.einsum("ij,ij->i", distances, inside) / np.maximum(counts, 1), np.inf)
    return _PLACES[int(order[int(costs[order].argmin())])]


@lru_cache(maxsize=16)
def _all_overlaps(rows: int, columns: int) -> tuple[NDArray[np.float32], Field, NDArray[np.intp]]:
    """Of each shift in `_PLACES` where both pictures are, how many pixels that is, and the shifts from the smallest on.

    The number is 0 where a shift leaves too little.
    """
    inside = np.zeros((len(_PLACES), rows, columns), np.float32)
    counts = np.zeros(len(_PLACES))
    for number, place in enumerate(_PLACES):
        if (parts := _overlap(rows, columns, *place)) is not None:
            inside[number][parts.there] = 1
            counts[number] = parts.size
    order = sorted(range(len(_PLACES)), key=lambda number: (sum(map(abs, _PLACES[number])), _PLACES[number]))
    return inside.reshape(len(_PLACES), -1), counts, np.array(order)


def _difference(earlier: Codes, later: Codes, right: int, down: int) -> float:
    parts = _overlap(*later.shape, right, down)
    if parts is None:
        return float("inf")
    return float(cv2.norm(earlier[parts.here], later[parts.there], cv2.NORM_L1)) / parts.size


class _Overlap(NamedTuple):
    """The parts of both pictures that show the same after a shift of the scene, and how many pixels they have."""

    here: tuple[slice, slice]
    there: tuple[slice, slice]
    size: int


@lru_cache(maxsize=4096)
def _overlap(rows: int, columns: int, right: int, down: int) -> _Overlap | None:
    """The parts of pictures of a size; None if a shift leaves less than half of the rows or of the columns."""
    if abs(right) > columns // 2 or abs(down) > rows // 2:
        return None
    there = slice(max(0, down), rows + min(0, down)), slice(max(0, right), columns + min(0, right))
    here = slice(max(0, -down), rows + min(0, -down)), slice(max(0, -right), columns + min(0, -right))
    return _Overlap(here, there, (rows - abs(down)) * (columns - abs(right)))


def _refine(earlier: SmallLuma, later: SmallLuma, right: int, down: int) -> Registration:
    """The motion in fractions of a pixel near a shift in whole ones, and the change of light; in pixels of `levels`."""
    parts = _overlap(*later.levels.shape, right, down)
    assert parts is not None, (right, down)
    found = fit_motion(earlier.levels[parts.here], later.levels[parts.there])
    light = found.light
    return Registration(
        right=right + found.right,
        down=down + found.down,
        before=light.before,
        after=light.after,
        contrast=light.contrast,
        common=light.count / earlier.levels.size,
        likeness=light.likeness,
    )
