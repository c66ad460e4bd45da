"""The steps by which the middle frame of a window is restored: align, measure, repair, enlarge.

Each step is a pure function in a module of its own; this is the chain, for the worker, the training and its evaluation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.alignment import MIDDLE, Codes, align
from reelwright.restoration.measurement import Measurement, measure
from reelwright.restoration.repair import repair

Luma = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PreparedWindow:
    """What a network on windows reads.

    Attributes:
        frames: (5, H, W) uint8, aligned, the middle one repaired.
        agreement: (4, H // 2, W // 2) uint8, see `alignment.AlignedWindow`.
        measurement: of the middle frame before it was repaired.
    """

    frames: Codes
    agreement: Codes
    measurement: Measurement


def prepare(window: Codes) -> PreparedWindow:
    """Aligns, measures and repairs.

    Args:
        window: (5, H, W) uint8 luma in the order of time, H and W even and at least 32.
    """
    aligned = align(window)
    measurement = measure(aligned, window)
    frames = aligned.frames.copy()
    frames[MIDDLE] = repair(aligned.frames, measurement.dust)
    return PreparedWindow(frames, aligned.agreement, measurement)


def restore_window(window: Codes, detail: Callable[[PreparedWindow], Luma]) -> Luma:
    """The middle frame of a window, restored and enlarged.

    Args:
        window: see `prepare`.
        detail: the network: what it adds to the bicubic enlargement, (scale * H, scale * W) float32.

    Returns:
        (scale * H, scale * W) float32, 0 black to 1 white; it may leave that range a little.
    """
    prepared = prepare(window)
    added = detail(prepared)
    middle = prepared.frames[MIDDLE].astype(np.float32) / np.float32(255)
    return np.asarray(cv2.resize(middle, added.shape[::-1], interpolation=cv2.INTER_CUBIC) + added, np.float32)
