"""Fits smooth fields to how the light of cells changed: by reweighted least squares with Tukey's biweight.

Sums are of whole numbers or correctly rounded, so that all processors find the same numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

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
# Numbers that are fitted: a gain's terms and a factor; an offset's with the constant one, and a factor.
_COUNTS = (TERMS + 1, TERMS + 2)


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


class _Fitted(NamedTuple):
    """The terms of a field and their variances."""

    terms: Numbers
    variances: tuple[float, ...]


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
    # Of a small change the logarithm of the ratio is what was added divided by the light. The gain's last term is 0.
    terms = np.zeros((2, len(cell_terms) + 1, len(values)), np.int64)
    terms[0, :-1] = cell_terms
    terms[1, 0], terms[1, 1:] = cell_terms[0], np.rint(cell_terms * (MIDDLE / light))
    found, distances = _fitted(values, weights, terms)
    most = _MOST_DISTANCE * float(_deviations(distances)[0])
    gain, offset = (
        FieldFit(each.terms, each.variances, _left(scaled, most, count) / (least * UNIT * UNIT))
        for each, scaled, count in zip(found, distances, _COUNTS, strict=True)
    )
    return gain, offset


def _fitted(values: Numbers, weights: Field, terms: Numbers) -> tuple[list[_Fitted], Field]:
    """Both fits, and the weighted distance of each cell from the fields: (2, n)."""
    shares, beside = terms / TERM_UNIT, np.concatenate([terms, np.broadcast_to(values, (2, 1, len(values)))], axis=1)
    beside, roots = beside.swapaxes(1, 2), np.sqrt(weights)
    found = np.zeros(terms.shape[:2])
    found[:, 0] = float(np.partition(values, len(values) // 2)[len(values) // 2])
    for _ in range(_PASSES):
        scaled = np.abs(values - np.rint(_fields(found, shares))) * roots
        robust = np.maximum(0, 1 - (scaled / (_BIWEIGHT * _deviations(scaled)[:, None])) ** 2) ** 2
        whole = np.rint(weights * robust * _WEIGHT_UNIT).astype(np.int64)
        # The normal equations, with their right sides in the last column.
        equations = ((terms * whole[:, None]) @ beside).astype(np.float64)
        inverses = _inverses(equations[:, :, :-1])
        products = inverses * (equations[:, :, -1] * TERM_UNIT)[:, None]
        found = np.array([[math.fsum(row) for row in each] for each in products.tolist()])
    left = values - np.rint(_fields(found, shares)).astype(np.int64)
    fits = []
    for number, count in enumerate(_COUNTS):
        freedom = max(math.fsum(robust[number].tolist()) - count, 1.0)
        square = float((whole[number] * left[number] * left[number]).sum()) / freedom
        variances = tuple(square * float(inverses[number, at, at]) * TERM_UNIT**2 for at in range(count - TERMS, count))
        fits.append(_Fitted(np.rint(found[number, count - TERMS : count]).astype(np.int64), variances))
    return fits, np.abs(left) * roots


def _deviations(distances: Field) -> Field:
    """Robust standard deviation of each row."""
    middle = distances.shape[1] // 2
    return np.asarray(_MEDIAN * np.partition(distances, middle, axis=1)[:, middle] + 1)


def _left(distances: Field, most: float, count: int) -> float:
    """Mean square of distances of which none counts more than another one."""
    squares = np.minimum(distances, most) ** 2
    return math.fsum(squares.tolist()) / max(len(squares) - count, 1)


def _fields(found: Field, shares: Field) -> Field:
    """The fields in each cell: the terms are added one after another."""
    return np.asarray(np.add.reduce(found[:, :, None] * shares, axis=1))


def _inverses(matrices: Field) -> Field:
    """The inverses of positive definite matrices, by Gauss and Jordan: LAPACK's last bits depend on the processor."""
    size = matrices.shape[1]
    both = matrices + 1e-9 * matrices[:, :1, :1] * np.eye(size)
    for pivot in range(size):
        divisors, factors = both[:, pivot, pivot, None].copy(), both[:, :, pivot, None].copy()
        both[:, :, pivot] = 0
        both[:, pivot, pivot] = 1
        own = both[:, pivot] / divisors
        both -= factors * own[:, None]
        both[:, pivot] = own
    return both
