"""The step that uses less of a network's work where a frame departs too far from its source.

The bicubic enlargement of the source adds nothing to it. Mixed into the restored frame, it takes back all that was
measured in the same proportion. Each frame is judged by itself and by a rule without a step, so the result is a
function of the source alone, and a shot near its limit does not jump.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.frame_fidelity import FrameFidelity

Luma = NDArray[np.float32]

_STEPS = 10_000


@dataclass(frozen=True, slots=True)
class FidelityLimits:
    """How far a frame may depart from its source, in 8-bit levels; see `FrameFidelity`.

    Attributes:
        unsupported: at most this much new detail where the source has none.
        coarse_difference: at most this difference over 8x8 samples.
    """

    unsupported: float
    coarse_difference: float

    def held_back(self, found: FrameFidelity) -> float:
        """The share of a network's work, 0 to 1, that must be taken back so that a frame keeps the limits."""
        pairs = ((self.unsupported, found.unsupported), (self.coarse_difference, found.coarse_difference))
        kept = min(1.0, *(limit / value for limit, value in pairs if value > limit), 1.0)
        # Rounded up: the frame keeps the limit.
        return math.ceil((1 - kept) * _STEPS) / _STEPS


def hold_back(enlarged: Luma, reference: Luma, share: float) -> None:
    """Takes a share of a network's work back, in place.

    Args:
        enlarged: (scale * H, scale * W) float32, restored.
        reference: (H, W) float32, the source, with what the recipe asks for.
        share: 0 to 1; 1 leaves the bicubic enlargement.
    """
    bicubic = cv2.resize(reference, enlarged.shape[::-1], interpolation=cv2.INTER_CUBIC)
    cv2.addWeighted(enlarged, 1 - share, bicubic, share, 0, dst=enlarged)
