"""The step that moves enlarged luma by fractions of a sample.

It comes after the enlargement. A network's detail completes the bicubic kernel at its own places between the samples,
so a kernel at other places would make the picture softer and sharper from frame to frame. An enlarged picture has
little detail near its limit, and this filter keeps what it has.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.float32]

# Reach of the windowed sinc on either side.
_TAPS = 4


def move(luma: Luma, right: float, down: float) -> Luma:
    """Moves a picture; its outermost samples fill what it leaves.

    Args:
        luma: (H, W) float32.
        right: samples to the right.
        down: samples down.

    Returns:
        (H, W) float32; `luma` itself where nothing is moved.
    """
    if right == 0 and down == 0:
        return luma
    whole_right, whole_down = round(right), round(down)
    rows, columns = luma.shape
    reach = max(abs(whole_right), abs(whole_down)) + 1
    wide = cv2.copyMakeBorder(luma, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    top, left = reach - whole_down, reach - whole_right
    shifted = np.ascontiguousarray(wide[top : top + rows, left : left + columns])
    across, along = _kernel(right - whole_right), _kernel(down - whole_down)
    moved = cv2.sepFilter2D(shifted, cv2.CV_32F, across, along, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def _kernel(fraction: float) -> NDArray[np.float32]:
    """Taps that delay by a fraction of a sample, -0.5 to 0.5: a sinc under a Kaiser window (beta 5)."""
    places = np.arange(-_TAPS, _TAPS + 1) + fraction
    window = np.i0(5 * np.sqrt(np.maximum(0, 1 - (places / (_TAPS + 1)) ** 2)))
    taps = np.sinc(places) * window
    return np.asarray(taps / taps.sum(), np.float32)
