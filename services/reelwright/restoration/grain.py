"""The step that puts grain back."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

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


def kept_grain(clean: Luma, luma: Luma, keep: float) -> Luma | None:
    """The share that is kept of the grain that the network removed.

    The removed grain is the difference between `luma` and `clean` reduced to its size; it is enlarged again.

    Args:
        clean: (scale * H, scale * W) float32, the enlargement without grain.
        luma: (H, W) float32, the source in [0, 1], without its dust.
        keep: the share, 0 to 1.

    Returns:
        What is to be added to `clean`, in its size; None for nothing.
    """
    if keep == 0:
        return None
    rows, columns = luma.shape
    removed = luma - cv2.resize(clean, (columns, rows), interpolation=cv2.INTER_AREA)
    kernel = _KERNELS[clean.shape[0] // rows] * np.float32(keep**0.5)
    sharpened = cv2.sepFilter2D(removed, -1, kernel, kernel)
    return np.asarray(cv2.resize(sharpened, clean.shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)
