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
from reelwright.restoration.frame_windows import FrameWindow, FrameWindows
from reelwright.restoration.highlights import blown_white, put_back, recovered_detail
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


def flared(frames: Codes, peak: float = 1.2, reach: float = 0.1, speed: float = 0.04) -> Codes:
    """A shot that a flare crosses: light that is added and clipped at white.

    Args:
        frames: (n, H, W) uint8 in studio range.
        peak: the flare's light in its middle, 1 is white.
        reach: standard deviation of the flare as a share of the picture's height.
        speed: share of the picture's width by which it moves to the right from frame to frame.
    """
    rows, columns = frames.shape[1:]
    y, x = np.mgrid[:rows, :columns]
    lit = []
    for index, frame in enumerate(frames):
        right, down = columns * (0.15 + index * speed), rows * (0.35 + 0.25 * index * speed)
        flare = peak * np.exp(-((x - right) ** 2 + (y - down) ** 2) / (2 * (reach * rows) ** 2))
        light = np.clip((frame.astype(np.float64) - 16) / 219, 0, 1) ** _GAMMA + flare
        lit.append(16 + 219 * np.minimum(light, 1) ** (1 / _GAMMA))
    return np.asarray(np.rint(lit), np.uint8)


def pulsing(frames: Codes, gain: float = 1.6) -> Codes:
    """A shot of which every third frame is exposed longer, and clipped at white."""
    levels = np.clip((frames.astype(np.float64) - 16) / 219, 0, 1)
    levels[1::3] = np.minimum(gain * levels[1::3], 1)
    return np.asarray(np.rint(16 + 219 * levels), np.uint8)


def with_ball(frames: Codes, blur: float = 0.0) -> Codes:
    """A shot that a white ball crosses, with a blurred edge: standard deviation as a share of the picture's height."""
    rows, columns = frames.shape[1:]
    found = []
    for index, frame in enumerate(frames):
        ball = np.zeros((rows, columns), np.float32)
        middle = (int(16 * columns * (0.3 + 0.03 * index)), 8 * rows)
        cv2.circle(ball, middle, int(16 * 0.13 * rows), (1.0,), -1, cv2.LINE_AA, 4)
        if blur:
            ball = np.clip(1.3 * cv2.GaussianBlur(ball, (0, 0), blur * rows), 0, 1)
        found.append(np.rint(frame * (1 - ball) + 235 * ball))
    return np.asarray(found, np.uint8)


def before_sky(frames: Codes) -> Codes:
    """A shot whose upper half is a white sky, before which something dark moves."""
    rows, columns = frames.shape[1:]
    high, wide = int(0.35 * rows), max(8, columns // 10)
    thing = np.clip(0.6 * frames[0, rows // 2 - high : rows // 2, columns // 2 : columns // 2 + wide] + 20, 16, 150)
    found = []
    for index, frame in enumerate(frames):
        scene = frame.copy()
        scene[: rows // 2] = 235
        left = int(columns * (0.3 + 0.02 * index))
        scene[rows // 2 - high : rows // 2, left : left + wide] = thing[:, : columns - left]
        found.append(cv2.GaussianBlur(scene, (0, 0), 1))
    return np.asarray(found, np.uint8)


def tones(frames: Codes, recipe: Recipe, cuts: Sequence[int] = (0,)) -> list[FrameTone]:
    """The tones of frames in studio range."""
    stream = with_tone(decoded(frames, cuts), recipe, frames[0].size, full_range=False)
    found = [frame.record.tone for frame in stream]
    return [tone for tone in found if tone is not None]


def opened(frames: Codes, *, glare: float = 0.0, shadows: float = 0.0) -> Codes:
    """A shot in studio range with its tone, without an enlargement."""
    recipe = Recipe(tone=Tone(glare=glare, shadows=shadows))
    shot = list(with_tone(decoded(frames), recipe, frames[0].size, full_range=False))
    windows = FrameWindows([frame.picture for frame in shot], 0, [True] + [False] * (len(shot) - 1))
    return np.stack([toned_luma(frame, windows.window(number)) for number, frame in enumerate(shot)])


def toned_luma(frame: DecodedFrame, window: FrameWindow | None = None) -> Codes:
    """An 8-bit gray frame in studio range with its tone and its neighbours' detail, without an enlargement."""
    tone = frame.record.tone
    assert tone is not None
    luma = frame.picture.planes[0].astype(np.float32) / np.float32(255)
    white = blown_white(tone, level_range(8, full_range=False))
    added = None if window is None or white is None else recovered_detail(window.codes, window.motion.small, white)
    luma = luma if added is None else put_back(luma, added)
    found = tone_map(luma, tone, level_range(8, full_range=False)).apply(luma)
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
