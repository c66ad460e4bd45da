"""Synthetic moving pictures with texture, two shots and whatever sampling a test asks for."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.picture import PIXEL_FORMATS, Picture

Samples = NDArray[np.float32]

SHOT_FRAMES = 24
_MARGIN = 256


def scene(index: float, pix_fmt: str = "yuv420p", width: int = 160, height: int = 120) -> Picture:
    """The picture at time `index` (in frames; halves are fields): a pan over texture, a new shot every 24 frames.

    The same arguments give the same samples on every machine; limited range.
    """
    fmt = PIXEL_FORMATS[pix_fmt]
    shot = int(index // SHOT_FRAMES)
    # Sharp detail that moves 3 samples a frame, so that a field and its neighbour differ.
    shift = round(3 * (index - shot * SHOT_FRAMES))
    planes = []
    for plane in range(fmt.planes):
        rows, columns = fmt.plane_shape(plane, width, height)
        step = shift >> (fmt.chroma_width_shift if plane else 0)
        texture = _texture(shot * 3 + plane, rows, columns + _MARGIN)[:, step : step + columns]
        centre, span = (60 + 70 * (shot % 2), 40.0) if plane == 0 else (128, 20.0)
        values = np.clip(centre + span * texture, 16, 235) * (1 << (fmt.depth - 8))
        planes.append(np.ascontiguousarray(values.astype(fmt.dtype)))
    return Picture(pix_fmt, width, height, tuple(planes))


def boxed(picture: Picture, left: int = 0, top: int = 0, right: int = 0, bottom: int = 0, noise: int = 0) -> Picture:
    """The picture with its outermost samples replaced by black bars, `noise` being their highest level above 16."""
    fmt = picture.format
    rng = np.random.default_rng(7)
    planes = []
    for index, source in enumerate(picture.planes):
        wide = fmt.chroma_width_shift if index else 0
        high = fmt.chroma_height_shift if index else 0
        rows, columns = source.shape
        bar = np.full(source.shape, 16 if index == 0 else 128, np.int64)
        if index == 0 and noise:
            bar += rng.integers(0, noise + 1, source.shape)
        inside = (slice(top >> high, rows - (bottom >> high)), slice(left >> wide, columns - (right >> wide)))
        plane = (bar << (fmt.depth - 8)).astype(source.dtype)
        plane[inside] = source[inside]
        planes.append(plane)
    return Picture(picture.pix_fmt, picture.width, picture.height, tuple(planes))


def woven(first: Picture, second: Picture, top_first: bool) -> Picture:
    """One interlaced picture of two moments: `first` gives the rows of the field that is shown first."""
    upper, lower = (first, second) if top_first else (second, first)
    planes = []
    for top, bottom in zip(upper.planes, lower.planes, strict=True):
        plane = top.copy()
        plane[1::2] = bottom[1::2]
        planes.append(plane)
    return Picture(first.pix_fmt, first.width, first.height, tuple(planes))


@lru_cache(maxsize=64)
def _texture(seed: int, rows: int, columns: int) -> Samples:
    """Zero-mean detail at several scales, in about [-1, 1]."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((rows, columns)).astype(np.float32)
    layers = [cv2.GaussianBlur(noise, (0, 0), sigma) * sigma for sigma in (1.2, 4.0, 12.0)]
    total = np.sum(layers, axis=0, dtype=np.float32)
    return np.asarray(total / np.abs(total).max(), np.float32)


def telecined(film: list[Picture]) -> list[Picture]:
    """2:3 pull-down, top field first: every four pictures become five, of which two mix their neighbours' fields."""
    video: list[Picture] = []
    for start in range(0, len(film) - 3, 4):
        a, b, c, d = film[start : start + 4]
        video += [a, b, woven(b, c, top_first=True), woven(c, d, top_first=True), d]
    return video
