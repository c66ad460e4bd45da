"""Puts what the neighbours show where the middle frame of a window shows dust."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.optical_flow import Codes
from reelwright.restoration.window_network import MIDDLE

# Dust scores from here on are replaced in full; the scores are those of `dust.dust_map`.
_FULL = 64


def repair(frames: Codes, dust: Codes) -> Codes:
    """Replaces dust by the median of the four neighbours, which dust of one neighbour at the same place moves little.

    Args:
        frames: (5, H, W) uint8, aligned.
        dust: (H, W) uint8, as measured.

    Returns:
        (H, W) uint8, the middle frame repaired; the middle frame itself where no dust was measured.
    """
    middle = np.asarray(frames[MIDDLE], np.uint8)
    if not dust.any():
        return middle
    share = np.clip(dust.astype(np.float32) * np.float32(1 / _FULL), 0, 1)
    share = np.maximum(cv2.GaussianBlur(share, (3, 3), 0), share)
    y, x = np.nonzero(share)
    neighbours = np.sort(np.delete(frames[:, y, x], MIDDLE, axis=0), axis=0).astype(np.float32)
    scene, old = neighbours[1:3].mean(axis=0), middle[y, x].astype(np.float32)
    repaired = middle.copy()
    repaired[y, x] = np.rint(old + share[y, x] * (scene - old))
    return repaired


def repair_luma(luma: NDArray[np.float32], codes: Codes, repaired: Codes) -> NDArray[np.float32]:
    """Repairs luma of any depth as its 8-bit codes were repaired; in place.

    Args:
        luma: (h, w) float32 in [0, 1].
        codes: (H, W) uint8, the frame at 8 bits, at least as large.
        repaired: (H, W) uint8, the same repaired.

    Returns:
        `luma`; where the codes are equal it is unchanged.
    """
    rows, columns = luma.shape
    change = cv2.subtract(repaired[:rows, :columns], codes[:rows, :columns], dtype=cv2.CV_32F)
    luma += change * np.float32(1 / 255)
    return luma
