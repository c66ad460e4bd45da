"""The step that enlarges luma: the network, then a linear filter where the recipe's scale is not the network's."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.engine import Engine
from reelwright.restoration.window_network import NetworkInput

Luma = NDArray[np.float32]


def enlarge(engine: Engine, luma: Luma, window: NetworkInput | None, scale: int) -> Luma:
    """Enlarges luma by `scale`.

    Args:
        engine: runs the network.
        luma: (H, W) float32 in [0, 1], repaired.
        window: what the frame's window shows beside it; None for a network on single frames.
        scale: 2, 3 or 4.

    Returns:
        (scale * H, scale * W) float32; values may be slightly below 0 or above 1.
    """
    enlarged = engine.upscale(luma, window)
    if engine.scale == scale:
        return enlarged
    size = (luma.shape[1] * scale, luma.shape[0] * scale)
    method = cv2.INTER_AREA if scale < engine.scale else cv2.INTER_LANCZOS4
    return np.asarray(cv2.resize(enlarged, size, interpolation=method), np.float32)


def add_detail(luma: Luma, detail: Luma, scale: int) -> Luma:
    """The result of a `reel` network: its detail added to the bicubic enlargement by OpenCV's kernel (a = -0.75).

    Args:
        luma: (H, W) float32 in [0, 1], repaired.
        detail: float32, at least (scale * H, scale * W); what lies beyond belongs to the extension by
            `window_network.input_planes` and is left out.
        scale: enlargement of the network.

    Returns:
        A new array (scale * H, scale * W) float32; values may be slightly below 0 or above 1.
    """
    rows, columns = (side * scale for side in luma.shape)
    enlarged = np.asarray(cv2.resize(luma, (columns, rows), interpolation=cv2.INTER_CUBIC), np.float32)
    enlarged += detail[:rows, :columns]
    return enlarged
