"""Enlarges chroma planes with a linear filter that keeps each sample at its place. Networks process luma only."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.picture import PixelFormat, Plane

Samples = NDArray[np.float32]


def enlarge_chroma(
    plane: Plane, source: PixelFormat, target: PixelFormat, size: tuple[int, int], scale: int, gain: float
) -> Plane:
    """Enlarges one chroma plane.

    Args:
        plane: the source's chroma plane (rows, columns), code values in [0, 2**depth - 1].
        source: the source's pixel format.
        target: the enlarged picture's pixel format.
        size: luma columns and rows of the enlarged picture.
        scale: factor by which width and height grow: 2, 3 or 4.
        gain: code values of `target` per code value of `source`.

    Returns:
        The plane with the subsampling and depth of `target`. Neutral samples stay exactly neutral.
    """
    rows, columns = target.plane_shape(1, *size)
    columns_map = _index_map(scale, source.chroma_width_shift, target.chroma_width_shift, sited_left=True)
    rows_map = _index_map(scale, source.chroma_height_shift, target.chroma_height_shift, sited_left=False)
    matrix = np.array([[columns_map[0], 0, columns_map[1]], [0, rows_map[0], rows_map[1]]], np.float64)
    colour = plane.astype(np.float32) - np.float32(source.neutral)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    enlarged = cv2.warpAffine(colour, matrix, (columns, rows), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return quantise(np.asarray(enlarged, np.float32) * np.float32(gain) + np.float32(target.neutral), target)


def neutral_chroma(target: PixelFormat, size: tuple[int, int]) -> Plane:
    """A chroma plane of neutral samples for a picture whose luma has `size` (columns, rows)."""
    shape = target.plane_shape(1, *size)
    return quantise(np.full(shape, target.neutral, np.float32), target)


def quantise(samples: Samples, target: PixelFormat) -> Plane:
    """Rounds float32 code values to integers and clips them to the depth of `target`; `samples` is overwritten.

    The work is done in place, because allocating a large plane for each step costs more than the step.

    Returns:
        uint8 for a depth of 8 bits, uint16 otherwise; same shape as `samples`.
    """
    codes = np.clip(np.rint(samples, out=samples), 0, (1 << target.depth) - 1, out=samples)
    return codes.astype(np.uint8) if target.depth == 8 else codes.astype(np.uint16)


def _index_map(scale: int, source_shift: int, target_shift: int, *, sited_left: bool) -> tuple[float, float]:
    """The factors (a, b) with source index i = a * j + b for target index j, along one axis.

    Positions are in luma samples, and luma sample k has its centre at k + 0.5. Sample i of a plane subsampled by 2**s
    has its centre at 2**s * i + 0.5 if it is sited on the left luma sample (horizontally, the default of MPEG-2 and
    H.264), and at 2**s * (i + 0.5) if it is centred (vertically). Positions scale with the picture.
    """

    def offset(shift: int) -> float:
        return 0.5 if sited_left else 2**shift / 2

    a = 2**target_shift / (scale * 2**source_shift)
    b = (offset(target_shift) / scale - offset(source_shift)) / 2**source_shift
    return a, b
