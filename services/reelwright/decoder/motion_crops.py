"""Chooses the part of a shot that its motion strip shows: where most changes from frame to frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import cv2
import numpy as np

from reelwright.decoder.segmenter import PREVIEW_OFFSETS, with_neighbours
from reelwright.media.picture import Picture, eight_bits
from reelwright.media.types import Crop, DecodedFrame

# Frames of a motion strip, and the size of what it shows of each, in samples of the source.
MOTION_FRAMES = 6
CROP_WIDTH, CROP_HEIGHT = 160, 120
# A strip shows where the frame two later differs most; changes are compared in squares of so many samples.
_AHEAD, _CELL = 2, 8


def with_motion_crops(frames: Iterable[DecodedFrame]) -> Iterator[DecodedFrame]:
    """Yields the frames; `record.crop` of a preview and the frames after it says what a motion strip shows of them.

    All frames of a strip have the same crop. Two frames are held back.
    """
    offset, chosen = 0, None
    for frame, _, later in with_neighbours(frames, _AHEAD):
        offset = 0 if frame.record.shot_start else offset + 1
        since = min(offset - preview for preview in PREVIEW_OFFSETS if offset >= preview)
        if since == 0:
            chosen = motion_crop(frame.picture, later[-1].picture if later else frame.picture)
        crop = chosen if since < MOTION_FRAMES else None
        yield replace(frame, record=frame.record.model_copy(update={"crop": crop})) if crop else frame


def motion_crop(one: Picture, other: Picture) -> Crop:
    """The part of a picture where it differs most from another one; in the middle where nothing differs.

    Left and top are multiples of 8, so that they fit chroma of any subsampling at any scale. Pictures that are
    smaller than a part are a part as a whole.
    """
    width, height = (min(most, side) for most, side in ((CROP_WIDTH, one.width), (CROP_HEIGHT, one.height)))
    depth = one.format.depth
    change = cv2.absdiff(eight_bits(one.planes[0], depth), eight_bits(other.planes[0], depth))
    # How many places there are for the part, across and down, in steps of a cell.
    across, down = (one.width - width) // _CELL + 1, (one.height - height) // _CELL + 1
    sums = cv2.integral(np.asarray(change, np.uint8), sdepth=cv2.CV_64F)
    rows, columns = _CELL * np.arange(down)[:, None], _CELL * np.arange(across)[None, :]
    found = sums[rows + height, columns + width] - sums[rows, columns + width]
    found += sums[rows, columns] - sums[rows + height, columns]
    top, left = np.unravel_index(int(found.argmax()), found.shape) if found.max() else (down // 2, across // 2)
    return Crop(left=_CELL * int(left), top=_CELL * int(top), width=width, height=height)
