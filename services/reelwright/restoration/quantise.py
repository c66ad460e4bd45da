"""The step that rounds samples to the code values of a pixel format."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.picture import PixelFormat, Plane


def quantise(samples: NDArray[np.float32], target: PixelFormat, gain: float = 1.0, offset: float = 0.0) -> Plane:
    """Rounds float32 samples times `gain` plus `offset` to integers and clips them to the depth of `target`.

    A half is rounded to the even integer. Above 8 bits `samples` is overwritten: allocating a large plane for each step
    costs more than the step.

    Returns:
        uint8 for a depth of 8 bits, uint16 otherwise; same shape as `samples`.
    """
    if target.depth == 8:
        return np.asarray(cv2.addWeighted(samples, gain, samples, 0, offset, dtype=cv2.CV_8U), np.uint8)
    samples *= np.float32(gain)
    samples += np.float32(offset)
    codes = np.clip(np.rint(samples, out=samples), 0, (1 << target.depth) - 1, out=samples)
    return codes.astype(np.uint16)
