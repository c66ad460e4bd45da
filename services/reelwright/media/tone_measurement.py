"""What glare and shadows are in a picture, for the decoder that measures a shot and for the worker that opens them.

Levels are luma as a share of the way from black to the shot's white, which in old prints is below the format's. The
mid-tones lie between `SHADOWS` and `HIGHLIGHTS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.colour import code_range
from reelwright.media.picture import Picture, eight_bits

Levels = NDArray[np.float64]

# The mid-tones: what lies below or above may be opened.
SHADOWS, HIGHLIGHTS = 0.4, 0.65
# Code values are light to the power of 1 / 2.2, about as cameras and film scanners have it.
GAMMA = 2.2
# Light above this share of white bleeds.
_BLEEDING = 0.5
# Reach of the bleeding (standard deviation) as a share of the picture's height.
_REACH = 0.06
# White is the level that so many pixels are below, and at least this share of the way to the format's white.
WHITE, LEAST_WHITE = 0.995, 0.6
# Where bleeding would bring less light than this, it says nothing about how much of it there is.
_LEAST_BLEEDING = 0.02

# Where the median of the shadows lies in clips of film and video, as a share of the way from black to the mid-tones;
# the same for highlights, from white. What is closer to black or white than the last is clipped.
_SHADOWS_MEDIAN, _HIGHLIGHTS_MEDIAN = 0.62, 0.5
_CLIPPED = 0.015

# Bins of `ToneCounts`.
LEVEL_BINS, RATIO_BINS, GRAIN_BINS = 256, 64, 64
# Shares of the bleeding above this are not told apart, nor grain above this many levels.
MOST_RATIO, MOST_GRAIN = 0.5, 16.0
# Columns of the picture that is measured; blocks in which grain is measured, in samples.
_COLUMNS = 160
_BLOCK = 16
# The mask of Immerkaer (Computer Vision and Image Understanding 64(2), 1996), which sees noise and no edges. The mean
# of its result's absolute values is 6 (2 / pi)^0.5 standard deviations.
_NOISE_MASK = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_NOISE_MEAN = 4.787


class LevelRange(NamedTuple):
    """Luma of black and of white, as shares of the largest code value."""

    black: float
    white: float

    def up_to(self, white: float) -> LevelRange:
        """The range to a shot's white."""
        return LevelRange(self.black, self.black + white * (self.white - self.black))

    def levels(self, luma: NDArray[np.float32]) -> Levels:
        """Luma in [0, 1] of the largest code value as levels."""
        return (luma.astype(np.float64) - self.black) / (self.white - self.black)


def level_range(depth: int, *, full_range: bool) -> LevelRange:
    """Where black and white lie at a depth."""
    if full_range:
        return LevelRange(0.0, 1.0)
    step = (1 << (depth - 8)) / ((1 << depth) - 1)
    black, white = code_range(full_range=False)
    return LevelRange(black * step, white * step)


def bleeding(light: Levels) -> Levels:
    """The light that highlights give to their surroundings if all of theirs bleeds.

    Args:
        light: (h, w) linear light, 0 to 1, of a reduced picture. Multiples of a power of two are added exactly, so that
            all processors find the same.

    Returns:
        (h, w); less in highlights and none where there is white, which stays white.
    """
    highlights = np.maximum(light - _BLEEDING, 0)
    # Three boxes of this width have the standard deviation of a Gaussian of `_REACH`.
    width = 2 * max(1, round((4 * (_REACH * len(light)) ** 2 + 1) ** 0.5 / 2)) + 1
    spread = highlights
    for _ in range(3):
        box = (width, width)
        spread = np.asarray(cv2.boxFilter(spread, cv2.CV_64F, box, normalize=False, borderType=cv2.BORDER_REFLECT))
    return np.asarray(spread / width**6 * (1 - highlights / (1 - _BLEEDING)))


@dataclass(frozen=True, slots=True)
class ToneCounts:
    """What is measured in a picture, as counts, which can be added over a shot.

    Attributes:
        levels: (256,) int64, how many pixels of the reduced picture have each level.
        ratios: (64,) int64, their light as a share of what bleeding brings there, 0 to `MOST_RATIO` in even bins;
            what has more is left out of the bins and counted in `lit`.
        lit: how many pixels any bleeding reaches.
        grain: (64,) int64, how many blocks in the shadows have a standard deviation of the finest detail in each bin
            of 0 to `MOST_GRAIN` 8-bit levels.
    """

    levels: NDArray[np.int64]
    ratios: NDArray[np.int64]
    lit: int
    grain: NDArray[np.int64]

    def packed(self) -> NDArray[np.int64]:
        """All counts in one row."""
        return np.concatenate([self.levels, self.ratios, [self.lit], self.grain])

    @classmethod
    def unpacked(cls, row: NDArray[np.int64]) -> ToneCounts:
        """The counts of `packed`."""
        ratios, grain = LEVEL_BINS, LEVEL_BINS + RATIO_BINS + 1
        return cls(row[:ratios], row[ratios : grain - 1], int(row[grain - 1]), row[grain:])


def count_tone(picture: Picture, *, full_range: bool) -> ToneCounts:
    """Measures a picture. Every figure is computed of whole numbers, so that all processors find the same."""
    luma = eight_bits(picture.planes[0], picture.format.depth)
    small = reduced(luma)
    levels = np.bincount(small.ravel(), minlength=LEVEL_BINS)
    of_white = code_levels(full_range=full_range)
    white = float(of_white[np.searchsorted(np.cumsum(levels), WHITE * small.size)])
    of_shot = np.clip(of_white / min(1.0, max(LEAST_WHITE, white)), 0, 1)
    # Multiples of 2**-16, so that all sums are exact.
    light = (np.rint(of_shot**GAMMA * 65536) / 65536)[small]
    veil = bleeding(light)
    reached = veil >= _LEAST_BLEEDING
    bins = np.floor(light[reached] / veil[reached] * (RATIO_BINS / MOST_RATIO))
    ratios = np.bincount(bins[bins < RATIO_BINS].astype(np.int64), minlength=RATIO_BINS)
    return ToneCounts(levels, ratios, int(reached.sum()), _grain_counts(luma, full_range=full_range))


def reduced(luma: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Luma (h, w) of 8 bits at 160 to 319 columns, each sample the mean of a square; a smaller one is not reduced."""
    rows, columns = luma.shape
    step = max(1, columns // _COLUMNS)
    whole = luma[: max(1, rows // step) * step, : columns // step * step]
    size = (whole.shape[1] // step, max(1, whole.shape[0] // step))
    return np.asarray(cv2.resize(np.asarray(whole, np.uint8), size, interpolation=cv2.INTER_AREA), np.uint8)


def code_levels(*, full_range: bool) -> Levels:
    """The level of each of the 256 luma codes of 8 bits, with the format's white."""
    black, white = code_range(full_range=full_range)
    return (np.arange(256) - black) / (white - black)


def shot_white(levels: NDArray[np.int64], *, full_range: bool) -> float:
    """The white of a shot whose codes were counted, as a share of the way from black to the format's white."""
    black, white = code_range(full_range=full_range)
    found = (count_quantile(levels, WHITE) - 0.5 - black) / (white - black)
    return min(1.0, max(LEAST_WHITE, found))


def shadows_slope(levels: NDArray[np.int64], white: float, *, full_range: bool) -> float:
    """How much steeper than 1 a curve begins at black that brings the median of the shadows to its usual place.

    The curve is u + s u (1 - u)^2: it has slope 1 + s at 0, and meets the mid-tones at 1 with slope 1.

    Args:
        levels: (256,) how often each code occurs in a shot.
        white: the shot's, as of `shot_white`.
        full_range: whether code values use the whole depth or the studio range.

    Returns:
        0 or more; 0 where the median lies further from black, and where nothing is dark.
    """
    depths = code_levels(full_range=full_range) / white / SHADOWS
    return _slope(depths, levels, _SHADOWS_MEDIAN)


def highlights_slope(levels: NDArray[np.int64], white: float, *, full_range: bool) -> float:
    """The same of the highlights, at white."""
    depths = (1 - code_levels(full_range=full_range) / white) / (1 - HIGHLIGHTS)
    return _slope(depths[::-1], levels[::-1], _HIGHLIGHTS_MEDIAN)


def _slope(depths: Levels, counts: NDArray[np.int64], usual: float) -> float:
    """Depths rise from code to code: 0 is black or white, 1 where the mid-tones begin."""
    inside = (depths > _CLIPPED) & (depths < 1)
    at = depths[inside]
    # Bins are even; the median lies within its bin.
    median = float(at[0]) + (count_quantile(counts[inside], 0.5) - 0.5) * float(at[1] - at[0])
    return (usual - median) / (median * (1 - median) ** 2) if 0 < median < usual and counts[inside].any() else 0.0


def count_quantile(counts: NDArray[np.generic], share: float, total: float | None = None) -> float:
    """The place, in bins, below which a share of the counts lies: 0 without any, the number of bins if beyond them."""
    sums = np.cumsum(counts.astype(np.float64))
    wanted = share * (float(sums[-1]) if total is None else total)
    if wanted <= 0:
        return 0.0
    at = int(np.searchsorted(sums, wanted))
    if at == len(sums):
        return float(at)
    below = float(sums[at - 1]) if at else 0.0
    return at + (wanted - below) / (float(sums[at]) - below)


def _grain_counts(luma: NDArray[np.generic], *, full_range: bool) -> NDArray[np.int64]:
    rows, columns = (side // _BLOCK * _BLOCK for side in luma.shape)
    if not rows or not columns:
        return np.zeros(GRAIN_BINS, np.int64)
    whole = np.ascontiguousarray(luma[:rows, :columns])
    fine = cv2.convertScaleAbs(cv2.filter2D(whole, cv2.CV_16S, _NOISE_MASK))
    means = [
        cv2.resize(part, (columns // _BLOCK, rows // _BLOCK), interpolation=cv2.INTER_AREA) for part in (whole, fine)
    ]
    level = code_levels(full_range=full_range)[np.asarray(means[0], np.uint8)]
    dark = (level > 0.02) & (level < SHADOWS)
    sigma = np.asarray(means[1], np.float64)[dark] / _NOISE_MEAN
    bins = np.minimum(np.floor(sigma * (GRAIN_BINS / MOST_GRAIN)), GRAIN_BINS - 1)
    return np.bincount(bins.astype(np.int64), minlength=GRAIN_BINS)
