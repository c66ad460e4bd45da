"""The step that averages a restored frame with its restored neighbours along the motion, where they agree.

A network that restores each frame from a window of its own makes errors that change from frame to frame and are seen
as boiling texture. The mean of three results along the motion has less of them. (Motion-compensated temporal
filtering: Dubois and Sabri, IEEE Trans. Communications 32(7), 1984.) Nothing is averaged where the neighbours of the
source differ from its frame by more than grain, nor in film without grain, whose results hardly change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.optical_flow import Codes, Flow

Luma = NDArray[np.float32]

# Weight of each neighbour, where that of the frame is 1. Chosen with the two below on seven pieces of film: see
# docs/models.md.
_WEIGHT = 0.5
# Agreement from which a neighbour counts, of 255; it counts wholly at 255.
_AGREED = 128
# Levels of grain from which neighbours count, and from which they count wholly.
_LEAST_GRAIN, _FULL_GRAIN = 0.5, 4.0
# Rows of the flow that are handled at a time, so that places of a large picture take little memory.
_ROWS = 32


class Neighbour(NamedTuple):
    """A restored neighbour of a frame.

    Attributes:
        luma: (scale * H, scale * W) float32.
        flow: from the frame to it, (h, w, 2) float32 as `optical_flow.half_flow`, 2 * h >= H and 2 * w >= W.
        agreement: (h, w) uint8, see `alignment.AlignedWindow`.
    """

    luma: Luma
    flow: Flow
    agreement: Codes


def neighbour_weight(grain: float) -> float:
    """The weight of each neighbour where it agrees, 0 to 0.5; `grain` in levels of 255."""
    return _WEIGHT * min(1.0, max(0.0, (grain - _LEAST_GRAIN) / (_FULL_GRAIN - _LEAST_GRAIN)))


def temporal_filter(luma: Luma, neighbours: Sequence[Neighbour], scale: int, weight: float) -> Luma:
    """Averages a frame with its neighbours.

    Args:
        luma: (scale * H, scale * W) float32.
        neighbours: one or two of them; those beyond a cut are left out.
        scale: enlargement.
        weight: of each neighbour where it agrees wholly, see `neighbour_weight`.

    Returns:
        A new array of the same shape.
    """
    total, weights = luma.copy(), np.ones_like(luma)
    for neighbour in neighbours:
        shares = (np.maximum(neighbour.agreement, _AGREED) - _AGREED).astype(np.float32)
        shares *= np.float32(weight / (255 - _AGREED))
        bands = zip(_bands(neighbour.flow, 2 * scale), _bands(shares, 2 * scale), strict=True)
        for number, (flow, share) in enumerate(bands):
            first = number * _ROWS * 2 * scale
            rows = slice(first, first + len(share))
            part, columns = total[rows], luma.shape[1]
            share = share[: len(part), :columns]  # noqa: PLW2901 - without the window's extension
            part += share * _moved(neighbour.luma, flow[: len(part), :columns] * np.float32(2 * scale), first)
            weights[rows] += share
    total /= weights
    return total


def _bands(field: NDArray[np.float32], factor: int) -> Iterator[NDArray[np.float32]]:
    """A field enlarged bilinearly, `_ROWS` of its rows at a time; each part is as it would be in the whole."""
    count, columns = field.shape[:2]
    for first in range(0, count, _ROWS):
        last = min(first + _ROWS, count)
        above, below = max(first - 1, 0), min(last + 1, count)
        size = (columns * factor, (below - above) * factor)
        enlarged = cv2.resize(field[above:below], size, interpolation=cv2.INTER_LINEAR)
        start = (first - above) * factor
        yield np.asarray(enlarged[start : start + (last - first) * factor], np.float32)


def _moved(luma: Luma, flow: Flow, first: int) -> Luma:
    """Rows of a neighbour where they are found; `flow` in its pixels, for rows from `first` on."""
    rows, columns = flow.shape[:2]
    across = flow[..., 0] + np.arange(columns, dtype=np.float32)
    down = flow[..., 1] + np.arange(first, first + rows, dtype=np.float32)[:, None]
    found = cv2.remap(luma, across, down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)
