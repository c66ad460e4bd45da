"""Fits by how many degrees a picture turned against the one before, and how far that can be trusted.

Shift and rotation are fitted by least squares to cells of the picture together (Lucas and Kanade, IJCAI 1981). A cell
whose scene moved by itself disagrees with the whole and counts less, by the weight of Geman and McClure (1987). Light
may change in each cell by itself.

Sums are of whole numbers with weights in sixteenths and so exact in float64 in any order: all processors find the same
numbers to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from reelwright.media.motion_fit import ROUNDING, Field

# Pixels on a side of a cell, and cells that a picture has down and across at least.
_CELL = 16
_LEAST_CELLS = (3, 4)
_PASSES = 6
# A cell has half of the weight's root where its misfit is so many times the usual one. Of both coordinates of a shift
# the median of the misfit is 1.386 variances (chi-squared with two degrees of freedom).
_MISFIT, _MEDIAN = 4.0, 1.386
_WEIGHTS = 16
# Cells on a side of the fields of the two chessboards.
_BOARDS = (2, 3)
# How many times the gradient is taken, so that it is whole in the levels' unit.
_STEEP = 24
# Less of the detail than this says nothing.
_LEAST_SHARE = 0.01
# Terms of the normal equations, by the gradients across and along and the one of a rotation: x x, x y, ... and the
# sides.
_XX, _XY, _XT, _YY, _YT, _TT, _X, _Y, _T = range(9)


@dataclass(frozen=True, slots=True)
class Turn:
    """How a picture turned against an earlier one. Lengths are in pixels.

    Attributes:
        right: how far the scene moved to the right at the centre of rotation, beside the shift that was known.
        down: the same downwards.
        rotation: by how many degrees the scene turned clockwise.
        error: as unsure as `rotation`, without what the whole scene turned: the difference between the fields of two
            chessboards, divided by the share of the picture's detail that agrees.
        lever_right: by how many pixels to the right a turn by one radian changes a shift that is fitted alone.
        lever_down: the same downwards.
    """

    right: float
    down: float
    rotation: float
    error: float
    lever_right: float
    lever_down: float


def fit_rotation(here: Field, there: Field, contrast: float, centre: tuple[float, float]) -> Turn | None:
    """Fits the rotation between two parts that are within a pixel of each other.

    Args:
        here: (h, w) levels of the earlier picture, multiples of 1 / ROUNDING, from 0 to 255.
        there: (h, w) the same of the later picture.
        contrast: how many times the contrast of the earlier picture the later one has.
        centre: column and row, in pixels of the parts, about which the scene may have turned.

    Returns:
        The turn; None where the parts have fewer than three by four cells.
    """
    radius = max(here.shape) / 2
    if any(side - 4 <= _CELL * (least - 1) for side, least in zip(here.shape, _LEAST_CELLS, strict=True)):
        return None
    gradients = _gradients(here + there, centre, radius)
    cells = _equations((*gradients, _round(there[2:-2, 2:-2] - contrast * here[2:-2, 2:-2])))
    xx, xy, yy = cells[_XX] + 1, cells[_XY], cells[_YY] + 1
    determinant = xx * yy - xy * xy
    weights = np.full(xx.shape, float(_WEIGHTS))
    whole = _summed(cells, weights)
    levers = _shift(whole, whole[_XT], whole[_YT])
    for _ in range(_PASSES):
        x, y, turn = _solved(_summed(cells, weights))
        beside = cells[_X] + xx * x + xy * y + cells[_XT] * turn
        below = cells[_Y] + xy * x + yy * y + cells[_YT] * turn
        misfit = (beside * beside * yy - 2 * beside * below * xy + below * below * xx) / determinant
        usual = float(np.partition(misfit, misfit.size // 2, axis=None)[misfit.size // 2]) / _MEDIAN + 1e-9
        weights = np.rint(_WEIGHTS / (1 + misfit / (2 * _MISFIT * usual)) ** 2)
    kept = _summed(cells, weights)
    x, y, turn = _solved(kept)
    share = (kept[_XX] + kept[_YY] + 1) / (whole[_XX] + whole[_YY] + 1)
    unsure = _difference(_summed(cells, weights * _board(*xx.shape)), kept, (x, y, turn))
    # The difference has the gradient of the earlier picture times the contrast.
    pixels = _STEEP * (1 + contrast) / (2 * contrast)
    degrees = math.degrees(pixels / radius)
    return Turn(
        right=pixels * x,
        down=pixels * y,
        rotation=degrees * turn,
        error=degrees * unsure / max(share, _LEAST_SHARE),
        lever_right=radius * levers[0],
        lever_down=radius * levers[1],
    )


def _equations(fields: tuple[Field, ...]) -> Field:
    """The terms of each cell, (9, rows, columns), whole numbers, by the fields without their means in it.

    Args:
        fields: the gradients across, along and of a rotation, and the difference of both parts.
    """
    rows, columns = fields[0].shape
    padded = np.zeros((len(fields), -(-rows // _CELL), _CELL, columns))
    for rim, field in zip(padded.reshape(len(fields), -1, columns), fields, strict=True):
        rim[:rows] = field
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2), (0, 3), (1, 3), (2, 3))
    products = np.stack([np.einsum("bij,bij->bj", padded[one], padded[other]) for one, other in pairs])
    starts = np.arange(0, columns, _CELL)
    sums = np.add.reduceat(products, starts, axis=2)
    means = np.add.reduceat(padded.sum(axis=2), starts, axis=2)
    heights = np.minimum(_CELL, rows - np.arange(0, rows, _CELL))
    pixels = heights[:, None] * np.minimum(_CELL, columns - starts)
    for at, (one, other) in enumerate(pairs):
        sums[at] -= means[one] * means[other] / pixels
    return np.rint(sums)


def _gradients(both: Field, centre: tuple[float, float], radius: float) -> tuple[Field, Field, Field]:
    """_STEEP times the gradient of the mean of both pictures, and what a turn by 1 / `radius` takes off.

    Differences of two pixels make fine detail less steep than it is, and a rotation larger. These are of fourth order
    (Fornberg, Mathematics of Computation 51, 1988), and a rim of two pixels is left out.
    """
    inner = both[2:-2, 2:-2]
    across = 8 * (both[2:-2, 3:-1] - both[2:-2, 1:-3]) - both[2:-2, 4:] + both[2:-2, :-4]
    along = 8 * (both[3:-1, 2:-2] - both[1:-3, 2:-2]) - both[4:, 2:-2] + both[:-4, 2:-2]
    rows, columns = inner.shape
    x = (np.arange(2, columns + 2) - centre[0]) / radius
    y = (np.arange(2, rows + 2)[:, None] - centre[1]) / radius
    return across, along, _round(x * along - y * across)


def _round(values: Field) -> Field:
    """Rounds in place, to multiples of 1 / ROUNDING."""
    values *= ROUNDING
    np.rint(values, out=values)
    values /= ROUNDING
    return values


def _summed(cells: Field, weights: Field) -> list[float]:
    """The terms of all cells, weighted."""
    found: list[float] = ((cells * weights).sum(axis=(1, 2)) / _WEIGHTS).tolist()
    return found


def _solved(terms: list[float]) -> tuple[float, float, float]:
    """Amounts of the gradients across, along and of the rotation that leave the least of the difference."""
    x, y = _shift(terms, -terms[_X], -terms[_Y])
    # The rotation goes by what of its gradient no shift explains (Frisch and Waugh, Econometrica 1933).
    like_x, like_y = _shift(terms, terms[_XT], terms[_YT])
    turn = (like_x * terms[_X] + like_y * terms[_Y] - terms[_T]) / _stiffness(terms, like_x, like_y)
    return x - turn * like_x, y - turn * like_y, turn


def _shift(terms: list[float], x: float, y: float) -> tuple[float, float]:
    xx, xy, yy = terms[_XX] + 1, terms[_XY], terms[_YY] + 1
    determinant = xx * yy - xy * xy
    return (x * yy - y * xy) / determinant, (y * xx - x * xy) / determinant


def _stiffness(terms: list[float], like_x: float, like_y: float) -> float:
    return terms[_TT] - like_x * terms[_XT] - like_y * terms[_YT] + 1


def _difference(board: list[float], kept: list[float], motion: tuple[float, float, float]) -> float:
    """By how much more the fields of one colour turned; as unsure as the turn of all."""
    x, y, turn = motion
    like_x, like_y = _shift(kept, kept[_XT], kept[_YT])
    beside = board[_X] + board[_XX] * x + board[_XY] * y + board[_XT] * turn
    below = board[_Y] + board[_XY] * x + board[_YY] * y + board[_YT] * turn
    around = board[_T] + board[_XT] * x + board[_YT] * y + board[_TT] * turn
    return math.sqrt(2) * (around - like_x * beside - like_y * below) / _stiffness(kept, like_x, like_y)


def _board(rows: int, columns: int) -> Field:
    """The mean of both chessboards, whose fields are 1 and -1; (rows, columns)."""
    y, x = np.ogrid[:rows, :columns]
    return sum((1.0 - 2 * ((y // side + x // side) % 2) for side in _BOARDS), np.zeros((rows, columns))) / len(_BOARDS)
