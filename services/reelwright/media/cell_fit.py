"""Fits smooth fields to how the light of cells changed: by reweighted least squares with Tukey's biweight.

Sums are of whole numbers or correctly rounded, so that all processors find the same numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelwright.media.light_field import TERMS

Field = NDArray[np.float64]
Numbers = NDArray[np.int64]

UNIT = 1_000_000
"""Whole numbers per unit of a ratio's logarithm, and per `MIDDLE` levels."""
TERM_UNIT = 1024
"""Whole numbers per unit of a term in a cell."""
MIDDLE = 100.0
"""Light, in 8-bit levels above black, at which a gain and an offset of the same number change the light alike."""
# Tukey's biweight: 95 % efficient; 1.4826 times the median distance is the standard deviation.
_BIWEIGHT, _MEDIAN, _PASSES = 4.7, 1.4826, 8
# Cells that are further from a field than so many standard deviations show something else, and count as these.
_MOST_DISTANCE = 3.0
_WEIGHT_UNIT = 4096


@dataclass(frozen=True, slots=True)
class FieldFit:
    """A smooth field by which the light of cells changed.

    Attributes:
        terms: (5,) int64, of `light_field.terms`, in millionths of the ratio's logarithm or of `MIDDLE` levels.
        variances: of the terms, squared millionths, by what the fit leaves.
        left: mean square of the cells' distances from the field, divided by their variances.
    """

    terms: Numbers
    variances: tuple[float, ...]
    left: float


def fit_gain_and_offset(
    ratios: Field, variances: Field, light: Field, cell_terms: Numbers
) -> tuple[FieldFit, FieldFit]:
    """Fits a field that multiplied the light of cells, and one in its place that was added to it.

    Args:
        ratios: (n,) logarithms of the ratio of the cells' light.
        variances: (n,) of the ratios.
        light: (n,) levels above black, positive.
        cell_terms: (6, n) the constant 1 and the terms in each cell, in units of `TERM_UNIT`.

    Returns:
        Both, the gain first. Beside either field the light of all cells may have been multiplied by one factor.
    """
    values = np.rint(ratios * UNIT).astype(np.int64)
    least = float(variances.min())
    weights = least / variances
    # Of a small change the logarithm of the ratio is what was added divided by the light.
    shares = np.rint(cell_terms * (MIDDLE / light)).astype(np.int64)
    fits = [
        (_fitted(values, weights, each), len(each)) for each in (cell_terms, np.concatenate([cell_terms[:1], shares]))
    ]
    most = _MOST_DISTANCE * _deviation(fits[0][0][2])
    gain, offset = (
        FieldFit(terms, variance, _left(scaled, most, count) / (least * UNIT * UNIT))
        for (terms, variance, scaled), count in fits
    )
    return gain, offset


def _fitted(values: Numbers, weights: Field, cell_terms: Numbers) -> tuple[Numbers, tuple[float, ...], Field]:
    """The terms, their variances, and the weighted distance of each cell from the field."""
    count = len(cell_terms)
    found = np.zeros(count)
    found[0] = float(np.partition(values, len(values) // 2)[len(values) // 2])
    robust, roots = np.ones(len(values)), np.sqrt(weights)
    for _ in range(_PASSES):
        scaled = np.abs(values - np.rint(_products(found, cell_terms))) * roots
        robust = np.maximum(0, 1 - (scaled / (_BIWEIGHT * _deviation(scaled))) ** 2) ** 2
        whole = np.rint(weights * robust * _WEIGHT_UNIT).astype(np.int64)
        weighted = cell_terms * whole
        matrix = (weighted @ cell_terms.T).astype(np.float64)
        inverse = _inverse(matrix + np.diag(np.full(count, 1e-9 * matrix[0, 0])))
        sides = (weighted @ values).astype(np.float64) * TERM_UNIT
        found = np.array([math.fsum(row * sides) for row in inverse])
    left = values - np.rint(_products(found, cell_terms)).astype(np.int64)
    freedom = max(math.fsum(robust) - count, 1.0)
    square = float(np.vdot(whole, left * left)) / freedom
    variance = [square * float(inverse[at, at]) * TERM_UNIT**2 for at in range(count - TERMS, count)]
    return np.rint(found[-TERMS:]).astype(np.int64), tuple(variance), np.abs(left) * roots


def _deviation(distances: Field) -> float:
    """Robust standard deviation."""
    return _MEDIAN * float(np.partition(distances, len(distances) // 2)[len(distances) // 2]) + 1


def _left(distances: Field, most: float, count: int) -> float:
    """Mean square of distances of which none counts more than another one."""
    squares = np.minimum(distances, most) ** 2
    return math.fsum(squares) / max(len(squares) - count, 1)


def _products(found: Field, cell_terms: Numbers) -> Field:
    """The field in each cell."""
    total = np.zeros(cell_terms.shape[1])
    for value, each in zip(found, cell_terms, strict=True):
        total = total + value * each / TERM_UNIT
    return total


def _inverse(matrix: Field) -> Field:
    """The inverse of a positive definite matrix, by Gauss and Jordan: LAPACK's last bits depend on the processor."""
    size = len(matrix)
    both = np.concatenate([matrix, np.eye(size)], axis=1)
    for pivot in range(size):
        both[pivot] /= both[pivot, pivot]
        for row in range(size):
            if row != pivot:
                both[row] -= both[row, pivot] * both[pivot]
    return np.asarray(both[:, size:])
