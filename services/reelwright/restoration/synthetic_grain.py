"""Makes grain that has the strength, size and correlation of a frame's own, from random numbers of the frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.frame_grain import OCTAVE_UNIT, STRENGTH_UNIT, FrameGrain
from reelwright.restoration.grain import GrainWanted, enlarged_grain, kept_grain, reduced, removed_grain
from reelwright.restoration.grain_model import REACH, GrainModel, measure_grain_model, octave_energies
from reelwright.restoration.optical_flow import Codes

Luma = NDArray[np.float32]

# Eight uniform bytes, added up: their mean and standard deviation.
_MEAN, _DEVIATION = 8 * 127.5, (8 * (256**2 - 1) / 12) ** 0.5
_EVEN_BYTES, _EVEN_WORDS = 0x00FF00FF00FF00FF, 0x0001000100010001


def added_grain(clean: Luma, luma: Luma, scratch: Codes | None, wanted: GrainWanted, *, frame: int) -> Luma | None:
    """What is added of a frame's grain: the grain itself, or grain that is made anew.

    Args:
        clean: see `grain.kept_grain`.
        luma: see `grain.kept_grain`.
        scratch: see `grain.kept_grain`.
        wanted: how much of which.
        frame: number of the frame in the title.

    Returns:
        What is to be added to `clean`, in its size; None for nothing.
    """
    if wanted.keep == 0 or not wanted.is_synthetic:
        return kept_grain(clean, luma, wanted.keep, scratch)
    small = reduced(clean, luma.shape)
    model = measure_grain_model(removed_grain(small, luma, scratch), small)
    return enlarged_grain(synthetic_grain(model, small, wanted.seed, frame), clean.shape, wanted.keep)


def measured_grain(clean: Luma, luma: Luma, scratch: Codes | None, shown: Luma) -> FrameGrain:
    """The grain that the network removed from a frame, for a player that makes it anew.

    Args:
        clean: see `grain.kept_grain`.
        luma: see `grain.kept_grain`.
        scratch: see `grain.kept_grain`.
        shown: (scale * H, scale * W) float32, the luma that the player adds it to; strength goes by its levels.
    """
    small = reduced(clean, luma.shape)
    level = small if shown is clean else reduced(shown, luma.shape)
    return frame_grain(measure_grain_model(removed_grain(small, luma, scratch), small, level))


def frame_grain(model: GrainModel) -> FrameGrain:
    """A measured grain in whole numbers."""
    octaves = octave_energies(model.correlation)
    finest, middle, coarse = (min(max(round(each * OCTAVE_UNIT), 1), OCTAVE_UNIT) for each in octaves)
    strength = np.minimum(np.rint(model.strength * STRENGTH_UNIT), STRENGTH_UNIT).astype(int)
    return FrameGrain(strength=tuple(strength.tolist()), octaves=(finest, middle, coarse))


def synthetic_grain(model: GrainModel, level: Luma, seed: int, frame: int) -> Luma:
    """Grain for a frame: white noise, filtered, times the strength at each level.

    Args:
        model: the grain that is wanted.
        level: (H, W) float32, luma in [0, 1].
        seed: of the film, 0 to 2^64 - 1.
        frame: number of the frame in the title.

    Returns:
        (H, W) float32, in the unit of `level`.
    """
    rows, columns = level.shape
    white = white_noise((rows + 2 * REACH, columns + 2 * REACH), seed, frame)
    field = cv2.filter2D(white, -1, model.kernel)[REACH:-REACH, REACH:-REACH]
    return np.asarray(field * model.strength_at(level), np.float32)


def white_noise(shape: tuple[int, int], seed: int, frame: int) -> Luma:
    """Nearly normal random numbers with a variance of 1, (rows, columns) float32.

    They are sums of whole numbers, and numpy keeps the raw sequence of a generator: they are the same on every machine
    and with every version.
    """
    generator = np.random.Philox(key=np.array([seed, frame], np.uint64))
    raw = generator.random_raw(shape[0] * shape[1])
    pairs = (raw & np.uint64(_EVEN_BYTES)) + ((raw >> np.uint64(8)) & np.uint64(_EVEN_BYTES))
    sums = (pairs * np.uint64(_EVEN_WORDS)) >> np.uint64(48)
    return np.asarray((sums.astype(np.float32) - np.float32(_MEAN)) / np.float32(_DEVIATION)).reshape(shape)
