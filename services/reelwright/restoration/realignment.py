"""Warps the neighbours again around specks of the middle frame, by the motion beside them.

Optical flow follows what it sees: a speck that the neighbours lack pulls the flow beneath it and around it. The flow
there is filled in from around (normalised convolution, Knutsson and Westin 1993), and only those pixels are warped.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.alignment import AlignedWindow
from reelwright.restoration.optical_flow import Codes, Flow, Window
from reelwright.restoration.window_network import FRAMES, MIDDLE

Field = NDArray[np.float32]

# Pixels around a speck that are warped again, and half-size pixels around it whose flow is not believed.
REACH = 7
_PULLED = 5
# The flow is filled in on every fourth half-size pixel from the third on, from about two of those around; where a speck
# is wider, from six around, which count this little otherwise.
_STEP, _NEAR, _FAR, _FAR_WEIGHT = 4, 1.5, 6.0, 1e-3
# `cv2.remap` takes no longer rows than 32,767.
_ROW = 1024


def realign(window: Window, aligned: AlignedWindow, specks: Codes) -> Codes:
    """The aligned frames, warped again at the specks and around them.

    Args:
        window: five frames (H, W) uint8, as they were before.
        aligned: the same, aligned.
        specks: (H, W) uint8, 255 where the middle frame may have a speck, 0 elsewhere.

    Returns:
        (5, H, W) uint8. The middle frame, stand-ins for missing neighbours, and pixels away from specks are those of
        `aligned`.
    """
    frames = aligned.frames.copy()
    # NumPy finds places in truth values several times faster than in numbers, and in one dimension than in two.
    places = np.flatnonzero(np.asarray(cv2.dilate(specks, _square(REACH)), np.uint8) > 0)
    if not places.size:
        return frames
    y, x = np.divmod(places, specks.shape[1])
    filled = _filled(aligned.flows, specks)
    across, down = _in_rows(x), _in_rows(y)
    # Centres of pixels: the first of `filled` is the third half-size one.
    first, step = np.float32(2 * (_STEP // 2) + 0.5), np.float32(1 / (2 * _STEP))
    cells = (across - first) * step, (down - first) * step
    border = cv2.BORDER_REPLICATE
    for slot, index in enumerate(i for i in range(FRAMES) if i != MIDDLE):
        if not aligned.flows[slot].any():
            continue
        # The flow is in pixels of half the size.
        moved = cv2.remap(filled[slot], *cells, cv2.INTER_LINEAR, borderMode=border) * np.float32(2)
        warped = cv2.remap(
            window[index], across + moved[..., 0], down + moved[..., 1], cv2.INTER_CUBIC, borderMode=border
        )
        frames[index].ravel()[places] = warped.ravel()[: places.size]
    return frames


def _filled(flows: Flow, specks: Codes) -> Flow:
    """Every fourth of the flows, those near specks filled in from around; (4, h, w, 2) float32."""
    rows, columns = flows.shape[1:3]
    half = cv2.resize(specks, (columns, rows), interpolation=cv2.INTER_AREA)
    sampled = np.s_[_STEP // 2 :: _STEP, _STEP // 2 :: _STEP]
    known = (cv2.dilate(half, _square(_PULLED))[sampled] == 0).astype(np.float32)
    weight = _spread(known) + np.float32(1e-9)
    return np.stack([_spread(flow[sampled] * known[..., None]) / weight[..., None] for flow in flows])


def _spread(samples: Field) -> Field:
    near, far = (cv2.GaussianBlur(samples, (0, 0), sigma) for sigma in (_NEAR, _FAR))
    return np.asarray(near + np.float32(_FAR_WEIGHT) * far, np.float32)


def _in_rows(places: NDArray[np.intp]) -> Field:
    """Numbers in rows of `_ROW`, the last one filled up with 0."""
    return np.pad(places, (0, -places.size % _ROW)).reshape(-1, _ROW).astype(np.float32)


def _square(reach: int) -> Codes:
    return np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
