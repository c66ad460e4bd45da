"""Enlarges chroma planes with a linear filter that keeps each sample at its place. Networks process luma only."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.frame_correction import UNMOVED, Move
from reelwright.media.picture import PixelFormat, Plane
from reelwright.restoration.quantise import quantise

# On the left luma sample, halfway between two rows: MPEG-2 and H.264 where a stream does not say otherwise.
DEFAULT_SITING = (0.0, 0.5)


def enlarge_chroma(
    plane: Plane,
    *,
    source: PixelFormat,
    target: PixelFormat,
    size: tuple[int, int],
    scale: int,
    gain: float,
    siting: tuple[float, float] = DEFAULT_SITING,
    moved: Move = UNMOVED,
    factors: NDArray[np.float32] | None = None,
) -> Plane:
    """Enlarges one chroma plane.

    Args:
        plane: the source's chroma plane (rows, columns), code values in [0, 2**depth - 1].
        source: the source's pixel format.
        target: the enlarged picture's pixel format.
        size: luma columns and rows of the enlarged picture.
        scale: factor by which width and height grow: 2, 3 or 4.
        gain: code values of `target` per code value of `source`.
        siting: where the source's first chroma sample lies, right of and below the first luma sample, in luma samples.
        moved: how the picture is moved, in luma samples of the source.
        factors: (h, w) float32, a picture of factors of the distance from neutral, for the whole plane.

    Returns:
        The plane with the subsampling and depth of `target`, sited as players expect it of H.264: on the left luma
        sample, halfway between two rows. Neutral samples stay exactly neutral.
    """
    rows, columns = target.plane_shape(1, *size)
    # Without subsampling in a direction, chroma lies on the luma samples. A picture is moved by moving its samples.
    across = (siting[0] if source.chroma_width_shift else 0.0) + moved.right
    down = (siting[1] if source.chroma_height_shift else 0.0) + moved.down
    columns_map = _index_map(scale, (source.chroma_width_shift, across), (target.chroma_width_shift, 0.0))
    centred = ((1 << target.chroma_height_shift) - 1) / 2
    rows_map = _index_map(scale, (source.chroma_height_shift, down), (target.chroma_height_shift, centred))
    matrix = np.array([[columns_map[0], 0, columns_map[1]], [0, rows_map[0], rows_map[1]]], np.float64)
    if moved.rotation:
        matrix = _turned_back(matrix, moved.rotation, plane, source)
    colour = plane.astype(np.float32) - np.float32(source.neutral)
    if factors is not None:
        colour *= cv2.resize(factors, colour.shape[::-1], interpolation=cv2.INTER_LINEAR)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    enlarged = cv2.warpAffine(colour, matrix, (columns, rows), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return quantise(np.asarray(enlarged, np.float32), target, gain, target.neutral)


def _turned_back(matrix: NDArray[np.float64], degrees: float, plane: Plane, source: PixelFormat) -> NDArray[np.float64]:
    """The map (2, 3) from target to source indices, turned back about the middle of the source's plane."""
    rows, columns = plane.shape
    # Samples of subsampled planes are as wide and high as several luma samples.
    aspect = 2.0 ** (source.chroma_height_shift - source.chroma_width_shift)
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = np.array([[cosine, sine * aspect], [-sine / aspect, cosine]])
    centre = np.array([(columns - 1) / 2, (rows - 1) / 2])
    turned = turn @ matrix
    turned[:, 2] += centre - turn @ centre
    return turned


def neutral_chroma(target: PixelFormat, size: tuple[int, int]) -> Plane:
    """A chroma plane of neutral samples for a picture whose luma has `size` (columns, rows)."""
    shape = target.plane_shape(1, *size)
    return quantise(np.full(shape, target.neutral, np.float32), target)


def _index_map(scale: int, source: tuple[int, float], target: tuple[int, float]) -> tuple[float, float]:
    """The factors (a, b) with source index i = a * j + b for target index j, along one axis.

    Positions are in luma samples, and luma sample k has its centre at k + 0.5. Sample i of a plane subsampled by 2**s,
    whose first sample lies an offset behind the first luma sample, has its centre at 2**s * i + offset + 0.5.
    Positions scale with the picture.

    Args:
        scale: enlargement.
        source: s and offset of the source.
        target: s and offset of the enlarged plane.
    """
    (source_shift, source_offset), (target_shift, target_offset) = source, target
    a = 2**target_shift / (scale * 2**source_shift)
    b = ((target_offset + 0.5) / scale - source_offset - 0.5) / 2**source_shift
    return a, b
