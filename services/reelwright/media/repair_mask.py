"""Repair masks: which samples of a frame the repair of dust and scratches changed."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.picture import Picture

Codes = NDArray[np.uint8]

DUST, SCRATCH = 1, 2
"""What a sample of a mask is the sum of: replaced as dust, and changed on a lasting vertical line."""


def mask_picture(mask: Codes) -> Picture:
    """A mask (H, W) uint8 as a picture, as messages carry it."""
    rows, columns = mask.shape
    return Picture("gray", columns, rows, (mask,))


def mask_png(mask: Codes) -> bytes:
    """A mask (H, W) uint8 as a PNG file with one channel whose samples are those of the mask."""
    _, coded = cv2.imencode(".png", mask)
    return coded.tobytes()
