"""Measures how the light of parts of a picture changed since the picture before, as a smooth field of few terms.

Each cell of a grid is found again by itself near where the whole scene moved, and its light is compared by least
squares with the motion that is left (Lucas and Kanade, IJCAI 1981). Smooth fields are fitted to the cells robustly
(`cell_fit`), so cells that show something else do not count.

Sums are of whole numbers or of multiples of 2**-16 and exact in any order, so that all processors find the same
numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.cell_fit import TERM_UNIT, FieldFit, fit_gain_and_offset
from reelwright.media.light_field import TERMS, terms
from reelwright.media.registration import Registration, SmallLuma, register
from reelwright.media.scene_tracker import comparable

Field = NDArray[np.float64]

# Rows and columns of cells, and the least number of pixels on a cell's side.
_ROWS, _COLUMNS, _LEAST_SIDE = 8, 12, 6
# A cell may move by so many pixels beside the scene, and by so many more than whole ones.
_REACH, _FRACTION = 3, 1.5
# Of places that are as like, the nearest counts: mean difference in levels for each pixel.
_NEAREST = 0.04
# Variances, in squared levels, of what is expected of contrast and gradient in a cell without detail.
_FLAT, _FLAT_GRADIENT = 1.0, 0.05
# Pixels further from the common change than this multiple of the mean distance, and some levels more, show something
# else.
_TRIM, _TRIM_LEVELS = 2.5, 0.25
# A cell counts if so much of it was compared, and it is so many levels above black; so many cells must count.
_LEAST_PART, _LEAST_LEVEL, _LEAST_CELLS = 0.35, 12.0, 0.3
# Cells are no more exact than this share of their light, and a cell has so many independent distances.
_EXACT, _INDEPENDENT = 0.004, 8
_ROUNDING = 256


@dataclass(frozen=True, slots=True)
class LocalChange:
    """How the light of parts of a picture changed beside the common change.

    Attributes:
        gain: if it was multiplied.
        offset: if it was added to.
    """

    gain: FieldFit
    offset: FieldFit


def local_change(earlier: SmallLuma, later: SmallLuma, *, black: int) -> LocalChange | None:
    """Measures the change between two pictures.

    Args:
        earlier: the picture before.
        later: the picture.
        black: level of black, in 8-bit levels.

    Returns:
        The change; None when the pictures or most of their cells cannot be compared.
    """
    rows, columns = later.levels.shape
    if min(rows // _ROWS, columns // _COLUMNS) < _LEAST_SIDE:
        return None
    found = register(earlier, later)
    if not comparable(found):
        return None
    here, there, compared = _found_again(earlier, later, found)
    ratios, variances, light = _ratios(here, there, compared, black)
    counted = variances > 0
    if int(counted.sum()) < _LEAST_CELLS * counted.size:
        return None
    cell_terms = _CELL_TERMS[:, counted]
    return LocalChange(*fit_gain_and_offset(ratios[counted], variances[counted], light[counted], cell_terms))


def _found_again(earlier: SmallLuma, later: SmallLuma, found: Registration) -> tuple[Field, Field, Field]:
    """Cells of the later picture, what they showed in the earlier one, and 1 where both are pictures."""
    rows, columns = later.levels.shape
    high, wide = rows // _ROWS, columns // _COLUMNS
    top, left = (rows - high * _ROWS) // 2, (columns - wide * _COLUMNS) // 2
    right, down = round(found.right / later.step), round(found.down / later.step)
    margin = _REACH + max(abs(right), abs(down))
    textures = cv2.copyMakeBorder(earlier.textures[0], margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=(0,))
    levels = np.pad(earlier.levels, margin, mode="edge")
    inside = np.pad(np.ones((rows, columns)), margin)

    def part(field: NDArray[Any], corner: tuple[int, int], size: tuple[int, int]) -> NDArray[Any]:
        """The part of a field of the earlier picture that lies, in whole pixels, where the scene was."""
        y, x = margin + top + corner[0] - down, margin + left + corner[1] - right
        return field[y : y + size[0], x : x + size[1]]

    size = high * _ROWS, wide * _COLUMNS
    texture = later.textures[0][top : top + size[0], left : left + size[1]]
    places = [(x, y) for y in range(-_REACH, _REACH + 1) for x in range(-_REACH, _REACH + 1)]
    costs = np.empty((len(places), _ROWS, _COLUMNS), np.float32)
    for number, (x, y) in enumerate(places):
        distance = cv2.absdiff(part(textures, (-y, -x), size), texture).astype(np.float32)
        # Sums of whole numbers below 2**24 are exact in float32.
        means = cv2.resize(distance, (_COLUMNS, _ROWS), interpolation=cv2.INTER_AREA)
        costs[number] = means + np.float32(_NEAREST * math.hypot(x, y))
    best = costs.argmin(axis=0)
    here, compared = np.empty(size), np.zeros(size)
    for row in range(_ROWS):
        for column in range(_COLUMNS):
            move, y, x = places[int(best[row, column])], row * high, column * wide
            here[y : y + high, x : x + wide] = part(levels, (y - move[1], x - move[0]), (high, wide))
            # Without the cell's rim, whose gradient reaches into another cell.
            inner = part(inside, (y + 1 - move[1], x + 1 - move[0]), (high - 2, wide - 2))
            compared[y + 1 : y + high - 1, x + 1 : x + wide - 1] = inner
    return here, later.levels[top : top + size[0], left : left + size[1]], compared


def _ratios(here: Field, there: Field, compared: Field, black: int) -> tuple[Field, Field, Field]:
    """Logarithms of each cell's ratio of light, their variances, 0 for cells that do not count, and the mean light."""
    both = here + there
    across, along = np.zeros(here.shape), np.zeros(here.shape)
    across[:, 1:-1], along[1:-1] = (both[:, 2:] - both[:, :-2]) / 4, (both[2:] - both[:-2]) / 4
    fields = np.stack([_by_cell(each) for each in (here, across, along, there)], axis=1)
    everywhere = kept = _by_cell(compared)
    for last in (False, False, True):
        count = np.maximum(kept.sum(axis=1), 1)
        weighted = fields * kept[:, None]
        mean = weighted.sum(axis=2).T / count
        contrast, x, y = _cell_motion(weighted @ fields.swapaxes(1, 2) / count[:, None, None], mean)
        common = mean[3] - contrast * mean[0] - x * mean[1] - y * mean[2]
        predicted = sum(slope[:, None] * fields[:, number] for number, slope in enumerate((contrast, x, y)))
        # Rounded, so that sums are exact.
        distance = np.rint(np.abs(fields[:, 3] - common[:, None] - predicted) * _ROUNDING) / _ROUNDING
        if not last:
            middle = (everywhere * distance).sum(axis=1) / np.maximum(everywhere.sum(axis=1), 1)
            kept = everywhere * (distance <= (_TRIM * middle + _TRIM_LEVELS)[:, None])
    before, after = mean[0] - black, mean[3] - x * mean[1] - y * mean[2] - black
    counts = (before > _LEAST_LEVEL) & (after > _LEAST_LEVEL) & (x * x + y * y < _FRACTION**2)
    counts &= count > _LEAST_PART * compared.size / (_ROWS * _COLUMNS)
    safe_before, safe_after = np.maximum(before, 1), np.maximum(after, 1)
    logarithms = np.array([math.log(ratio) for ratio in safe_after / safe_before])
    squares = (kept * distance * distance).sum(axis=1) / count / (safe_before * safe_before)
    return logarithms, counts * (squares / _INDEPENDENT + _EXACT**2), (safe_before + safe_after) / 2


def _by_cell(field: Field) -> Field:
    """(cells, pixels), row by row."""
    rows, columns = field.shape
    cells = field.reshape(_ROWS, rows // _ROWS, _COLUMNS, columns // _COLUMNS).swapaxes(1, 2)
    return np.ascontiguousarray(cells.reshape(_ROWS * _COLUMNS, -1))


def _cell_motion(products: Field, mean: Field) -> tuple[Field, Field, Field]:
    """Contrast and motion of each cell: least squares of the later picture by the earlier one and the gradients.

    Args:
        products: (cells, 4, 4) mean products of earlier picture, gradients across and along, and later picture.
        mean: (4, cells) their means.
    """

    def common(one: int, other: int) -> Field:
        return np.asarray(products[:, one, other] - mean[one] * mean[other])

    aa, bb, cc = common(0, 0) + _FLAT, common(1, 1) + _FLAT_GRADIENT, common(2, 2) + _FLAT_GRADIENT
    ab, ac, bc = common(0, 1), common(0, 2), common(1, 2)
    at, bt, ct = common(0, 3) + _FLAT, common(1, 3), common(2, 3)
    # Cramer's rule.
    first, second, third = bb * cc - bc * bc, ac * bc - ab * cc, ab * bc - ac * bb
    whole = aa * first + ab * second + ac * third
    contrast = (at * first + bt * second + ct * third) / whole
    x = (at * second + bt * (aa * cc - ac * ac) + ct * (ab * ac - aa * bc)) / whole
    y = (at * third + bt * (ab * ac - aa * bc) + ct * (aa * bb - ab * ab)) / whole
    return contrast, x, y


def _cell_terms() -> NDArray[np.int64]:
    """(6, cells) the constant and the terms in each cell, in units of `cell_fit.TERM_UNIT`."""
    fields = [np.ones((_ROWS, _COLUMNS)), *terms((_ROWS, _COLUMNS))]
    return np.asarray(np.rint(np.array(fields).reshape(TERMS + 1, -1) * TERM_UNIT), np.int64)


_CELL_TERMS = _cell_terms()
