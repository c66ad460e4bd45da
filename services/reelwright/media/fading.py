"""Brings back lost contrast: measures the dark and the bright end of a picture, and moves both by a curve.

The decoder, which measures shots, and the worker, which changes pictures, use the same curve.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelwright.media.code_table import code_gain, deep_format, map_codes
from reelwright.media.colour import code_range
from reelwright.media.frame_correction import ContrastPoints, FrameFading
from reelwright.media.picture import Picture, eight_bits, pixel_format
from reelwright.media.tone_measurement import LEVEL_BINS, reduced

# Parts of a level that `quantile` tells apart.
PARTS = 64
# Samples per thousand below the dark and the bright end.
BLACK, WHITE = 10, 990
# An end that is so close to the format's is that.
_AT_END = 0.002


def luma_counts(small: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How many samples of `tone_measurement.reduced` luma have each of the 256 codes, (256,) int64."""
    return np.bincount(small.ravel(), minlength=LEVEL_BINS)


def quantile(counts: NDArray[np.int64], per_thousand: int) -> int:
    """The code, in 64ths, below which so many of a thousand samples lie; whole numbers, the same on all processors."""
    sums = np.cumsum(counts)
    wanted = int(sums[-1]) * per_thousand
    at = int(np.searchsorted(sums * 1000, wanted))
    below = 1000 * int(sums[at - 1]) if at else 0
    # The samples of a code lie evenly around it.
    return at * PARTS - PARTS // 2 + (wanted - below) * PARTS // (1000 * int(counts[at]))


def level_of(code: float, *, full_range: bool) -> float:
    """A luma code in 64ths as a share of the way from black to white, 0.0001 being the unit."""
    black, white = code_range(full_range=full_range)
    return round((code / PARTS - black) / (white - black), 4)


def points_of(counts: NDArray[np.int64], *, full_range: bool) -> ContrastPoints:
    """Dark and bright end of what was counted."""
    black, white = (level_of(quantile(counts, share), full_range=full_range) for share in (BLACK, WHITE))
    return ContrastPoints(black=black, white=white)


def contrast_points(picture: Picture, *, full_range: bool) -> ContrastPoints:
    """Dark and bright end of a picture."""
    small = reduced(eight_bits(picture.planes[0], picture.format.depth))
    return points_of(luma_counts(small), full_range=full_range)


def even_contrast(picture: Picture, fading: FrameFading, *, full_range: bool) -> Picture:
    """Brings back a picture's contrast.

    The curve is straight between both points, and from them to the format's black and white, which stay. So nothing is
    clipped, and a shot that fades to black still ends in black.

    Args:
        picture: the picture.
        fading: which levels are moved, and where to.
        full_range: whether code values use the whole depth or the studio range.

    Returns:
        The picture at 12 bits with the same layout, chroma's distance from neutral multiplied by the gain between the
        points; the picture itself where nothing is changed.
    """
    if fading.gain == 1:
        return picture
    source = picture.format
    target = deep_format(source)
    codes = np.arange(1 << source.depth, dtype=np.float64)
    wider = code_gain(source, target, full_range=full_range)
    step = code_gain(pixel_format("gray"), source, full_range=full_range)
    black, white = (step * code for code in code_range(full_range=full_range))
    luma = (black + (white - black) * _curve((codes - black) / (white - black), fading)) * wider
    chroma = fading.gain * (codes - source.neutral) * wider + target.neutral
    planes = [map_codes(plane, luma if index == 0 else chroma) for index, plane in enumerate(picture.planes)]
    return Picture(target.name, picture.width, picture.height, tuple(planes))


def _curve(levels: NDArray[np.float64], fading: FrameFading) -> NDArray[np.float64]:
    pairs = [(0.0, 0.0)]
    if fading.from_black > _AT_END:
        pairs.append((fading.from_black, fading.to_black))
    if pairs[-1][0] < fading.from_white < 1 - _AT_END:
        pairs.append((fading.from_white, fading.to_white))
    pairs.append((1.0, 1.0))
    before, after = zip(*pairs, strict=True)
    return np.where((levels > 0) & (levels < 1), np.interp(levels, before, after), levels)
