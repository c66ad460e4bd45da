"""Motion strips: a part of some consecutive frames of a shot side by side, which shows flicker and ghosts."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.jpeg import displayed
from reelwright.media.picture import Picture, Plane
from reelwright.media.types import ColourInfo, Crop, FrameRecord

_QUALITY = 90
# Columns by which a crop of a gray and one of a coloured picture are joined: all of them have colour.
_COLOURED = 3


class MotionStrips:
    """Makes the motion strips of a segment from its frames, which are added in order.

    A strip begins with the first frame of a segment that has a crop, and with each preview that has one. It ends before
    a frame that has none.

    Args:
        colour: what the code values of the pictures mean.
        scale: of the pictures against the source.
        put: called with each strip: the index in the segment of its first frame, and the strip as JPEG.
    """

    def __init__(self, colour: ColourInfo, scale: int, put: Callable[[int, bytes], None]) -> None:
        self._colour, self._scale, self._put = colour, scale, put
        self._parts: list[NDArray[np.uint8]] = []
        self._first = 0

    def add(self, offset: int, record: FrameRecord, picture: Picture) -> None:
        """Adds the segment's next frame; one without a crop may be left out before a preview.

        Args:
            offset: its index in the segment.
            record: the frame; its crop lies in the picture.
            picture: without its bars, `scale` times as large as the source's.
        """
        if record.crop is None or record.preview:
            self.end()
        if record.crop is not None:
            self._first = self._first if self._parts else offset
            part = displayed(cropped(picture, record.crop, self._scale), self._colour)
            self._parts.append(part if part.ndim == _COLOURED else np.repeat(part[..., None], _COLOURED, axis=2))

    def end(self) -> None:
        """Puts the strip that is under way, if there is one; called after the segment's last frame."""
        if self._parts:
            _, coded = cv2.imencode(".jpg", np.hstack(self._parts), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
            self._put(self._first, coded.tobytes())
            self._parts = []


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
