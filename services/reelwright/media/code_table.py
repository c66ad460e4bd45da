"""Maps a picture's code values to 12 bits by a table, as the steps that change light or contrast do."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.picture import PixelFormat, Plane, pixel_format

# Rounding is invisible at this depth, while at 8 bits it would leave steps.
DEPTH = 12


def code_gain(source: PixelFormat, target: PixelFormat, *, full_range: bool) -> float:
    """Code values of `target` per code value of `source`.

    In studio range, ITU-R BT.709 and BT.2100 multiply code values by two for each bit of depth.
    """
    if full_range:
        return ((1 << target.depth) - 1) / ((1 << source.depth) - 1)
    return 2.0 ** (target.depth - source.depth)


def deep_format(source: PixelFormat) -> PixelFormat:
    """The format of 12 bits with the same layout."""
    return pixel_format(f"{source.name.removesuffix('10le').removesuffix('12le')}{DEPTH}le")


def map_codes(plane: Plane, codes: NDArray[np.float64]) -> Plane:
    """A plane whose code values are looked up, rounded and clipped to 12 bits; same shape, uint16.

    Args:
        plane: uint8 or uint16.
        codes: (2**depth,), for each code value of the plane's depth its value at 12 bits.
    """
    table = np.clip(np.rint(codes), 0, (1 << DEPTH) - 1).astype(np.uint16)
    if plane.dtype == np.uint8:
        return np.asarray(cv2.LUT(plane, table), np.uint16)
    # A damaged picture may have codes above its depth.
    return table[np.minimum(plane, len(table) - 1)]
