"""The step that averages a restored frame with its restored neighbours along the motion, where they agree.

A network that restores each frame from a window of its own makes errors that change from frame to frame and are seen
as boiling texture. The mean of three results along the motion has less of them. (Motion-compensated temporal
filtering: Dubois and Sabri, IEEE Trans. Communications 32(7), 1984.) Nothing is averaged where the neighbours of the
source differ from its frame by more than grain, nor in film without grain, whose results hardly change.
"""

from __future__ import annotations

from collections.abc import Sequence
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
# Rows of the result that are made at a time: what they take stays in the processor's cache.
_ROWS = 64


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
    found = np.empty_like(luma)
    # Flow and weights are at half of the source's size.
    unit = 2 * scale
    fields = [(each.luma, each.flow * np.float32(unit), _shares(each.agreement, weight)) for each in neighbours]
    for first in range(0, len(luma), _ROWS):
        rows = slice(first, min(first + _ROWS, len(luma)))
        own, columns = luma[rows], luma.shape[1]
        total, weights = own.copy(), np.ones_like(own)
        for neighbour, flow, shares in fields:
            # Maps are relative to the part's own rows, which begin at 0.
            places = _enlarged(flow, unit, rows, (0, first))[:, :columns]
            moved = _moved(neighbour, places)
            counted = _enlarged(shares, unit, rows)[:, :columns]
            moved *= counted
            total += moved
            weights += counted
        np.divide(total, weights, out=found[rows])
    return found


def _shares(agreement: Codes, weight: float) -> Luma:
    """The weight of a neighbour in each place."""
    counted = np.maximum(agreement, _AGREED) - _AGREED
    return counted.astype(np.float32) * np.float32(weight / (255 - _AGREED))


def _enlarged(
    field: NDArray[np.float32], factor: int, rows: slice, added: Sequence[float] = (0,)
) -> NDArray[np.float32]:
    """Rows of a field to which something is added and which is enlarged bilinearly, as they are in the whole."""
    above = max(rows.start // factor - 1, 0)
    below = min(-(-rows.stop // factor) + 1, len(field))
    size = (field.shape[1] * factor, (below - above) * factor)
    part = field[above:below] + np.array(added, np.float32)
    enlarged = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(enlarged[rows.start - above * factor : rows.stop - above * factor], np.float32)


def _moved(luma: Luma, places: Flow) -> Luma:
    """A neighbour resampled; `places` says how far from each of its pixels, right and down."""
    kernel = cv2.INTER_CUBIC | cv2.WARP_RELATIVE_MAP
    # OpenCV's stubs forget that one map may hold both coordinates.
    found = cv2.remap(luma, places, None, kernel, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    return np.asarray(found, np.float32)
