"""Enlarges chroma with a linear filter that keeps it where it belongs: no network ever sees colour."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.picture import PixelFormat, Plane

Samples = NDArray[np.float32]


def enlarge_chroma(
    plane: Plane, source: PixelFormat, target: PixelFormat, size: tuple[int, int], scale: int, gain: float
) -> Plane:
    """One chroma plane of the enlarged picture.

    Args:
        plane: the source's, (rows, columns), in [0, 2**depth - 1].
        source: the source's pixel format.
        target: the enlarged picture's.
        size: the enlarged picture's luma columns and rows.
        scale: enlargement.
        gain: code values of `target` per code value of `source`.

    Returns:
        The plane in `target`'s sampling and depth; neutral samples come out exactly neutral.
    """
    rows, columns = target.plane_shape(1, *size)
    across = _affine(scale, source.chroma_width_shift, target.chroma_width_shift, sited_left=True)
    down = _affine(scale, source.chroma_height_shift, target.chroma_height_shift, sited_left=False)
    matrix = np.array([[across[0], 0, across[1]], [0, down[0], down[1]]], np.float64)
    colour = plane.astype(np.float32) - np.float32(source.neutral)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    enlarged = cv2.warpAffine(colour, matrix, (columns, rows), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return quantise(np.asarray(enlarged, np.float32) * np.float32(gain) + np.float32(target.neutral), target)


def neutral_chroma(target: PixelFormat, size: tuple[int, int]) -> Plane:
    """A chroma plane without colour for a picture of `size` (columns, rows)."""
    shape = target.plane_shape(1, *size)
    return quantise(np.full(shape, target.neutral, np.float32), target)


def quantise(samples: Samples, target: PixelFormat) -> Plane:
    """Code values rounded to the nearest and held to the depth of `target`; `samples` is overwritten.

    In place, because fresh pages for each step of a large plane cost more than the step.
    """
    codes = np.clip(np.rint(samples, out=samples), 0, (1 << target.depth) - 1, out=samples)
    return codes.astype(np.uint8) if target.depth == 8 else codes.astype(np.uint16)


def _affine(scale: int, source_shift: int, target_shift: int, *, sited_left: bool) -> tuple[float, float]:
    """Source index i = a * j + b of target index j along one axis.

    Sample i of a plane subsampled by 2**s lies at luma position 2**s * i + 0.5 where it is sited on the left luma
    sample (MPEG-2 and H.264 default, horizontally), at 2**s * (i + 0.5) where it is centred (vertically). Positions
    scale with the picture, luma samples being centred on index + 0.5.
    """

    def offset(shift: int) -> float:
        return 0.5 if sited_left else 2**shift / 2

    a = 2**target_shift / (scale * 2**source_shift)
    b = (offset(target_shift) / scale - offset(source_shift)) / 2**source_shift
    return a, b
