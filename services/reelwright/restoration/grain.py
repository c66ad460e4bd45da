"""The step that puts grain back, and what of it the other modes use."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.measurement import NO_SCRATCH
from reelwright.restoration.optical_flow import Codes

Luma = NDArray[np.float32]

# Enlarging by OpenCV's cubic kernel (a = -0.75) and averaging back loses fine grain: at the highest frequency 0.69 to
# 0.64 is left in each direction. These taps, outwards from the middle one, are the least-squares inverse of that loss
# for each scale, so that grain keeps its amplitude at every frequency within half a percent in each direction.
_TAPS = {
    2: (1.16022, -0.10835, 0.03326, -0.00502),
    3: (1.18628, -0.1253, 0.03855, -0.00639),
    4: (1.19728, -0.13271, 0.04114, -0.00707),
}
_KERNELS = {scale: np.array([*reversed(taps[1:]), *taps], np.float32) for scale, taps in _TAPS.items()}

# How far from `NO_SCRATCH` a scratch begins and is certain: two and four levels. Along so many rows it is the same, and
# grain averages out.
_BEGINS, _CERTAIN = 16, 32
_SCRATCH_ROWS = 33


@dataclass(frozen=True, slots=True)
class GrainWanted:
    """What is added of the grain that the network removed.

    Attributes:
        keep: the share, 0 to 1.
        is_synthetic: whether it is made anew instead of added back.
        is_measured: whether it is measured, for a player that makes it anew.
        seed: of the title, 0 to 2^64 - 1.
    """

    keep: float
    is_synthetic: bool = False
    is_measured: bool = False
    seed: int = 0


def kept_grain(clean: Luma, luma: Luma, keep: float, scratch: Codes | None = None) -> Luma | None:
    """The share that is kept of the grain that the network removed, enlarged.

    Args:
        clean: (scale * H, scale * W) float32, the enlargement without grain.
        luma: (H, W) float32, the source in [0, 1], without its dust.
        keep: the share, 0 to 1.
        scratch: (H, W) or larger uint8, see `measurement.scratch_map`; None where it was not measured.

    Returns:
        What is to be added to `clean`, in its size; None for nothing.
    """
    if keep == 0:
        return None
    return enlarged_grain(removed_grain(reduced(clean, luma.shape), luma, scratch), clean.shape, keep)


def reduced(clean: Luma, shape: tuple[int, ...]) -> Luma:
    """An enlargement averaged to the source's (rows, columns), float32."""
    return np.asarray(cv2.resize(clean, shape[::-1], interpolation=cv2.INTER_AREA), np.float32)


def removed_grain(small: Luma, luma: Luma, scratch: Codes | None = None) -> Luma:
    """The grain that the network removed: what the source has more, without what was removed of scratches.

    Args:
        small: (H, W) float32, the enlargement without grain, `reduced`.
        luma: see `kept_grain`.
        scratch: see `kept_grain`.

    Returns:
        (H, W) float32.
    """
    removed = luma - small
    if scratch is not None:
        rows, columns = luma.shape
        removed -= _scratches(removed, scratch[:rows, :columns])
    return removed


def enlarged_grain(grain: Luma, shape: tuple[int, ...], keep: float) -> Luma:
    """A share of grain, enlarged so that averaging back gives it again.

    Args:
        grain: (H, W) float32.
        shape: rows and columns of the enlargement.
        keep: the share, above 0.
    """
    kernel = _KERNELS[shape[0] // grain.shape[0]] * np.float32(keep**0.5)
    sharpened = cv2.sepFilter2D(grain, -1, kernel, kernel)
    return np.asarray(cv2.resize(sharpened, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def _scratches(removed: Luma, scratch: Codes) -> Luma:
    """What was removed of scratches: along a lasting line, what is alike in all its rows; (H, W) float32."""
    height = cv2.absdiff(scratch, np.full_like(scratch, NO_SCRATCH))
    # The columns beside a line are its soft edges, and the map is their opposite there.
    height = cv2.dilate(height, np.ones((1, 3), np.uint8)).astype(np.float32)
    share = np.clip((height - _BEGINS) / (_CERTAIN - _BEGINS), 0, 1)
    return np.asarray(cv2.blur(removed, (1, _SCRATCH_ROWS)) * share, np.float32)
