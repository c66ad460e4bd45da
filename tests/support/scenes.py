"""Draws synthetic moving pictures with texture and shots, in any pixel format."""

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
    """Draws one picture of a scene: a pan over texture, with a new shot every 24 frames.

    Args:
        index: time in frames; halves are fields.
        pix_fmt: pixel format; samples are in studio range.
        width: in luma samples.
        height: in luma samples.

    Returns:
        The picture; the same arguments give the same samples on every machine.
    """
    fmt = PIXEL_FORMATS[pix_fmt]
    shot = int(index // SHOT_FRAMES)
    # The texture moves by 3 samples per frame, so that two fields of a frame differ.
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


def with_bars(
    picture: Picture, left: int = 0, top: int = 0, right: int = 0, bottom: int = 0, noise: int = 0
) -> Picture:
    """Replaces the outer samples of a picture by black bars.

    Args:
        picture: the picture.
        left: width of the left bar in luma samples; the others likewise.
        top: height of the upper bar.
        right: width of the right bar.
        bottom: height of the lower bar.
        noise: highest luma level of the bars above 16.
    """
    fmt = picture.format
    rng = np.random.default_rng(7)
    planes = []
    for index, source in enumerate(picture.planes):
        width_shift = fmt.chroma_width_shift if index else 0
        height_shift = fmt.chroma_height_shift if index else 0
        rows, columns = source.shape
        bar = np.full(source.shape, 16 if index == 0 else 128, np.int64)
        if index == 0 and noise:
            bar += rng.integers(0, noise + 1, source.shape)
        inside = (
            slice(top >> height_shift, rows - (bottom >> height_shift)),
            slice(left >> width_shift, columns - (right >> width_shift)),
        )
        plane = (bar << (fmt.depth - 8)).astype(source.dtype)
        plane[inside] = source[inside]
        planes.append(plane)
    return Picture(picture.pix_fmt, picture.width, picture.height, tuple(planes))  # type: ignore[arg-type]


def interlaced(first: Picture, second: Picture, top_first: bool) -> Picture:
    """Combines two pictures into an interlaced one; `first` supplies the rows of the field that is shown first."""
    upper, lower = (first, second) if top_first else (second, first)
    planes = []
    for top, bottom in zip(upper.planes, lower.planes, strict=True):
        plane = top.copy()
        plane[1::2] = bottom[1::2]
        planes.append(plane)
    return Picture(first.pix_fmt, first.width, first.height, tuple(planes))


@lru_cache(maxsize=64)
def _texture(seed: int, rows: int, columns: int) -> Samples:
    """Noise at several scales with a mean near 0: (rows, columns) in [-1, 1]."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((rows, columns)).astype(np.float32)
    layers = [cv2.GaussianBlur(noise, (0, 0), sigma) * sigma for sigma in (1.2, 4.0, 12.0)]
    total = np.sum(layers, axis=0, dtype=np.float32)
    return np.asarray(total / np.abs(total).max(), np.float32)


def telecined(film: list[Picture]) -> list[Picture]:
    """Applies 2:3 pull-down, top field first: four pictures become five, and two of them mix fields of two pictures."""
    video: list[Picture] = []
    for start in range(0, len(film) - 3, 4):
        a, b, c, d = film[start : start + 4]
        video += [a, b, interlaced(b, c, top_first=True), interlaced(c, d, top_first=True), d]
    return video
