"""Prepares a window of frames for a network: align, measure, repair. Each step is a pure function in its own module."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.alignment import align
from reelwright.restoration.dust import find_dust
from reelwright.restoration.measurement import Measurement, measure, measure_grain
from reelwright.restoration.optical_flow import Codes, Window, WindowMotion
from reelwright.restoration.repair import repair
from reelwright.restoration.scratch_lines import scratch_lines
from reelwright.restoration.weight_sets import undamaged_share
from reelwright.restoration.window_network import FRAMES, MIDDLE, NetworkInput


@dataclass(frozen=True, slots=True)
class PreparedWindow:
    """What a network on windows reads.

    Attributes:
        frames: (5, H, W) uint8, aligned, the middle one repaired.
        agreement: (4, H // 2, W // 2) uint8, see `alignment.AlignedWindow`.
        measurement: of the middle frame before it was repaired.
        lines: see `scratch_lines`; None too where the weight set for damaged film restores the whole frame.
    """

    frames: Codes
    agreement: Codes
    measurement: Measurement
    lines: NDArray[np.float32] | None

    def with_middle(self, codes: Codes) -> PreparedWindow:
        """The same with another middle frame, (H, W) uint8."""
        frames = self.frames.copy()
        frames[MIDDLE] = codes
        return replace(self, frames=frames)

    def network_input(self, detail: float = 0.0) -> NetworkInput:
        """What the network reads beside the middle frame's luma.

        Args:
            detail: share of the weight set for detail, 0 to 1.
        """
        middle = self.frames[MIDDLE]
        others = [self.frames[i] for i in range(FRAMES) if i != MIDDLE]
        differences = np.empty((FRAMES - 1, *middle.shape), np.int8)
        for frame, difference in zip(others, differences, strict=True):
            cv2.subtract(frame, middle, dst=difference, dtype=cv2.CV_8S)
        maps = np.stack([self.measurement.dust, self.measurement.scratch])
        return NetworkInput(differences, maps, self.agreement, self.measurement.figures(), detail, self.lines)


def prepare(window: Window, motion: WindowMotion | None = None) -> PreparedWindow:
    """Aligns, measures and repairs.

    Args:
        window: five frames (H, W) uint8 luma in the order of time, H and W even and at least 32.
        motion: of the window, for a caller that has it; made here otherwise.
    """
    motion = WindowMotion.of(window) if motion is None else motion
    aligned = align(window, motion)
    grain = measure_grain(aligned.frames)
    dust = find_dust(window, aligned, motion.small, grain.smooth)
    measurement = measure(aligned, window, grain, dust.map)
    frames = dust.frames.copy()
    frames[MIDDLE] = repair(dust.frames, dust.map)
    lines = scratch_lines(window) if undamaged_share(measurement.figures()) else None
    return PreparedWindow(frames, aligned.agreement, measurement, lines)
