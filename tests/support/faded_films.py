"""Films in which two views alternate, as cutting does, and shots that have faded by a known curve."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from reelwright.decoder.fading import with_fading
from reelwright.media.fading import even_contrast
from reelwright.media.frame_record import DecodedFrame, FrameRecord
from reelwright.media.picture import Picture
from reelwright.titles.recipe import Recipe

FRAME_BYTES = 1 << 16


def faded(picture: Picture, gain: float, lift: float) -> Picture:
    """A picture of 8 bits in studio range that has lost contrast: levels times `gain`, and `lift` levels of 1 more."""
    luma, *chroma = picture.planes
    codes = 16 + (luma.astype(np.float64) - 16) * gain + 219 * lift
    planes = [np.clip(np.rint(codes), 0, 255).astype(np.uint8)]
    planes += [np.rint(128 + (plane.astype(np.float64) - 128) * gain).astype(np.uint8) for plane in chroma]
    return Picture(picture.pix_fmt, picture.width, picture.height, tuple(planes))


def film_of(shots: Iterable[Sequence[Picture]]) -> list[DecodedFrame]:
    """The frames of a film of these shots, as the decoder has them."""
    frames: list[DecodedFrame] = []
    for shot in shots:
        for place, picture in enumerate(shot):
            index = len(frames)
            frames.append(DecodedFrame(index, FrameRecord(pts=index, duration=1, shot_start=place == 0), picture))
    return frames


def with_curves(frames: Iterable[DecodedFrame], strength: float = 1.0) -> list[DecodedFrame]:
    """The frames with what brings back their contrast."""
    return list(with_fading(frames, Recipe(fading=strength), FRAME_BYTES, full_range=False))


def mended(frames: Iterable[DecodedFrame], strength: float = 1.0) -> list[DecodedFrame]:
    """The frames with their contrast brought back, as the worker does it."""
    found = []
    for frame in with_curves(frames, strength):
        assert frame.record.fading is not None
        found.append(replace(frame, picture=even_contrast(frame.picture, frame.record.fading, full_range=False)))
    return found
