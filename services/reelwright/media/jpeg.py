"""JPEG files of pictures, for previews and the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.colour import RANGE_FULL, RANGE_LIMITED, presumed_matrix
from reelwright.media.encode import set_colour, video_frame
from reelwright.media.picture import Picture
from reelwright.media.source_info import ColourInfo

PREVIEW_WIDTH = 1280
"""Most columns of a picture for the report."""
_QUALITY, _STRIP_QUALITY = 85, 90
# Columns by which gray and coloured pictures are joined: all of them have colour.
_COLOURED = 3
_Image = NDArray[np.uint8]


def jpeg(picture: Picture, colour: ColourInfo, max_width: int) -> bytes:
    """The picture as a JPEG file, at most `max_width` columns wide. The colour tags say what its code values mean."""
    width = min(max_width, picture.width)
    height = max(1, round(picture.height * width / picture.width))
    image = displayed(picture, colour)
    if width < picture.width:
        image = cast("_Image", cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
    _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return coded.tobytes()


def strip(pictures: Sequence[Picture], colour: ColourInfo) -> bytes:
    """Pictures of one size side by side as a JPEG file. See `jpeg`."""
    shown = [displayed(picture, colour) for picture in pictures]
    shown = [each if each.ndim == _COLOURED else np.repeat(each[..., None], _COLOURED, axis=2) for each in shown]
    _, coded = cv2.imencode(".jpg", np.hstack(shown), [cv2.IMWRITE_JPEG_QUALITY, _STRIP_QUALITY])
    return coded.tobytes()


def displayed(picture: Picture, colour: ColourInfo) -> _Image:
    """The picture as a screen shows it: (H, W, 3) uint8, BGR, or (H, W) uint8 for one plane. See `jpeg`."""
    return _gray(picture, colour) if picture.format.planes == 1 else _bgr(picture, colour)


def _bgr(picture: Picture, colour: ColourInfo) -> _Image:
    frame = video_frame(picture)
    set_colour(frame, _explicit(picture, colour))
    return cast("_Image", frame.reformat(format="bgr24", dst_color_range=RANGE_FULL, threads=1).to_ndarray())


def _gray(picture: Picture, colour: ColourInfo) -> _Image:
    """Luma spread to 0..255: limited range runs from 16 to 235, scaled to the depth (ITU-R BT.709, 4.6)."""
    full = colour.range == RANGE_FULL
    black, span = (0, 255) if full else (16, 219)
    unit = 1 << (picture.format.depth - 8)
    codes = np.arange(256 * unit, dtype=np.float32) / unit
    table = np.clip(np.rint((codes - black) * (255 / span)), 0, 255).astype(np.uint8)
    return table[picture.planes[0]]


def _explicit(picture: Picture, colour: ColourInfo) -> ColourInfo:
    """The tags, with a value for matrix and range where they have none, so that the scaler does not choose one."""
    matrix = presumed_matrix(picture.width, picture.height) if colour.matrix in {0, 2} else colour.matrix
    return colour.model_copy(update={"matrix": matrix, "range": colour.range or RANGE_LIMITED})
