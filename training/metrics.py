"""PSNR and SSIM of luma."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.float32]


def psnr(error: float) -> float:
    """Peak signal-to-noise ratio in dB of a mean squared error, of luma whose peak is 1."""
    return float(-10 * np.log10(max(error, 1e-12)))


def ssim(found: Luma, truth: Luma) -> float:
    """Structural similarity (Wang et al. 2004): Gaussian windows of sigma 1.5, K1 = 0.01, K2 = 0.03.

    Args:
        found: (rows, columns) float32 in [0, 1].
        truth: of the same shape.
    """

    def mean(field: Luma) -> Luma:
        return np.asarray(cv2.GaussianBlur(field, (11, 11), 1.5), np.float32)

    a, b = mean(found), mean(truth)
    aa, bb, ab = mean(found * found) - a * a, mean(truth * truth) - b * b, mean(found * truth) - a * b
    c1, c2 = np.float32(0.01**2), np.float32(0.03**2)
    index = (2 * a * b + c1) * (2 * ab + c2) / ((a * a + b * b + c1) * (aa + bb + c2))
    # Windows that reach beyond the picture do not count.
    return float(index[5:-5, 5:-5].mean())
