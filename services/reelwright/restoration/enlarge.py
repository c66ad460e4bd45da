"""The step that enlarges luma: the network, then a linear filter where no network has the recipe's scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.engine import Engine
from reelwright.restoration.tiling import Columns
from reelwright.restoration.weight_sets import NetworkWeights, undamaged_share
from reelwright.restoration.window_network import NetworkInput

Luma = NDArray[np.float32]


def enlarge(engine: Engine, luma: Luma, window: NetworkInput | None, scale: int) -> Luma:
    """Enlarges luma by `scale`.

    Args:
        engine: runs the network of `scale`, or else that of its smallest scale.
        luma: (H, W) float32 in [0, 1], repaired.
        window: what the frame's window shows beside it; None for a network on single frames.
        scale: 2, 3 or 4.

    Returns:
        (scale * H, scale * W) float32; values may be slightly below 0 or above 1.
    """
    own = scale if scale in engine.scales else engine.scales[0]
    enlarged = engine.upscale(luma, window, own)
    if own == scale:
        return enlarged
    size = (luma.shape[1] * scale, luma.shape[0] * scale)
    method = cv2.INTER_AREA if scale < own else cv2.INTER_LANCZOS4
    return np.asarray(cv2.resize(enlarged, size, interpolation=method), np.float32)


def mixed_residual(
    networks: Mapping[int, NetworkWeights[Any]],
    scale: int,
    luma: Luma,
    *,
    window: NetworkInput,
    residual: Callable[[int, int, Columns | None], Luma],
) -> Luma:
    """What the networks of a file add to the bicubic enlargement of a frame, their weight sets mixed.

    A network without a set for undamaged film leaves such film to that of the smallest scale, whose result a Lanczos
    filter enlarges further. (`reel-s` x4: on seven undamaged pieces that gained 1.1 to 3.5 dB over bicubic, where the
    network for damaged film lost 1.1 dB on one.)

    Args:
        networks: the networks of the file by scale.
        scale: of the enlargement, one of theirs.
        luma: (H, W) float32, extended as by `window_network.input_planes`.
        window: what the frame's window shows beside it.
        residual: the residual by the weight set of this number of the network of a scale, (scale * H, scale * W)
            float32, in those columns of the source that are wanted; None for all.

    Returns:
        (scale * H, scale * W) float32.
    """
    sets: list[Callable[[Columns | None], Luma]] = [
        partial(residual, scale, number) for number in range(len(networks[scale].sets))
    ]
    smallest = min(networks)
    if len(sets) == 1 and len(networks[smallest].sets) > 1:
        sets.append(lambda _: _further(luma, residual(smallest, 1, None), smallest, scale))
    return mix(sets, window.figures, window.lines)


def mix(
    sets: Sequence[Callable[[Columns | None], Luma]], figures: NDArray[np.float32], lines: Luma | None = None
) -> Luma:
    """The result of a scale's sets for one frame; a set whose share is zero does not run.

    Args:
        sets: for each of `NetworkWeights.sets`, what makes its result, (rows, columns) float32, in those columns of the
            source that are wanted; None for all.
        figures: (4,) float32, see `measurement.Measurement.figures`.
        lines: where the set for damaged film counts alone, whatever the grain: see `scratch_lines`.
    """
    share = undamaged_share(figures) if len(sets) > 1 else 0.0
    if share == 0 or (share == 1 and lines is None):
        return sets[int(share)](None)
    # Without grain nothing but the lines is taken from the set for damaged film, so it runs around them alone.
    wanted = _around(lines) if lines is not None and share == 1 else None
    damaged, undamaged = sets[0](wanted), sets[1](None)
    if lines is None:
        return damaged * np.float32(1 - share) + undamaged * np.float32(share)
    enlarged = cv2.resize(lines, damaged.shape[::-1], interpolation=cv2.INTER_LINEAR)
    shares = (1 - np.asarray(enlarged, np.float32)) * np.float32(share)
    return np.asarray(damaged * (1 - shares) + undamaged * shares, np.float32)


def _around(lines: Luma) -> Columns:
    """The columns that the shares reach when they are enlarged: interpolation reaches one column further."""
    reached = cv2.dilate(lines.max(axis=0)[None], np.ones((1, 3), np.uint8))
    return np.asarray(reached[0] > 0, np.bool_)


def _further(luma: Luma, residual: Luma, smaller: int, scale: int) -> Luma:
    """The result of a network of a smaller scale, enlarged further, as residual over the bicubic enlargement."""
    size = (luma.shape[1] * scale, luma.shape[0] * scale)
    further = cv2.resize(add_residual(luma, residual, smaller), size, interpolation=cv2.INTER_LANCZOS4)
    return np.asarray(further - cv2.resize(luma, size, interpolation=cv2.INTER_CUBIC), np.float32)


def add_residual(luma: Luma, residual: Luma, scale: int) -> Luma:
    """The result of a `reel` network: its residual added to the bicubic enlargement by OpenCV's kernel (a = -0.75).

    Args:
        luma: (H, W) float32 in [0, 1], repaired.
        residual: float32, at least (scale * H, scale * W); what lies beyond belongs to the extension by
            `window_network.input_planes` and is left out.
        scale: enlargement of the network.

    Returns:
        A new array (scale * H, scale * W) float32; values may be slightly below 0 or above 1.
    """
    rows, columns = (side * scale for side in luma.shape)
    enlarged = np.asarray(cv2.resize(luma, (columns, rows), interpolation=cv2.INTER_CUBIC), np.float32)
    enlarged += residual[:rows, :columns]
    return enlarged
