"""The step that takes glare off and opens shadows, by the numbers that the decoder's look-ahead found for the shot.

What is done to a picture is found on its luma at a quarter of the source's size. A guided filter (He, Sun and Tang,
IEEE PAMI 35(6), 2013) splits it into base and detail. The base gets the shot's curve, and detail is never made weaker.
A second one (as He and Sun, arXiv 1505.00996, enlarge it) describes the change as a factor and an offset that vary
slowly, so that it follows the edges of the large picture without a halo. The step works on the whole picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.frame_correction import FrameTone, ToneChange
from reelwright.media.tone_measurement import GAMMA, HIGHLIGHTS, SHADOWS, LevelRange, bleeding

Luma = NDArray[np.float32]
Field = NDArray[np.float64]

_REDUCTION = 4
# Radius of the guided filters as a share of the picture's height, and the variance that they take for detail.
_RADIUS = 1 / 40
_DETAIL = 0.05**2
_FIT = 0.01**2
# Bleeding is at most so much of a pixel's light.
_MOST_BLEEDING = 0.7
# Chroma follows luma within these factors.
_LEAST_COLOUR, _MOST_COLOUR = 0.5, 2.5
# Near black, where the ratio says nothing.
_DARK = 0.03
# A smaller change of luma is none.
_CHANGED = 0.01
# What is darker than the mid-tones comes closer to them by this share of the way at most. A curve that begins with a
# slope of up to 3 moves nothing further.
_MOST_APPROACH = 0.5
_ROWS = 64


@dataclass(frozen=True, slots=True)
class ToneMap:
    """What is done to a picture, at a quarter of its source's size.

    Attributes:
        gain: (h, w) float32, factor of luma.
        offset: (h, w) float32, is added afterwards; luma is a share of the largest code value.
        colour: (h, w) float32, factor of chroma's distance from neutral.
        change: what it comes to.
        limits: where black and the shot's white lie.
    """

    gain: Luma
    offset: Luma
    colour: Luma
    change: ToneChange
    limits: LevelRange

    def apply(self, luma: Luma) -> Luma:
        """Changes enlarged luma (H, W) float32 in place, and returns it.

        No mid-tone is lifted with the dark parts around it.
        """
        rows, columns = luma.shape
        tall = (self.gain.shape[1], rows)
        gain, offset = (cv2.resize(each, tall, interpolation=cv2.INTER_LINEAR) for each in (self.gain, self.offset))
        black, white = self.limits
        nearer = np.float32(_MOST_APPROACH * (black + SHADOWS * (white - black)))
        most = np.empty((_ROWS, columns), np.float32)
        # A few rows at a time stay in the processor's cache.
        for top in range(0, rows, _ROWS):
            part = luma[top : top + _ROWS]
            size = (columns, len(part))
            limit = np.multiply(part, np.float32(1 - _MOST_APPROACH), out=most[: len(part)])
            limit += nearer
            np.maximum(limit, part, out=limit)
            part *= cv2.resize(gain[top : top + _ROWS], size, interpolation=cv2.INTER_LINEAR)
            part += cv2.resize(offset[top : top + _ROWS], size, interpolation=cv2.INTER_LINEAR)
            np.minimum(part, limit, out=part)
        return luma


def tone_map(luma: Luma, tone: FrameTone, limits: LevelRange) -> ToneMap:
    """Finds what is done to a picture.

    Args:
        luma: (H, W) float32, the source's, in [0, 1] of the largest code value.
        tone: the numbers of its shot.
        limits: where black and white lie.
    """
    rows, columns = luma.shape
    size = (max(1, round(columns / _REDUCTION)), max(1, round(rows / _REDUCTION)))
    limits = limits.up_to(tone.white)
    small = limits.levels(np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.float32))
    box = 2 * max(1, round(_RADIUS * len(small))) + 1
    clear = _without_veil(small, tone.veil)
    base = _guided(clear, clear, box, _DETAIL)
    opened, slope = _curve(base, tone)
    detail = np.clip(slope, 1, tone.detail)
    # As `ToneMap.apply` bounds it.
    most = np.maximum(small, small + _MOST_APPROACH * (SHADOWS - small))
    change = np.minimum(opened + detail * (clear - base), most) - small
    gain, offset = _linear(small, change, box, _Ridge(_FIT, np.asarray(detail - 1)))
    toned = small + change
    colour = (np.maximum(toned, 0) + _DARK) / (np.maximum(small, 0) + _DARK)
    span = limits.white - limits.black
    return ToneMap(
        gain=(1 + gain).astype(np.float32),
        offset=(offset * span - gain * limits.black).astype(np.float32),
        colour=np.clip(colour, _LEAST_COLOUR, _MOST_COLOUR).astype(np.float32),
        change=ToneChange(
            # A damaged picture may have codes above its depth.
            brightness=round(100 * min(1.0, max(-1.0, float(change.mean()))), 3),
            changed=round(float((np.abs(change) >= _CHANGED).mean()), 4),
        ),
        limits=limits,
    )


def _without_veil(levels: Field, veil: float) -> Field:
    """Levels without the light that bleeds from highlights."""
    if veil == 0:
        return levels
    inside = np.clip(levels, 0, 1)
    light = inside**GAMMA
    darker = light - np.minimum(veil * bleeding(light), _MOST_BLEEDING * light)
    return levels - inside + darker ** (1 / GAMMA)


def _curve(base: Field, tone: FrameTone) -> tuple[Field, Field]:
    """The base with shadows and highlights opened, and the curve's slope there; mid-tones stay."""
    dark = np.clip(base / SHADOWS, 0, 1)
    bright = np.clip((1 - base) / (1 - HIGHLIGHTS), 0, 1)
    opened = base + SHADOWS * tone.shadows * dark * (1 - dark) ** 2
    opened -= (1 - HIGHLIGHTS) * tone.highlights * bright * (1 - bright) ** 2
    # Above the shot's white and below black nothing changes.
    inside = (base > 0) & (base < 1)
    steeper = tone.shadows * (1 - dark) * (1 - 3 * dark) + tone.highlights * (1 - bright) * (1 - 3 * bright)
    return opened, np.where(inside, 1 + steeper, 1)


def _guided(values: Field, guide: Field, box: int, detail: float) -> Field:
    """Smooths values along the guide, whose variance below `detail` is not followed."""
    gain, offset = _linear(guide, values, box, _Ridge(detail, np.zeros_like(guide)))
    return np.asarray(gain * guide + offset)


class _Ridge(NamedTuple):
    """The factor (h, w) that is taken where the guide has less variance than this."""

    variance: float
    factor: Field


def _linear(guide: Field, values: Field, box: int, ridge: _Ridge) -> tuple[Field, Field]:
    """Factor and offset that make values of the guide in each neighbourhood, as smooth fields.

    Args:
        guide: (h, w).
        values: (h, w).
        box: side of a neighbourhood, in pixels.
        ridge: what is taken where the guide shows too little.
    """
    mean, mean_values = _mean(guide, box), _mean(values, box)
    variance = _mean(guide * guide, box) - mean * mean
    together = _mean(guide * values, box) - mean * mean_values
    gain = (together + ridge.variance * _mean(ridge.factor, box)) / (np.maximum(variance, 0) + ridge.variance)
    return _mean(gain, box), _mean(mean_values - gain * mean, box)


def _mean(values: Field, box: int) -> Field:
    return np.asarray(cv2.blur(values, (box, box), borderType=cv2.BORDER_REFLECT))
