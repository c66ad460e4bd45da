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
from functools import cache

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from reelwright.media.cell_fit import TERM_UNIT, FieldFit, fit_gain_and_offset
from reelwright.media.light_field import TERMS, terms
from reelwright.media.registration import Registration, SmallLuma, halved, register
from reelwright.media.scene_tracker import comparable

Field = NDArray[np.float64]

# Rows and columns of cells, and the least number of pixels on a cell's side.
_ROWS, _COLUMNS, _LEAST_SIDE = 8, 12, 6
# A cell may move by so many pixels beside the scene, and by so many more than whole ones.
_REACH, _FRACTION = 3, 1.5
_SIDE = 2 * _REACH + 1
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
    # Cells of so many pixels say about as much at half the size, in less than half the time.
    if _smaller(later) >= 2 * _LEAST_SIDE:
        earlier, later = halved(earlier), halved(later)
    if _smaller(later) < _LEAST_SIDE:
        return None
    found = register(earlier, later)
    if not comparable(found):
        return None
    ratios, variances, light = _ratios(*_found_again(earlier, later, found), black)
    counted = variances > 0
    if int(counted.sum()) < _LEAST_CELLS * counted.size:
        return None
    cell_terms = _CELL_TERMS[:, counted]
    return LocalChange(*fit_gain_and_offset(ratios[counted], variances[counted], light[counted], cell_terms))


def _smaller(small: SmallLuma) -> int:
    """Pixels on the shorter side of a cell."""
    rows, columns = small.levels.shape
    return int(min(rows // _ROWS, columns // _COLUMNS))


def _found_again(earlier: SmallLuma, later: SmallLuma, found: Registration) -> tuple[Field, Field, NDArray[np.bool_]]:
    """What the cells of the later picture showed in the earlier one, the cells, and where both are pictures.

    Returns:
        (cells, h, w) levels of both, and (cells, h - 2, w - 2), without the cells' rims.
    """
    rows, columns = later.levels.shape
    high, wide = rows // _ROWS, columns // _COLUMNS
    # Of each cell the first row and column.
    top = (rows - high * _ROWS) // 2 + high * np.repeat(np.arange(_ROWS), _COLUMNS)
    left = (columns - wide * _COLUMNS) // 2 + wide * np.tile(np.arange(_COLUMNS), _ROWS)
    right, down = round(found.right / later.step), round(found.down / later.step)
    moves = _places()[_best_places(earlier, later, right, down)]
    there = _cells(later.levels, top, left, (high, wide))
    top, left = top - moves[:, 1] - down, left - moves[:, 0] - right
    margin = _margin(right, down)
    levels = cv2.copyMakeBorder(earlier.levels, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    here = _cells(np.asarray(levels), top + margin, left + margin, (high, wide))
    y, x = top[:, None] + np.arange(1, high - 1), left[:, None] + np.arange(1, wide - 1)
    inside = ((y >= 0) & (y < rows))[:, :, None] & ((x >= 0) & (x < columns))[:, None, :]
    return here, there, inside


def _best_places(earlier: SmallLuma, later: SmallLuma, right: int, down: int) -> NDArray[np.intp]:
    """Of each cell the number of the place, beside where the scene was, that is the most like it."""
    rows, columns = later.levels.shape
    high, wide = rows // _ROWS, columns // _COLUMNS
    top, left = (rows - high * _ROWS) // 2, (columns - wide * _COLUMNS) // 2
    margin = _margin(right, down)
    textures = cv2.copyMakeBorder(earlier.textures[0], margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=(0,))
    texture = later.textures[0][top : top + high * _ROWS, left : left + wide * _COLUMNS]
    # Sums over the rows of a cell are exact in either type.
    kind = np.uint16 if high * 255 < 1 << 16 else np.float32
    sums = np.empty((_SIDE * _SIDE, _ROWS, wide * _COLUMNS), kind)
    for (x, y), total in zip(_places(), sums, strict=True):
        row, column = margin + top - down - y, margin + left - right - x
        part = textures[row : row + texture.shape[0], column : column + texture.shape[1]]
        distance = cv2.absdiff(part, texture).reshape(_ROWS, high, -1)
        np.add.reduce(distance, axis=1, out=total, dtype=kind)
    # Sums of whole numbers below 2**24 are exact in float32.
    costs = cv2.reduce(sums.reshape(-1, wide), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32F).reshape(len(sums), -1)
    costs = costs * np.float32(1 / (high * wide)) + _FURTHER
    return np.asarray(costs.argmin(axis=0))


def _margin(right: int, down: int) -> int:
    """By so many pixels a cell is sought beside the picture at most."""
    return _REACH + max(abs(right), abs(down))


def _cells(levels: Field, top: NDArray[np.intp], left: NDArray[np.intp], size: tuple[int, int]) -> Field:
    """Parts of a picture of the same size that begin at some rows and columns: (n, h, w)."""
    return np.asarray(sliding_window_view(levels, size)[top, left])


def _ratios(here: Field, there: Field, compared: NDArray[np.bool_], black: int) -> tuple[Field, Field, Field]:
    """Logarithms of each cell's ratio of light, their variances, 0 for cells that do not count, and the mean light."""
    _, high, wide = here.shape
    fields = _fields(here, there, compared)
    everywhere = kept = _all_products(fields)
    distance, beside = np.empty((2, *fields.shape[1:]))
    left_out = np.empty(0, np.intp)
    for last in (False, False, True):
        count = np.maximum(kept[:, 0, 0], 1)
        products = kept / count[:, None, None]
        mean = products[:, 0, 1:].T
        contrast, x, y = _cell_motion(products[:, 1:, 1:], mean)
        common = mean[3] - contrast * mean[0] - x * mean[1] - y * mean[2]
        _find_distances(fields, (contrast, x, y, common), distance, beside)
        if not last:
            middle = distance.sum(axis=1) / np.maximum(everywhere[:, 0, 0], 1)
            left_out = np.flatnonzero(distance > (_TRIM * middle + _TRIM_LEVELS)[:, None])
            kept = _without(everywhere, fields, left_out)
    before, after = mean[0] - black, mean[3] - x * mean[1] - y * mean[2] - black
    counts = (before > _LEAST_LEVEL) & (after > _LEAST_LEVEL) & (x * x + y * y < _FRACTION**2)
    counts &= count > _LEAST_PART * high * wide
    safe_before, safe_after = np.maximum(before, 1), np.maximum(after, 1)
    logarithms = np.array([math.log(ratio) for ratio in (safe_after / safe_before).tolist()])
    distance.ravel()[left_out] = 0
    squares = np.einsum("ij,ij->i", distance, distance) / count / (safe_before * safe_before)
    return logarithms, counts * (squares / _INDEPENDENT + _EXACT**2), (safe_before + safe_after) / 2


def _fields(here: Field, there: Field, compared: NDArray[np.bool_]) -> Field:
    """Ones, the earlier picture, gradients across and along, and the later picture: (5, cells, pixels).

    Without the cell's rim, whose gradient reaches into another cell; 0 where only one of both is a picture.
    """
    cells, high, wide = here.shape
    both = here + there
    fields = np.empty((5, cells, high - 2, wide - 2))
    fields[0] = 1
    fields[1], fields[4] = here[:, 1:-1, 1:-1], there[:, 1:-1, 1:-1]
    np.subtract(both[:, 1:-1, 2:], both[:, 1:-1, :-2], out=fields[2])
    np.subtract(both[:, 2:, 1:-1], both[:, :-2, 1:-1], out=fields[3])
    fields[2:4] *= 1 / 4
    if not compared.all():
        fields *= compared
    return fields.reshape(5, cells, -1)


def _all_products(fields: Field) -> Field:
    """Sums of the products of each two fields over each cell: (cells, 5, 5)."""
    by_cell = fields.swapaxes(0, 1)
    # By fewer than all rows, or NumPy has each product of a matrix with itself made by a routine that is slower here.
    return np.concatenate([by_cell[:, :4] @ by_cell.swapaxes(1, 2), by_cell[:, 4:] @ by_cell.swapaxes(1, 2)], axis=1)


def _without(products: Field, fields: Field, pixels: NDArray[np.intp]) -> Field:
    """Sums of products without some pixels, whose numbers rise. What is below the diagonal is left as it is."""
    if not len(pixels):
        return products
    some = fields.reshape(len(fields), -1).take(pixels, axis=1)
    cells = pixels // fields.shape[2]
    begin = np.flatnonzero(np.diff(cells, prepend=-1))
    rows, columns = np.triu_indices(len(fields))
    found = products.copy()
    found[cells[begin, None], rows, columns] -= np.add.reduceat(some[rows] * some[columns], begin, axis=1).T
    return found


def _find_distances(fields: Field, change: tuple[Field, ...], distance: Field, beside: Field) -> None:
    """Writes how far each pixel is from its cell's change to `distance`, or 0; `beside` is written over too."""
    contrast, x, y, common = (each[:, None] for each in change)
    predicted = contrast * fields[1]
    for slope, gradient in ((x, fields[2]), (y, fields[3])):
        predicted += np.multiply(slope, gradient, out=beside)
    np.subtract(fields[4], common, out=distance)
    distance -= predicted
    # Rounded, so that sums are exact.
    distance *= _ROUNDING
    np.rint(np.abs(distance, out=distance), out=distance)
    distance *= 1 / _ROUNDING
    distance *= fields[0]


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


@cache
def _places() -> NDArray[np.intp]:
    """Where a cell is sought, in columns to the right and rows downwards: (n, 2)."""
    return np.array([(x, y) for y in range(-_REACH, _REACH + 1) for x in range(-_REACH, _REACH + 1)])


def _cell_terms() -> NDArray[np.int64]:
    """(6, cells) the constant and the terms in each cell, in units of `cell_fit.TERM_UNIT`."""
    fields = [np.ones((_ROWS, _COLUMNS)), *terms((_ROWS, _COLUMNS))]
    return np.asarray(np.rint(np.array(fields).reshape(TERMS + 1, -1) * TERM_UNIT), np.int64)


_CELL_TERMS = _cell_terms()
# What is added to the costs of places: the nearer of two that are as like counts.
_FURTHER = np.array([[_NEAREST * math.hypot(*place)] for place in _places()], np.float32)
