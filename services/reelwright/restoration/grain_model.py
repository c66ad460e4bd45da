"""Measures the grain that a network removed from a frame: how strong it is at each level, and how it is correlated.

Both are read where the picture has no detail, as libaom's noise model does (Norkin and Birkbeck, "Film Grain Synthesis
for AV1 Video Codec", DCC 2018): elsewhere the network also changes edges, and that is no grain. The measurement is of
one frame, so it depends on the frame's window alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.frame_grain import LEVELS

Luma = NDArray[np.float32]
Field = NDArray[np.float64]

LEVEL_CENTRES = (np.arange(LEVELS) + 0.5) / LEVELS
"""The middle of each range."""
REACH = 8
"""Grain is correlated over at most so many samples of the source."""

# Share of the picture that counts as without detail, and the side of the square over which gradients are averaged.
_FLAT, _BOX = 0.5, 7
# A range with fewer samples gets its strength from its neighbours.
_LEAST = 256
# In a picture with more samples strength is measured on every second row, or fewer.
_ENOUGH = 150_000
# Mean of |z| over the smallest 70 % of |z|, z standard normal, as in `measurement`. What is
# further than so many standard deviations is no grain.
_TRIMMED_SHARE, _TRIMMED_MEAN = 0.7, 0.4736
_CUT = 4.0
# Side of the square in which correlation is measured (with REACH a power of 2), and the steps in which it is placed.
_SQUARE, _STEP = 248, 31
# Side of the grid on which a spectrum is computed.
_GRID = 32
_KERNEL_ENERGY = 0.998
_OCTAVE_GRID = 64


@dataclass(frozen=True)
class GrainModel:
    """The grain of a frame.

    Attributes:
        strength: (LEVELS,) standard deviation in the middle of each range, as a share of the largest code value.
        correlation: (REACH + 1, REACH + 1) correlation of samples that lie so many rows and columns apart, the mean of
            both diagonals; 1 at no distance.
    """

    strength: Field
    correlation: Field

    def strength_at(self, level: Luma) -> Luma:
        """Standard deviation at each level, in the level's unit."""
        steps = np.linspace(0, 1, 256)
        table = np.interp(steps, LEVEL_CENTRES, self.strength).astype(np.float32)
        codes = np.asarray(cv2.convertScaleAbs(np.maximum(level, 0), alpha=255), np.uint8)
        return np.asarray(cv2.LUT(codes, table), np.float32)

    @cached_property
    def spectrum(self) -> Field:
        """Energy at each frequency of a grid of 32x32, with a mean of 1; none is negative."""
        return spectrum_of(self.correlation, _GRID)

    @cached_property
    def kernel(self) -> Luma:
        """(2 * n + 1, 2 * n + 1), n at most REACH: the filter that makes such grain of white noise.

        Its squares add up to 1. It is as small as it can be: what it leaves out has 0.2 % of the energy at most.
        """
        response = np.fft.fftshift(np.fft.ifft2(np.sqrt(self.spectrum)).real)
        for reach in range(REACH + 1):
            part = slice(_GRID // 2 - reach, _GRID // 2 + reach + 1)
            kernel = response[part, part]
            energy = float(np.square(kernel).sum())
            # The squares of the whole response add up to 1, as the mean of the spectrum is 1.
            if energy >= _KERNEL_ENERGY:
                break
        return np.asarray(kernel / np.sqrt(energy), np.float32)


def spectrum_of(correlation: Field, grid: int) -> Field:
    """The spectrum that belongs to a correlation at a few distances, on `grid` times `grid` frequencies; its mean is 1.

    Args:
        correlation: (n, n) as in `GrainModel`.
        grid: at least 2 * n.
    """
    reach = len(correlation)
    near = np.hypot(*np.mgrid[:reach, :reach]) / reach
    # What was not measured, beyond the reach, is none: without a taper the spectrum would ripple.
    quarter = correlation * np.where(near < 1, np.cos(np.pi / 2 * np.maximum(0, 1.5 * near - 0.5)), 0)
    plane = np.zeros((grid, grid))
    distances = np.arange(1 - reach, reach)
    plane[np.ix_(distances, distances)] = quarter[np.ix_(np.abs(distances), np.abs(distances))]
    energy = np.maximum(np.fft.fft2(plane).real, 0)
    return np.asarray(energy / energy.mean())


def octave_energies(correlation: Field) -> tuple[float, float, float]:
    """The energy of grain of strength 1 in three octaves of spatial frequency, the finest first.

    An octave is what a blur of sigma 1 takes away; the next one is that of the blurred field at half its size.

    Args:
        correlation: as in `GrainModel`.
    """
    energy = (_octaves() * spectrum_of(correlation, _OCTAVE_GRID)).mean(axis=(1, 2))
    return float(energy[0]), float(energy[1]), float(energy[2])


@cache
def _octaves() -> Field:
    """(3, 64, 64) share of the energy at each frequency that belongs to each octave."""
    taps = cv2.getGaussianKernel(9, 1.0)
    blur = np.outer(taps, taps)
    rest = -blur
    rest[4, 4] += 1
    shares, before = [], np.ones((_OCTAVE_GRID, _OCTAVE_GRID), np.complex128)
    for step in (1, 2, 4):
        shares.append(np.abs(before * _response(rest, step)) ** 2)
        before = before * _response(blur, step) * _response(np.full((2, 2), 0.25), step)
    return np.array(shares)


def _response(kernel: Field, step: int) -> NDArray[np.complex128]:
    """The response of a filter whose taps lie `step` samples apart."""
    spread = np.zeros((_OCTAVE_GRID, _OCTAVE_GRID))
    rows, columns = kernel.shape
    spread[: rows * step : step, : columns * step : step] = kernel
    return np.asarray(np.fft.fft2(spread))


def measure_grain_model(removed: Luma, small: Luma, level: Luma | None = None) -> GrainModel:
    """Measures grain.

    Args:
        removed: (H, W) float32, see `grain.removed_grain`.
        small: (H, W) float32, the picture without grain, in [0, 1].
        level: (H, W) float32, the luma by which strength is told apart; `small` itself if None.
    """
    flat = flat_parts(small)
    bins = np.clip((small if level is None else level) * LEVELS, 0, LEVELS - 1).astype(np.uint8)
    some = slice(None, None, 1 + removed.size // _ENOUGH)
    strength = _strength(removed[some][flat[some]], bins[some][flat[some]])
    if strength.max() == 0:
        none = np.zeros((REACH + 1, REACH + 1))
        none[0, 0] = 1
        return GrainModel(strength, none)
    unit = np.maximum(strength, 1e-6).astype(np.float32)[bins]
    part = _grainiest(unit * flat)
    even = np.clip(removed[part] / unit[part], -_CUT, _CUT) * flat[part]
    return GrainModel(strength, _correlation(even, flat[part]))


def flat_parts(small: Luma) -> NDArray[np.bool_]:
    """Where the picture has the least gradients."""
    blurred = cv2.GaussianBlur(small, (0, 0), 1.0)
    across, down = cv2.Sobel(blurred, cv2.CV_32F, 1, 0), cv2.Sobel(blurred, cv2.CV_32F, 0, 1)
    slope = np.asarray(cv2.blur(cv2.magnitude(across, down), (_BOX, _BOX)), np.float32)
    some = slope[:: 1 + slope.size // _ENOUGH].ravel()
    rank = int(_FLAT * (len(some) - 1))
    return np.asarray(slope <= np.partition(some, rank)[rank])


def _grainiest(weight: Luma) -> tuple[slice, slice]:
    """Rows and columns of the square, or less at small pictures, that has the most weight.

    It has enough samples for a correlation, and a whole picture would take five times as long.
    """
    rows, columns = weight.shape
    steps = max(1, rows // _STEP), max(1, columns // _STEP)
    coarse = cv2.resize(weight, steps[::-1], interpolation=cv2.INTER_AREA)
    down, right = (min(count, _SQUARE // _STEP) for count in steps)
    sums = np.asarray(cv2.integral(coarse), np.float64)
    found = sums[down:, right:] - sums[:-down, right:] - sums[down:, :-right] + sums[:-down, :-right]
    row, column = np.unravel_index(int(found.argmax()), found.shape)
    top, left = (
        int(place) * side // count for place, side, count in zip((row, column), weight.shape, steps, strict=True)
    )
    return slice(top, top + _SQUARE), slice(left, left + _SQUARE)


def _strength(removed: Luma, bins: NDArray[np.uint8]) -> Field:
    """Standard deviation in each range of levels."""
    order = np.argsort(bins, kind="stable")
    counts = np.bincount(bins, minlength=LEVELS)
    parts = np.split(removed[order], np.cumsum(counts)[:-1])
    known = counts >= _LEAST
    if not known.any():
        return np.full(LEVELS, _deviation(removed))
    found = [_deviation(part) for part, is_known in zip(parts, known, strict=True) if is_known]
    return np.interp(LEVEL_CENTRES, LEVEL_CENTRES[known], found)


def _deviation(removed: Luma) -> float:
    """Standard deviation; samples beyond four of it count as four."""
    ordered = np.sort(np.abs(removed))
    trimmed = ordered[: max(1, int(_TRIMMED_SHARE * len(ordered)))].mean(dtype=np.float64)
    limited = np.minimum(ordered, _CUT * trimmed / _TRIMMED_MEAN)
    return float(np.sqrt(np.square(limited).mean(dtype=np.float64)))


def _correlation(even: Luma, flat: NDArray[np.bool_]) -> Field:
    """Correlation at each distance, over the pairs of flat samples that have it."""
    products, pairs = _products(even), _products(flat.astype(np.float32))
    found = np.where(pairs >= _LEAST / 2, products / np.maximum(pairs, 1), 0)
    found = np.clip(found / max(found[0, 0], 1e-9), -1, 1)
    found[0, 0] = 1
    return np.asarray(found)


def _products(values: Luma) -> Field:
    """Sums of the products of all samples that lie at each distance from each other."""
    rows, columns = values.shape
    sizes = [cv2.getOptimalDFTSize(side + REACH) for side in values.shape]
    padded = cv2.copyMakeBorder(values, 0, sizes[0] - rows, 0, sizes[1] - columns, cv2.BORDER_CONSTANT)
    transformed = cv2.dft(padded, nonzeroRows=rows)
    sums = cv2.idft(cv2.mulSpectrums(transformed, transformed, 0, conjB=True), flags=cv2.DFT_SCALE)
    near = np.arange(REACH + 1)
    return np.asarray((sums[np.ix_(near, near)] + sums[np.ix_(near, -near)]) / 2, np.float64)
