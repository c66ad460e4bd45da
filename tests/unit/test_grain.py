"""Grain that was removed comes back with the energy that it had."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright.restoration.grain import kept_grain
from tests.support.grain import band_energies
from tests.support.windows import grainy, texture

Luma = NDArray[np.float32]


def with_grain(clean: Luma, luma: Luma, keep: float) -> Luma:
    """The enlargement with a share of its grain above 0."""
    grain = kept_grain(clean, luma, keep)
    assert grain is not None
    return clean + grain


def source_and_clean(size: float, scale: int = 2) -> tuple[Luma, Luma]:
    """A picture with grain of eight levels and this size, and its enlargement without grain."""
    scene = texture(120, 160) / np.float32(255)
    luma = grainy(texture(120, 160)[None], 8, size)[0] / np.float32(255)
    clean = cv2.resize(scene, (160 * scale, 120 * scale), interpolation=cv2.INTER_CUBIC)
    return luma, np.asarray(clean, np.float32)


def reduced(luma: Luma) -> Luma:
    """Reduced to the source's size by averaging."""
    return np.asarray(cv2.resize(luma, (160, 120), interpolation=cv2.INTER_AREA), np.float32)


def test_nothing_kept_is_nothing_added() -> None:
    """With a share of 0 the enlargement stays as it is."""
    luma, clean = source_and_clean(0)
    assert kept_grain(clean, luma, 0) is None


def test_grain_is_linear_in_its_share() -> None:
    """Half of the grain is the mean of none and all."""
    luma, clean = source_and_clean(0.5)
    half, full = (with_grain(clean, luma, keep) for keep in (0.5, 1.0))
    assert np.abs(half - (clean + full) / 2).max() < 1e-6


def test_a_scratch_is_no_grain() -> None:
    """A scratch that was removed does not come back with the grain, and the grain over it does."""
    luma, clean = source_and_clean(0.5)
    scratched = luma.copy()
    scratched[:, 60] += 0.1
    scratch = np.full(luma.shape, 128, np.uint8)
    scratch[:, 60] = 220
    without, found = kept_grain(clean, luma, 1.0), kept_grain(clean, scratched, 1.0, scratch)
    assert without is not None
    assert found is not None
    line, before = (reduced(grain)[20:-20, 60] for grain in (found, without))
    assert abs(float(line.mean())) < 0.01
    assert float(line.std()) == pytest.approx(float(before.std()), rel=0.1)
    assert np.array_equal(found[:, :100], without[:, :100])


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [0.0, 0.5, 1.0])
def test_all_grain_has_the_sources_energy_in_each_band(size: float, scale: int) -> None:
    """With a share of 1, the grain of the reduced result has the source's energy within 10 % in each octave."""
    luma, clean = source_and_clean(size, scale)
    grain = luma - reduced(clean)
    kept = reduced(with_grain(clean, luma, 1.0)) - reduced(clean)
    assert band_energies(kept) == pytest.approx(band_energies(grain), rel=0.1)
