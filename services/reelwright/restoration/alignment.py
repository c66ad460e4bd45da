"""Warps the neighbours of a frame onto it by dense optical flow, and measures where each one agrees with it.

The flow is DIS (Kroeger et al., arXiv:1603.03590) on half-size, slightly blurred luma: film grain is finer than the
motion, and a quarter of the pixels costs a quarter of the time. The flow is enlarged and the neighbour is resampled
once, by a cubic kernel, because bilinear resampling blurs (arXiv:2305.00163).

Every function is pure: its result depends on its arguments alone, in any thread, with any number of OpenCV threads,
whatever was aligned before.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.window_network import FRAMES, MIDDLE

Codes = NDArray[np.uint8]
Flow = NDArray[np.float32]
Window = Codes | Sequence[Codes]
"""Frames in the order of time, as an array (frames, H, W) uint8 or one by one."""

# Flow stops at this level of the pyramid: half the size of what it is given.
_FINEST_SCALE = 1
# Blur of the half-size luma before flow, in its pixels: chosen by measurement, see docs/training.md.
_FLOW_BLUR = 1.0
# Differences are smoothed before they are judged, or grain would look like disagreement.
_AGREEMENT_BLUR = 1.0
_AGREEMENT_BOX = 5
# Squared difference, in 8-bit levels, that full agreement allows, and the most that grain may add to it.
_AGREEMENT_FLOOR, _AGREEMENT_MOST = 16.0, 200.0

_local = threading.local()


@dataclass(frozen=True, slots=True)
class AlignedWindow:
    """A window of frames in the geometry of its middle one.

    Attributes:
        frames: (5, H, W) uint8; the middle frame is untouched, the others are warped onto it.
        agreement: (4, H // 2, W // 2) uint8, one map per neighbour in the order of time; 255 where the warped
            neighbour equals the middle frame, near 0 where it shows something else.
        flows: (4, H // 2, W // 2, 2) float32, `half_flow` to each neighbour; 0 for a stand-in.
    """

    frames: Codes
    agreement: Codes
    flows: Flow


def align(window: Window, small: Window | None = None) -> AlignedWindow:
    """Aligns a window.

    Args:
        window: five frames (H, W) uint8 luma in the order of time, H and W even and at least 32. Where a shot begins or
            ends, its nearest frame stands in for those beyond it.
        small: `flow_luma` of the five frames, for a caller that has it; made here otherwise.

    Returns:
        The window in the geometry of its middle frame.
    """
    middle = window[MIDDLE]
    small = [flow_luma(frame) for frame in window] if small is None else small
    rows, columns = middle.shape
    aligned = np.empty((FRAMES, rows, columns), np.uint8)
    aligned[MIDDLE] = middle
    agreement = np.empty((FRAMES - 1, rows // 2, columns // 2), np.uint8)
    flows = np.zeros((FRAMES - 1, rows // 2, columns // 2, 2), np.float32)
    for slot, index in enumerate(i for i in range(FRAMES) if i != MIDDLE):
        neighbour = window[index]
        # A stand-in is the middle frame itself: there is nothing to warp.
        if np.array_equal(neighbour, middle):
            aligned[index] = neighbour
        else:
            flows[slot] = half_flow(small[MIDDLE], small[index])
            aligned[index] = warp(neighbour, _enlarged(flows[slot]))
        agreement[slot] = agreement_map(middle, aligned[index])
    return AlignedWindow(aligned, agreement, flows)


def flow(target: Codes, source: Codes) -> Flow:
    """Where each pixel of `target` is found in `source`.

    Args:
        target: (h, w) uint8, `flow_luma` of the middle frame.
        source: (h, w) uint8, the same of a neighbour.

    Returns:
        (2 * h, 2 * w, 2) float32: right and down, in pixels of the full size.
    """
    return _enlarged(half_flow(target, source))


def half_flow(target: Codes, source: Codes) -> Flow:
    """The same at half the size: (h, w, 2) float32, in pixels of that size."""
    # OpenCV's stubs forget that the first guess may be None.
    return np.asarray(_estimator().calc(target, source, None), np.float32)  # type: ignore[call-overload]


def warp(frame: Codes, displacement: Flow) -> Codes:
    """The frame resampled at `displacement` from each pixel, by a cubic kernel; (H, W) uint8."""
    places = cv2.add(displacement, _places(*frame.shape))
    border = cv2.BORDER_REPLICATE
    # OpenCV's stubs forget that one map may hold both coordinates.
    warped = cv2.remap(frame, places, None, cv2.INTER_CUBIC, borderMode=border)  # type: ignore[call-overload]
    return np.asarray(warped, np.uint8)


def agreement_map(middle: Codes, neighbour: Codes) -> Codes:
    """How well a warped neighbour agrees with the middle frame.

    The difference is smoothed, squared and averaged over 5x5 pixels: e. Its median m over the frame is what grain alone
    leaves, so that the map separates motion and dust from grain: exp(-e / (2 (16 + 2 m))).

    Args:
        middle: (H, W) uint8.
        neighbour: (H, W) uint8, warped onto it.

    Returns:
        (H // 2, W // 2) uint8, 255 for full agreement.
    """
    difference = cv2.subtract(middle, neighbour, dtype=cv2.CV_32F)
    smooth = cv2.GaussianBlur(difference, (0, 0), _AGREEMENT_BLUR)
    energy = cv2.sqrBoxFilter(smooth, -1, (_AGREEMENT_BOX, _AGREEMENT_BOX))
    half = cv2.resize(energy, (middle.shape[1] // 2, middle.shape[0] // 2), interpolation=cv2.INTER_AREA)
    allowed = _AGREEMENT_FLOOR + 2 * min(float(np.median(half)), _AGREEMENT_MOST)
    return np.asarray(np.rint(np.exp(half * np.float32(-0.5 / allowed)) * 255), np.uint8)


def flow_luma(frame: Codes) -> Codes:
    """Half-size, slightly blurred luma, on which flows are computed; (H // 2, W // 2) uint8."""
    half = cv2.resize(frame, (frame.shape[1] // 2, frame.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(half, (0, 0), _FLOW_BLUR), np.uint8)


def _enlarged(half: Flow) -> Flow:
    full = cv2.resize(half, (half.shape[1] * 2, half.shape[0] * 2), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.add(full, full, full), np.float32)


@lru_cache(maxsize=4)
def _places(rows: int, columns: int) -> Flow:
    """The place of each pixel, right and down; (rows, columns, 2) float32."""
    return np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).astype(np.float32)


def _estimator() -> cv2.DISOpticalFlow:
    """The estimator of this thread, as new; it holds buffers, so two threads must not share one."""
    if not hasattr(_local, "estimator"):
        _local.estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    # A picture too small for this scale makes OpenCV choose a finer one, which it keeps for all later pictures.
    _local.estimator.setFinestScale(_FINEST_SCALE)
    return _local.estimator  # type: ignore[no-any-return]
