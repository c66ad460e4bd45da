"""Dense optical flow between the frames of a window.

The flow is DIS (Kroeger et al., arXiv:1603.03590) on half-size, slightly blurred luma: film grain is finer than the
motion, and a quarter of the pixels costs a quarter of the time. DIS stops at a quarter of the picture's size. From
there its variational refinement (Brox et al., ECCV 2004) goes on at half of it: what the network gains from that is in
docs/training.md. Flows are computed between adjacent frames, where neighbouring windows share them. To the frame after
next two of them are put together and corrected, which costs less than a flow of its own and is as good.

Every function is pure: its result depends on its arguments alone, in any thread, with any number of OpenCV threads,
whatever was computed before.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint8]
Flow = NDArray[np.float32]
Window = Codes | Sequence[Codes]
"""Frames in the order of time, as an array (frames, H, W) uint8 or one by one."""

# DIS stops at this level of the pyramid: half the size of what it is given.
_FINEST_SCALE = 1
# Iterations of the variational refinement at the size that is given, and of the solver in each; and the weights of its
# terms, which are those that DIS has in its own.
_REFINEMENTS, _SOLVER_STEPS = 2, 2
_SMOOTHNESS, _BRIGHTNESS, _GRADIENT = 20.0, 5.0, 10.0
# Iterations in each patch and of the variational refinement, where a flow is only corrected, at the size that is given.
_CORRECTION_STEPS, _CORRECTION_REFINEMENTS = 4, 2
# Blur of the half-size luma before flow, in its pixels: chosen by measurement, see docs/training.md.
_FLOW_BLUR = 1.0

_local = threading.local()


@dataclass(frozen=True, slots=True)
class WindowMotion:
    """How adjacent frames of a window move; what windows that overlap have in common.

    Attributes:
        small: `flow_luma` of the five frames.
        before: `adjacent_flow` from the middle frame to the one before, and from there to the first.
        after: the same to the one after the middle frame, and from there to the last.
    """

    small: Window
    before: tuple[Flow, Flow]
    after: tuple[Flow, Flow]

    @classmethod
    def of(cls, window: Window) -> WindowMotion:
        """Of five frames (H, W) uint8."""
        small = [flow_luma(frame) for frame in window]
        first, before, middle, after, last = zip(window, small, strict=True)
        return cls(
            small,
            (adjacent_flow(middle, before), adjacent_flow(before, first)),
            (adjacent_flow(middle, after), adjacent_flow(after, last)),
        )


def is_same(frame: Codes, other: Codes) -> bool:
    """Whether two frames are equal."""
    return frame is other or bool(np.array_equal(frame[0], other[0]) and np.array_equal(frame, other))


def adjacent_flow(target: tuple[Codes, Codes], source: tuple[Codes, Codes]) -> Flow:
    """The flow from a frame to an adjacent one; 0 where one stands in for the other.

    Args:
        target: a frame (H, W) uint8 and its `flow_luma`.
        source: the same of an adjacent frame.

    Returns:
        (H // 2, W // 2, 2) float32, as `half_flow`.
    """
    if is_same(target[0], source[0]):
        return np.zeros((*target[1].shape, 2), np.float32)
    return half_flow(target[1], source[1])


def half_flow(target: Codes, source: Codes) -> Flow:
    """Where each pixel of `target` is found in `source`.

    Args:
        target: (h, w) uint8, `flow_luma` of a frame.
        source: (h, w) uint8, the same of a neighbour.

    Returns:
        (h, w, 2) float32: right and down, in pixels of this size.
    """
    # OpenCV's stubs forget that the first guess may be None.
    flow = np.asarray(_estimator().calc(target, source, None), np.float32)  # type: ignore[call-overload]
    return np.asarray(_refinement().calc(target, source, flow), np.float32)


def further_flow(target: Codes, source: Codes, near: Flow, beyond: Flow) -> Flow:
    """The flow from a frame to the one after next: two flows put together, then corrected.

    Args:
        target: (h, w) uint8, `flow_luma` of the frame.
        source: (h, w) uint8, the same of the one after next.
        near: (h, w, 2) float32, flow from the frame to the next.
        beyond: (h, w, 2) float32, flow from there on.

    Returns:
        (h, w, 2) float32.
    """
    places = cv2.add(near, pixel_places(*target.shape))
    # OpenCV's stubs forget that one map may hold both coordinates.
    there = cv2.remap(beyond, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    return np.asarray(_corrector().calc(target, source, cv2.add(near, there)), np.float32)


def flow_luma(frame: Codes) -> Codes:
    """Half-size, slightly blurred luma, on which flows are computed; (H // 2, W // 2) uint8."""
    half = cv2.resize(frame, (frame.shape[1] // 2, frame.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(half, (0, 0), _FLOW_BLUR), np.uint8)


@lru_cache(maxsize=8)
def pixel_places(rows: int, columns: int) -> Flow:
    """The place of each pixel, right and down; (rows, columns, 2) float32."""
    return np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).astype(np.float32)


def _estimator() -> cv2.DISOpticalFlow:
    """The estimator of this thread, as new; it holds buffers, so two threads must not share one."""
    if not hasattr(_local, "estimator"):
        _local.estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    # A picture too small for this scale makes OpenCV choose a finer one, which it keeps for all later pictures.
    _local.estimator.setFinestScale(_FINEST_SCALE)
    return _local.estimator  # type: ignore[no-any-return]


def _refinement() -> cv2.VariationalRefinement:
    """The variational refinement of this thread."""
    if not hasattr(_local, "refinement"):
        refinement = cv2.VariationalRefinement.create()
        refinement.setFixedPointIterations(_REFINEMENTS)
        refinement.setSorIterations(_SOLVER_STEPS)
        refinement.setAlpha(_SMOOTHNESS)
        refinement.setDelta(_BRIGHTNESS)
        refinement.setGamma(_GRADIENT)
        _local.refinement = refinement
    return _local.refinement  # type: ignore[no-any-return]


def _corrector() -> cv2.DISOpticalFlow:
    """The estimator of this thread for a flow that is nearly known, as new."""
    if not hasattr(_local, "corrector"):
        _local.corrector = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        _local.corrector.setGradientDescentIterations(_CORRECTION_STEPS)
        _local.corrector.setVariationalRefinementIterations(_CORRECTION_REFINEMENTS)
        _local.corrector.setUseSpatialPropagation(False)
        _local.corrector.setFinestScale(0)
        _local.corrector.setCoarsestScale(0)
    return _local.corrector  # type: ignore[no-any-return]
