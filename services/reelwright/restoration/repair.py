"""Puts what the adjacent frames show where the middle frame of a window shows dust."""

from __future__ import annotations

import cv2
import numpy as np

from reelwright.restoration.alignment import MIDDLE, Codes

# Dust scores from here on are replaced in full; the scores are those of `measurement.dust_map`.
_FULL = 64


def repair(frames: Codes, dust: Codes) -> Codes:
    """Replaces dust by the mean of the frame before and the frame after.

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
    scene = (frames[MIDDLE - 1].astype(np.float32) + frames[MIDDLE + 1]) / 2
    return np.asarray(np.rint(middle + share * (scene - middle)), np.uint8)
