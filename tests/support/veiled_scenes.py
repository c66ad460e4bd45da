"""Bloom and crushed shadows that are known, and the film opened again as decoder and worker do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.decoder.tone_curves import with_tone
from reelwright.media.frame_correction import FrameTone
from reelwright.media.frame_record import DecodedFrame
from reelwright.media.tone_measurement import level_range
from reelwright.restoration.tone import tone_map
from reelwright.titles.recipe import Recipe, Tone
from tests.support.aged_scenes import decoded

Codes = NDArray[np.uint8]
Numbers = NDArray[np.float64]
Mask = NDArray[np.bool_]

_GAMMA = 2.2
# What the damage changed by fewer 8-bit codes is elsewhere.
_REGION = 4


def levels(frames: Codes) -> Numbers:
    """Levels of 8-bit luma in studio range, as a share of the way from black to the shot's white."""
    return (frames.astype(np.float64) - 16) / 219 / _white(frames)


def _white(frames: Codes) -> float:
    return float(np.clip((np.quantile(frames, 0.995) - 16) / 219, 0.6, 1))


def bloomed(frames: Codes, amount: float, reach: float = 0.05, threshold: float = 0.5) -> Codes:
    """Adds blurred highlights to a shot, in linear light.

    Args:
        frames: (n, H, W) uint8 in studio range.
        amount: share of the highlights' light above the threshold that is added.
        reach: standard deviation of the blur as a share of the picture's height.
        threshold: of a highlight's linear light.
    """
    lit = []
    for each in levels(frames):
        light = np.maximum(each, 0) ** _GAMMA
        highlights = np.maximum(np.minimum(light, 1) - threshold, 0)
        blurred = cv2.GaussianBlur(highlights, (0, 0), reach * len(each), borderType=cv2.BORDER_REFLECT)
        lit.append(16 + 219 * _white(frames) * (light + amount * blurred) ** (1 / _GAMMA))
    return np.asarray(np.clip(np.rint(lit), 0, 255), np.uint8)


def crushed(frames: Codes, power: float, below: float = 0.4) -> Codes:
    """Presses levels below a level towards black, by a power of their share of it."""
    found = levels(frames)
    pressed = np.where(found < below, below * np.clip(found / below, 0, 1) ** power, found)
    return np.asarray(np.clip(np.rint(16 + 219 * _white(frames) * pressed), 0, 255), np.uint8)


def tones(frames: Codes, recipe: Recipe, cuts: Sequence[int] = (0,)) -> list[FrameTone]:
    """The tones of frames in studio range."""
    stream = with_tone(decoded(frames, cuts), recipe, frames[0].size, full_range=False)
    found = [frame.record.tone for frame in stream]
    return [tone for tone in found if tone is not None]


def opened(frames: Codes, *, glare: float = 0.0, shadows: float = 0.0) -> Codes:
    """A shot in studio range with its tone, without an enlargement."""
    recipe = Recipe(tone=Tone(glare=glare, shadows=shadows))
    stream = with_tone(decoded(frames), recipe, frames[0].size, full_range=False)
    return np.stack([toned_luma(frame) for frame in stream])


def toned_luma(frame: DecodedFrame) -> Codes:
    """An 8-bit gray frame in studio range with its tone, without an enlargement."""
    assert frame.record.tone is not None
    luma = frame.picture.planes[0].astype(np.float32) / np.float32(255)
    found = tone_map(luma, frame.record.tone, level_range(8, full_range=False)).apply(luma)
    return np.asarray(np.clip(np.rint(255 * found), 0, 255), np.uint8)


@dataclass(frozen=True, slots=True)
class Result:
    """What is left of damage, in 8-bit codes.

    Attributes:
        region: share of the picture that the damage changed.
        before: root mean square error there, damaged.
        after: the same, opened.
        elsewhere_before: the error in the rest of the picture, damaged.
        elsewhere_after: the same, opened.
        midtones: by how many per cent the mean of the mid-tones outside the region is off, opened.
        flicker_before: standard deviation of the mean error's change from frame to frame, damaged.
        flicker_after: the same, opened.
    """

    region: float
    before: float
    after: float
    elsewhere_before: float
    elsewhere_after: float
    midtones: float
    flicker_before: float
    flicker_after: float


def compare(truth: Codes, damaged: Codes, found: Codes) -> Result:
    """Compares a shot that was opened with the truth, inside and outside of the damage."""
    wanted = truth.astype(np.float64)
    region = np.abs(damaged - wanted) >= _REGION
    level = levels(truth)
    middle = ~region & (level > 0.4) & (level < 0.65)

    def error(codes: Codes, mask: Mask) -> float:
        return float(np.sqrt(np.mean(np.square(codes - wanted)[mask]))) if mask.any() else 0.0

    def flicker(codes: Codes) -> float:
        change = np.diff((codes - wanted).mean(axis=(1, 2)))
        return float(change.std()) if len(change) else 0.0

    midtones = float(100 * (found[middle].mean() / wanted[middle].mean() - 1)) if middle.any() else 0.0
    return Result(
        float(region.mean()),
        error(damaged, region),
        error(found, region),
        error(damaged, ~region),
        error(found, ~region),
        midtones,
        flicker(damaged),
        flicker(found),
    )
