"""Warps the neighbours of a frame onto it by dense optical flow, and measures where each one agrees with it.

The flow is that of `optical_flow`, at half of the picture's size. It is enlarged, and the neighbour is resampled once,
by a cubic kernel, because bilinear resampling blurs (arXiv:2305.00163).

Every function is pure: its result depends on its arguments alone, in any thread, with any number of OpenCV threads,
whatever was aligned before.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from reelwright.restoration.optical_flow import Codes, Flow, Window, WindowMotion, further_flow, is_same, pixel_places
from reelwright.restoration.window_network import FRAMES, MIDDLE

# Differences are smoothed before they are judged, or grain would look like disagreement.
_AGREEMENT_BLUR, _AGREEMENT_TAPS = 1.0, 7
# Taps on half-size squares that do what a box of five pixels does.
_AGREEMENT_BOX = np.array([0.3, 0.4, 0.3], np.float32)
# Squared difference, in 8-bit levels, that full agreement allows, and the most that grain may add to it.
_AGREEMENT_FLOOR, _AGREEMENT_MOST = 16.0, 200.0


@dataclass(frozen=True, slots=True)
class AlignedWindow:
    """A window of frames in the geometry of its middle one.

    Attributes:
        frames: (5, H, W) uint8; the middle frame is untouched, the others are warped onto it.
        agreement: (4, H // 2, W // 2) uint8, one map per neighbour in the order of time; 255 where the warped
            neighbour equals the middle frame, near 0 where it shows something else.
        flows: (4, H // 2, W // 2, 2) float32, flow to each neighbour, as `half_flow` has it; 0 for a stand-in.
    """

    frames: Codes
    agreement: Codes
    flows: Flow


def align(window: Window, motion: WindowMotion | None = None) -> AlignedWindow:
    """Aligns a window.

    Args:
        window: five frames (H, W) uint8 luma in the order of time, H and W even and at least 32. Where a shot begins or
            ends, its nearest frame stands in for those beyond it.
        motion: of the window, for a caller that has it; made here otherwise.

    Returns:
        The window in the geometry of its middle frame.
    """
    motion = WindowMotion.of(window) if motion is None else motion
    middle = window[MIDDLE]
    rows, columns = middle.shape
    frames = np.empty((FRAMES, rows, columns), np.uint8)
    frames[MIDDLE] = middle
    agreement = np.empty((FRAMES - 1, rows // 2, columns // 2), np.uint8)
    flows = np.zeros((FRAMES - 1, rows // 2, columns // 2, 2), np.float32)
    for step, (near, beyond) in ((-1, motion.before), (1, motion.after)):
        for index in (MIDDLE + step, MIDDLE + 2 * step):
            slot, nearer = index - (index > MIDDLE), index - step
            if nearer != MIDDLE and is_same(window[index], window[nearer]):
                # The last frame of a shot stands in for the one beyond it.
                frames[index], flows[slot], agreement[slot] = frames[nearer], flows[slot - step], agreement[slot - step]
                continue
            # A stand-in for both neighbours is the middle frame itself: there is nothing to warp.
            if is_same(window[index], middle):
                frames[index] = middle
            else:
                small = motion.small[MIDDLE], motion.small[index]
                flows[slot] = near if nearer == MIDDLE else further_flow(*small, near, beyond)
                frames[index] = warp(window[index], flows[slot])
            agreement[slot] = agreement_map(middle, frames[index])
    return AlignedWindow(frames, agreement, flows)


def warp(frame: Codes, half: Flow) -> Codes:
    """The frame resampled by a cubic kernel.

    Args:
        frame: (H, W) uint8.
        half: (H // 2, W // 2, 2) float32, where each pixel is found in it, as `half_flow` has it.

    Returns:
        (H, W) uint8.
    """
    border = cv2.BORDER_REPLICATE
    # OpenCV's stubs forget that one map may hold both coordinates.
    warped = cv2.remap(frame, places_of(half), None, cv2.INTER_CUBIC, borderMode=border)  # type: ignore[call-overload]
    return np.asarray(warped, np.uint8)


def places_of(half: Flow) -> Flow:
    """Where each pixel of a frame is found in a neighbour.

    Args:
        half: (h, w, 2) float32, as `half_flow`.

    Returns:
        (2 * h, 2 * w, 2) float32: column and row, in pixels of the full size.
    """
    rows, columns = (2 * side for side in half.shape[:2])
    full = cv2.resize(half, (columns, rows), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.scaleAdd(full, 2, pixel_places(rows, columns)), np.float32)


def agreement_map(middle: Codes, neighbour: Codes) -> Codes:
    """How well a warped neighbour agrees with the middle frame.

    The difference is smoothed, squared and averaged over about 5x5 pixels: e. Its median m over the frame is what grain
    alone leaves, so that the map separates motion and dust from grain: exp(-e / (2 (16 + 2 m))).

    Args:
        middle: (H, W) uint8.
        neighbour: (H, W) uint8, warped onto it.

    Returns:
        (H // 2, W // 2) uint8, 255 for full agreement.
    """
    difference = cv2.subtract(middle, neighbour, dtype=cv2.CV_32F)
    smooth = cv2.GaussianBlur(difference, (_AGREEMENT_TAPS, _AGREEMENT_TAPS), _AGREEMENT_BLUR)
    half = cv2.resize(
        cv2.multiply(smooth, smooth), (middle.shape[1] // 2, middle.shape[0] // 2), interpolation=cv2.INTER_AREA
    )
    energy = np.asarray(cv2.sepFilter2D(half, -1, _AGREEMENT_BOX, _AGREEMENT_BOX), np.float32)
    median = float(np.partition(energy.ravel(), energy.size // 2)[energy.size // 2])
    allowed = _AGREEMENT_FLOOR + 2 * min(median, _AGREEMENT_MOST)
    return np.asarray(cv2.convertScaleAbs(cv2.exp(energy * np.float32(-0.5 / allowed)), alpha=255), np.uint8)
