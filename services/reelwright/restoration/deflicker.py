"""The step that evens out light: each code value is mapped as the decoder's look-ahead says, before anything else."""

from __future__ import annotations

import cv2
import numpy as np

from reelwright.media.frame_correction import FrameCorrection
from reelwright.media.picture import Picture, Plane, pixel_format

# Rounding is invisible at this depth, while at 8 bits it would leave steps.
_DEPTH = 12


def even_light(picture: Picture, correction: FrameCorrection, *, full_range: bool) -> Picture:
    """Evens out a picture's light.

    Args:
        picture: the picture.
        correction: its gain and offset.
        full_range: whether code values use the whole depth or the studio range.

    Returns:
        The picture at 12 bits with the same layout; neutral chroma stays neutral.
    """
    source = picture.format
    target = pixel_format(f"{source.name.removesuffix('10le').removesuffix('12le')}{_DEPTH}le")
    codes = np.arange(1 << source.depth, dtype=np.float64)
    # As `quantise.code_gain` counts.
    wider = 2.0 ** (_DEPTH - source.depth)
    if full_range:
        wider = ((1 << _DEPTH) - 1) / ((1 << source.depth) - 1)
    luma = (correction.gain * codes + correction.offset * ((1 << source.depth) - 1)) * wider
    chroma = correction.gain * (codes - source.neutral) * wider + target.neutral
    planes = [_mapped(plane, luma if index == 0 else chroma) for index, plane in enumerate(picture.planes)]
    return Picture(target.name, picture.width, picture.height, tuple(planes))


def _mapped(plane: Plane, codes: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Plane:
    table = np.clip(np.rint(codes), 0, (1 << _DEPTH) - 1).astype(np.uint16)
    if plane.dtype == np.uint8:
        return np.asarray(cv2.LUT(plane, table), np.uint16)
    # A damaged picture may have codes above its depth.
    return table[np.minimum(plane, len(table) - 1)]
