"""Registers a picture with an earlier one: how far the scene moved between them, and how its light changed.

A search for whole pixels on a pyramid, then least squares (`motion_fit`). All processors find the same numbers to the
last bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.motion_fit import ROUNDING, Field, fit_motion
from reelwright.media.picture import Picture, eight_bits

Codes = NDArray[np.uint8]

# Pictures are reduced by a whole number to about this many columns, but at least to half their size.
_COLUMNS = 240
_LEAST_SIDE = 32
# The coarsest level is searched this far in each direction, which is an eighth of the picture's width.
_LEVELS, _REACH = 3, 4
_KERNEL = np.array([1, 4, 6, 4, 1], np.float32) / 16
_PASSES = 4


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
        rotation: by how many degrees the scene turned clockwise about the later picture's centre; 0 if not asked for.
        rotation_error: half of by how much more one half of the picture turned than the other: as unsure as `rotation`,
            without what the scene turned. A half is every other cell of a chessboard.
    """

    right: float
    down: float
    before: float
    after: float
    contrast: float
    common: float
    likeness: float
    rotation: float = 0.0
    rotation_error: float = 0.0


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


def relit(small: SmallLuma, factors: NDArray[np.float32], added: NDArray[np.float32], *, black: int) -> SmallLuma:
    """Reduced luma whose light is changed by smooth fields; the search for the shift does not need it exact.

    Args:
        small: the reduced luma.
        factors: (h, w) of the light above black.
        added: (h, w) levels that are added afterwards.
        black: level of black, in 8-bit levels.
    """
    levels = np.clip((small.levels - black) * factors + black + added, 0, 255)
    return replace(small, levels=np.rint(levels * ROUNDING) / ROUNDING)


def register(earlier: SmallLuma, later: SmallLuma, *, rotation: bool = False) -> Registration:
    """Registers two pictures of the same size.

    Args:
        earlier: the one before.
        later: the one after it.
        rotation: whether the scene may have turned, by a degree or so. The shift is then that of the later picture's
            centre, otherwise of the whole.
    """
    place = _search(earlier, later)
    # Two places may each lead to the other, where the scene lies halfway between them.
    fits = {place: _refine(earlier, later, *place, rotation=rotation)}
    for _ in range(_PASSES):
        closer = round(fits[place].right), round(fits[place].down)
        if closer == place or not _overlaps(later.levels, *closer):
            break
        place = closer
        if place not in fits:
            fits[place] = _refine(earlier, later, *place, rotation=rotation)
    found = fits[place]
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


def _refine(earlier: SmallLuma, later: SmallLuma, right: int, down: int, *, rotation: bool) -> Registration:
    """The motion in fractions of a pixel near a shift in whole ones, and the change of light; in pixels of `levels`."""
    here, there = _common(earlier.levels, later.levels, right, down)
    rows, columns = later.levels.shape
    centre = ((columns - 1) / 2 - max(0, right), (rows - 1) / 2 - max(0, down)) if rotation else None
    found = fit_motion(here, there, centre)
    light = found.light
    return Registration(
        right=right + found.right,
        down=down + found.down,
        before=light.before,
        after=light.after,
        contrast=light.contrast,
        common=light.count / earlier.levels.size,
        likeness=light.likeness,
        rotation=found.rotation,
        rotation_error=found.rotation_error,
    )
