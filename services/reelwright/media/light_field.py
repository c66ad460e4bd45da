"""The smooth fields by which the light of parts of a picture is evened out: Legendre polynomials of second degree."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]

TERMS = 5


def terms(shape: tuple[int, int]) -> list[NDArray[np.float64]]:
    """The terms x, y, xy, xx and yy over a picture, each of mean 0 and mean square 1.

    x and y go from -1 to 1, to the right and downwards. So x is the square root of 3 times that, and xx is the second
    Legendre polynomial times the square root of 5.

    Args:
        shape: rows and columns.
    """
    (y, yy), (x, xx) = _polynomials(shape[0]), _polynomials(shape[1])
    tall, wide = np.ones((shape[0], 1)), np.ones((1, shape[1]))
    return [tall * x, y[:, None] * wide, y[:, None] * x, tall * xx, yy[:, None] * wide]


def offsets(values: Sequence[float], shape: tuple[int, int]) -> Field:
    """What is added to the light.

    Args:
        values: of the five terms, or none.
        shape: rows and columns of the picture.

    Returns:
        `shape` float32, the sum of the terms.
    """
    if not values:
        return np.zeros(shape, np.float32)
    (y, yy), (x, xx) = _polynomials(shape[0]), _polynomials(shape[1])
    in_x, in_y, in_xy, in_xx, in_yy = values
    rows, columns = (in_y * y + in_yy * yy).astype(np.float32), (in_x * x + in_xx * xx).astype(np.float32)
    total = (in_xy * y).astype(np.float32)[:, None] * x.astype(np.float32)
    total += columns
    total += rows[:, None]
    return np.asarray(total, np.float32)


def gains(values: Sequence[float], shape: tuple[int, int]) -> Field:
    """Factors of the light.

    Args:
        values: of the five terms; their sum is the factor's logarithm.
        shape: rows and columns of the picture.

    Returns:
        `shape` float32. The exponential function is taken to its third order, which no processor rounds in another way:
        0.1 % of the gain is wrong at a logarithm of 0.4.
    """
    total = offsets(values, shape)
    factor = total * np.float32(1 / 6)
    factor += np.float32(0.5)
    factor *= total
    factor += np.float32(1)
    factor *= total
    factor += np.float32(1)
    return np.asarray(factor, np.float32)


def _polynomials(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The first and the second polynomial at the centres of so many samples in a row."""
    place = (2 * np.arange(count) + 1) / count - 1
    return math.sqrt(3) * place, math.sqrt(5) * (1.5 * place**2 - 0.5)
