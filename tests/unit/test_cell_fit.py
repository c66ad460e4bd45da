"""The fields that are fitted to cells are those by which their light changed, in any order of the cells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from reelwright.media.cell_fit import MIDDLE, TERM_UNIT, UNIT, fit_gain_and_offset
from reelwright.media.light_field import gains, offsets, terms

Numbers = NDArray[np.float64]
GRID = (8, 12)
CELL_TERMS = np.rint(np.array([np.ones(GRID), *terms(GRID)]).reshape(6, -1) * TERM_UNIT).astype(np.int64)
VARIANCES = np.full(96, 0.004**2)

five = st.lists(st.floats(-0.04, 0.04), min_size=5, max_size=5)
seeds = st.integers(0, 1000)


def lit(seed: int) -> Numbers:
    """Light of the cells of a scene."""
    return np.asarray(np.random.default_rng(seed).uniform(30, 200, 96))


def elsewhere(seed: int) -> NDArray[np.int64]:
    """Some cells, which show something else."""
    return np.random.default_rng(seed).permutation(96)[:12]


@given(five, st.floats(-0.1, 0.1), seeds)
def test_light_that_was_multiplied_is_found(field: list[float], common: float, seed: int) -> None:
    """The gain is the field's to 0.1 %, whatever the common change and what a few cells show."""
    before = lit(seed)
    after = before * (1 + common) * gains(field, GRID).ravel()
    after[elsewhere(seed)] *= 1.3
    gain, _ = fit_gain_and_offset(np.log(after / before), VARIANCES, (before + after) / 2, CELL_TERMS)
    assert np.abs(gain.terms / UNIT - field).max() < 0.001


@given(five, st.floats(-3, 3), st.floats(-0.1, 0.1), seeds)
def test_light_that_was_added_is_found(field: list[float], common: float, factor: float, seed: int) -> None:
    """The offset is the field's to 0.2 levels beside what all cells have in common, and leaves less than a gain."""
    before = lit(seed)
    after = (1 + factor) * before + common + MIDDLE * offsets(field, GRID).ravel()
    after[elsewhere(seed)] *= 1.5
    kept = after > 10
    gain, offset = fit_gain_and_offset(
        np.log(after[kept] / before[kept]), VARIANCES[kept], ((before + after) / 2)[kept], CELL_TERMS[:, kept]
    )
    assert MIDDLE * np.abs(offset.terms / UNIT - field).max() < 0.2
    if max(map(abs, field)) > 0.02:
        assert offset.left < 0.7 * gain.left


@given(seeds)
def test_the_order_of_the_cells_changes_no_bit(seed: int) -> None:
    """Sums are exact or correctly rounded: both fits are the same for cells in another order."""
    rng = np.random.default_rng(seed)
    ratios, variances, light = rng.normal(0, 0.03, 96), rng.uniform(1.6e-5, 1e-3, 96), lit(seed)
    order = rng.permutation(96)
    for one, other in zip(
        fit_gain_and_offset(ratios, variances, light, CELL_TERMS),
        fit_gain_and_offset(ratios[order], variances[order], light[order], CELL_TERMS[:, order]),
        strict=True,
    ):
        assert one.terms.tolist() == other.terms.tolist()
        assert (one.variances, one.left) == (other.variances, other.left)


@pytest.mark.parametrize("level", [30.0, 100.0, 200.0])
def test_where_the_light_is_even_neither_is_better(level: float) -> None:
    """A gain and an offset of even light are alike, so that neither leaves less than 0.9 of the other."""
    rng = np.random.default_rng(3)
    light = np.full(96, level)
    gain, offset = fit_gain_and_offset(rng.normal(0, 0.01, 96), VARIANCES, light, CELL_TERMS)
    assert 0.9 < offset.left / gain.left < 1.1
