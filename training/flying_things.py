"""Things that fly across a clip, light that flashes, leaves in the wind: what stands out of a frame and is no dust."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]

# Things of a clip at most, their radius and speed in pixels (drawn by their logarithms), and the share of a frame's
# time that the shutter is open.
_MOST, _RADIUS, _SPEED, _SHUTTER = 24, (1.0, 40.0), (4.0, 70.0), (0.1, 0.6)
# How much a thing's size changes from frame to frame, and its direction, in radians.
_FLAP, _TURN = 0.25, 0.3
# How much the luma of a thing varies, and over how many pixels.
_VARIES, _GRAIN = 0.2, 4
# How far wind moves leaves from frame to frame, over how many pixels they move alike, both in pixels, how much of their
# way they keep until the next frame, and how much lighter they turn.
_SWAY, _LEAF, _KEPT, _LIGHTER = (0.5, 6.0), (2.0, 12.0), (0.0, 0.9), 0.2
# Gain of a flash, and its reach as a share of the frame's width.
_GAIN, _REACH = (0.6, 1.8), (0.1, 0.6)


class _Thing(NamedTuple):
    """An ellipse: half axes in pixels, radians, its luma (rows, columns) float32 and opacity in [0, 1]."""

    length: float
    wide: float
    angle: float
    value: Field
    opacity: float


def fly(clip: Field, rng: np.random.Generator) -> None:
    """Draws balls, birds or confetti onto a clip (frames, rows, columns), each seen in all frames; changes it."""
    frames, rows, columns = clip.shape
    kind = rng.random(3)
    for _ in range(int(np.exp(rng.uniform(0, np.log(_MOST))))):
        radius, speed = (float(np.exp(rng.uniform(*np.log(each)))) for each in (_RADIUS, _SPEED))
        angle, value, shutter = rng.uniform(0, 2 * np.pi), rng.uniform(0, 1), float(rng.uniform(*_SHUTTER))
        opacity, long = float(rng.uniform(0.5, 1)), float(rng.uniform(0.3, 1))
        luma = np.float32(value) + np.float32(_VARIES * rng.uniform(0, 1)) * _noise((rows, columns), _GRAIN, rng)
        # Seen in the middle frame, wherever it is before and after.
        place = rng.uniform(0, 1, 2) * (columns, rows)
        for step in (1, -1):
            at, way = place.copy(), angle
            for frame in range(frames // 2, frames if step > 0 else -1, step):
                size = radius * np.exp(rng.normal(0, _FLAP * kind[0]))
                if step > 0 or frame != frames // 2:
                    motion = speed * shutter * np.array([np.cos(way), np.sin(way)])
                    moved = np.roll(luma, np.round(at[::-1]).astype(int), (0, 1))
                    thing = _Thing(size, size * long, way + rng.normal(0, 1), moved, opacity)
                    _draw(clip[frame], thing, at, motion)
                way += rng.normal(0, _TURN * kind[1])
                at = at + step * speed * np.array([np.cos(way), np.sin(way)])
    np.clip(clip, 0, 1, out=clip)


def flash(clip: Field, rng: np.random.Generator) -> None:
    """Lightens or darkens a part of one frame with a soft edge; changes the clip."""
    frames, rows, columns = clip.shape
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    middle, reach = rng.uniform(0, 1, 2) * (columns, rows), float(rng.uniform(*_REACH)) * columns
    near = np.exp(-((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / (2 * reach**2))
    frame = clip[int(rng.integers(frames))]
    frame *= (1 + (float(rng.uniform(*_GAIN)) - 1) * near).astype(np.float32)
    np.clip(frame, 0, 1, out=frame)


def rustle(clip: Field, rng: np.random.Generator) -> None:
    """Moves each place of a clip to and fro, as wind moves leaves, and lightens it; changes the clip."""
    rows, columns = clip.shape[1:]
    sway, leaf = (float(np.exp(rng.uniform(*np.log(each)))) for each in (_SWAY, _LEAF))
    kept, lighter = float(rng.uniform(*_KEPT)), float(rng.uniform(0, _LIGHTER))
    # Some of the picture only: where this is above 0.
    where = np.clip(_noise((rows, columns), int(rng.integers(40, 160)), rng) + np.float32(rng.uniform(-0.5, 1.5)), 0, 1)
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    right, down, light = (_noise((rows, columns), leaf, rng) for _ in range(3))
    for frame in clip:
        across, below = (each + np.float32(sway) * way * where for each, way in ((x, right), (y, down)))
        moved = cv2.remap(frame, across, below, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        frame[:] = np.clip(moved * (1 + np.float32(lighter) * light * where), 0, 1)
        right, down, light = (
            np.float32(kept) * each + np.float32((1 - kept**2) ** 0.5) * _noise((rows, columns), leaf, rng)
            for each in (right, down, light)
        )


def _noise(shape: tuple[int, int], size: float, rng: np.random.Generator) -> Field:
    """Normal values on a grid of so many pixels, smooth in between."""
    grid = rng.normal(0, 1, [max(2, round(side / size)) for side in shape]).astype(np.float32)
    return np.asarray(cv2.resize(grid, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def _draw(frame: Field, thing: _Thing, at: NDArray[np.float64], motion: NDArray[np.float64]) -> None:
    """An ellipse of half axes and an angle, smeared along its motion."""
    steps = max(1, int(np.hypot(*motion) / max(1.0, thing.wide)) + 1)
    cover = np.zeros_like(frame)
    for share in (np.arange(steps) + 0.5) / steps - 0.5:
        mask = np.zeros(frame.shape, np.uint8)
        centre = np.round((at + share * motion) * 16).astype(int)
        axes = np.maximum(np.round(np.array([thing.length, thing.wide]) * 16).astype(int), 8)
        cv2.ellipse(
            mask,
            centre.tolist(),
            axes.tolist(),
            float(np.degrees(thing.angle)),
            0,
            360,
            (255,),
            -1,
            cv2.LINE_AA,
            shift=4,
        )
        cover += mask.astype(np.float32) / np.float32(255 * steps)
    frame += (thing.value - frame) * cv2.GaussianBlur(cover, (0, 0), 0.6) * np.float32(thing.opacity)
