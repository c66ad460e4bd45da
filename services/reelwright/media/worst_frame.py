"""The frame of a shot that departs most from its source, and the part of it and its neighbours that a strip shows."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from reelwright.media.document_values import DocumentValue
from reelwright.media.picture import Picture, Plane
from reelwright.media.repair_mask import Codes

STRIP_REACH = 2
"""Frames of the shot that a strip shows before and after the worst one."""
CROP_WIDTH, CROP_HEIGHT = 160, 120
"""Size of what a strip shows of each frame, in samples of the source."""
# A part begins at a multiple of so many samples, so that it fits chroma of any subsampling at any scale.
_CELL = 8


class Crop(DocumentValue):
    """A part of a picture without its bars, in samples of the source.

    Attributes:
        left: columns to the left of it.
        top: rows above it.
        width: its columns.
        height: its rows.
    """

    left: int = Field(ge=0)
    top: int = Field(ge=0)
    width: int = Field(ge=1)
    height: int = Field(ge=1)


@dataclass(frozen=True, slots=True)
class WorstFrame:
    """The source's side of a frame that departs more from it than the others of its shot.

    Attributes:
        picture: the source's frame without its bars.
        crop: the part of it that departs most.
        before: number of the frames of `crops` that come before it.
        crops: that part of it and of the frames around it, in order.
        mask: (H, W) uint8, sums of the codes of `media.repair_mask`; None with a network that reads single frames.
    """

    picture: Picture
    crop: Crop
    before: int
    crops: tuple[Picture, ...]
    mask: Codes | None


def fullest_part(values: NDArray[np.float32], width: int, height: int) -> Crop:
    """The part of a picture in which values are largest together; in the middle where all are 0.

    A picture that is smaller than a part is a part as a whole.

    Args:
        values: (h, w) float32, means over blocks of the picture, from 0.
        width: of the picture, in samples.
        height: the same.
    """
    wide, high = min(CROP_WIDTH, width), min(CROP_HEIGHT, height)
    # How many places there are for the part, across and down, in steps of a cell.
    across, down = (width - wide) // _CELL + 1, (height - high) // _CELL + 1
    rows, columns = max(1, high // _CELL), max(1, wide // _CELL)
    cells = cv2.resize(values, (columns + across - 1, rows + down - 1), interpolation=cv2.INTER_NEAREST)
    sums = cv2.integral(cells, sdepth=cv2.CV_64F)
    found = sums[rows:, columns:] - sums[:-rows, columns:] - sums[rows:, :-columns] + sums[:-rows, :-columns]
    top, left = np.unravel_index(int(found.argmax()), found.shape) if values.max() > 0 else (down // 2, across // 2)
    return Crop(left=_CELL * int(left), top=_CELL * int(top), width=wide, height=high)


def cropped(picture: Picture, part: Crop, scale: int) -> Picture:
    """A part of a picture that is `scale` times as large as the source's, in tight planes of its own."""
    fmt, (width, height) = picture.format, (scale * part.width, scale * part.height)
    planes: list[Plane] = []
    for index, plane in enumerate(picture.planes):
        wide, high = (fmt.chroma_width_shift, fmt.chroma_height_shift) if index else (0, 0)
        rows, columns = fmt.plane_shape(index, width, height)
        top, left = scale * part.top >> high, scale * part.left >> wide
        planes.append(plane[top : top + rows, left : left + columns].copy())
    return Picture(picture.pix_fmt, width, height, tuple(planes))
