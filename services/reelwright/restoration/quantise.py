"""The step that rounds samples to the code values of a pixel format."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelwright.media.picture import PixelFormat, Plane


def code_gain(source: PixelFormat, target: PixelFormat, *, full_range: bool) -> float:
    """Code values of `target` per code value of `source`.

    In studio range, ITU-R BT.709 and BT.2100 multiply code values by two for each bit of depth.
    """
    if full_range:
        return ((1 << target.depth) - 1) / ((1 << source.depth) - 1)
    return 2.0 ** (target.depth - source.depth)


def quantise(samples: NDArray[np.float32], target: PixelFormat) -> Plane:
    """Rounds float32 code values to integers and clips them to the depth of `target`; `samples` is overwritten.

    The work is done in place, because allocating a large plane for each step costs more than the step.

    Returns:
        uint8 for a depth of 8 bits, uint16 otherwise; same shape as `samples`.
    """
    codes = np.clip(np.rint(samples, out=samples), 0, (1 << target.depth) - 1, out=samples)
    return codes.astype(np.uint8) if target.depth == 8 else codes.astype(np.uint16)
