"""The step that evens out light: each code value is mapped as the decoder's look-ahead says, before anything else.

Where parts of the picture flicker, a smooth field multiplies the light as well, or is added to it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reelwright.media.code_table import DEPTH, code_gain, deep_format, map_codes
from reelwright.media.colour import code_range
from reelwright.media.frame_correction import FrameCorrection
from reelwright.media.light_field import gains, offsets
from reelwright.media.picture import Picture, Plane

Table = NDArray[np.float64]


def even_light(picture: Picture, correction: FrameCorrection, *, full_range: bool) -> Picture:
    """Evens out a picture's light.

    Args:
        picture: the picture.
        correction: its gain and offset, and the terms of its local gains or offsets.
        full_range: whether code values use the whole depth or the studio range.

    Returns:
        The picture at 12 bits with the same layout; neutral chroma stays neutral, and offsets change luma alone.
    """
    source = picture.format
    target = deep_format(source)
    codes = np.arange(1 << source.depth, dtype=np.float64)
    wider = code_gain(source, target, full_range=full_range)
    top = (1 << source.depth) - 1
    luma = (correction.gain * codes + correction.offset * top) * wider
    chroma = correction.gain * (codes - source.neutral) * wider + target.neutral
    # Black of the full range is 0 at each depth.
    black = code_range(full_range=full_range)[0] << (source.depth - 8)
    added = [share * top * correction.gain * wider for share in correction.local_offset]
    planes = []
    for index, plane in enumerate(picture.planes):
        table, fixed, terms = (chroma, float(target.neutral), []) if index else (luma, float(luma[black]), added)
        if terms or any(correction.local):
            planes.append(_locally_mapped(plane, table, fixed, local=correction.local, added=terms))
        else:
            planes.append(map_codes(plane, table))
    return Picture(target.name, picture.width, picture.height, tuple(planes))


def _locally_mapped(
    plane: Plane, codes: Table, fixed: float, *, local: Sequence[float], added: Sequence[float]
) -> Plane:
    """Maps codes, then multiplies their distance from the one that stays and adds to it.

    Of terms that allow for the codes' gain, that is as if it had been done before.
    """
    table = (codes - fixed).astype(np.float32)
    mapped = table[plane] if plane.dtype == np.uint8 else table[np.minimum(plane, len(table) - 1)]
    rows, columns = plane.shape
    if any(local):
        mapped *= gains(local, (rows, columns))
    if added:
        mapped += offsets(added, (rows, columns))
    mapped += np.float32(fixed)
    return np.asarray(np.clip(np.rint(mapped), 0, (1 << DEPTH) - 1), np.uint16)
