"""The step that uses less of a network's work where a frame departs too far from its source.

The bicubic enlargement of the source adds nothing to it, and departs from it by as little as fine detail loses. Mixed
into the restored frame, it brings what was measured to its own figures, at least in proportion. Each frame is judged by
itself and by a rule without a step, so the result is a function of the source alone, and a shot near its limit does not
jump.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.frame_fidelity import FrameFidelity
from reelwright.restoration.fidelity import MeasuredFidelity, Reference, measure_fidelity

Luma = NDArray[np.float32]

_STEPS = 10_000
# Pictures are rounded before they are measured, so that a frame may miss its limit by a little after the first try.
_TRIES = 8


@dataclass(frozen=True, slots=True)
class FidelityLimits:
    """How far a frame may depart from its source, in 8-bit levels; see `FrameFidelity`.

    Attributes:
        unsupported: at most this much new detail where the source has none.
        coarse_difference: at most this difference over 8x8 samples.
    """

    unsupported: float
    coarse_difference: float

    def held_back(self, found: FrameFidelity, plain: FrameFidelity) -> float:
        """The share of a network's work, 0 to 1, that must be taken back so that a frame keeps the limits.

        The root mean square of a mixture is at most the mixture of both. Where the bicubic enlargement itself is past a
        limit, all of the network's work is taken back.

        Args:
            found: of the frame.
            plain: of the bicubic enlargement.
        """
        figures = (
            (self.unsupported, found.unsupported, plain.unsupported),
            (self.coarse_difference, found.coarse_difference, plain.coarse_difference),
        )
        shares = [
            (value - limit) / (value - least) if least < limit else 1.0
            for limit, value, least in figures
            if value > limit
        ]
        share = max(shares, default=0.0)
        # Rounded up: the frame keeps the limit.
        return math.ceil(round(share * _STEPS, 6)) / _STEPS


def keep_limits(reference: Reference, enlarged: Luma, limits: FidelityLimits) -> MeasuredFidelity:
    """Measures a restored frame's luma; past a limit a share of the network's work is taken back, in place.

    Args:
        reference: what it is measured against.
        enlarged: (scale * H, scale * W) float32, restored, in the unit of the reference.
        limits: how far it may depart.
    """
    measured = measure_fidelity(reference, enlarged)
    none = measured.figures.model_copy(update={"unsupported": 0.0, "coarse_difference": 0.0})
    if not limits.held_back(measured.figures, none):
        return measured
    bicubic = _bicubic(reference.toned, enlarged.shape)
    plain, kept = measure_fidelity(reference, bicubic).figures, 1.0
    for number in range(1, _TRIES + 1):
        share = limits.held_back(measured.figures, plain) if number < _TRIES else 1.0
        _mix(enlarged, bicubic, share)
        kept *= 1 - share
        measured = measure_fidelity(reference, enlarged)
        if share == 1 or not limits.held_back(measured.figures, plain):
            break
    return replace(measured, figures=measured.figures.model_copy(update={"held_back": round(1 - kept, 6)}))


def hold_back(enlarged: Luma, reference: Luma, share: float) -> None:
    """Takes a share of a network's work back, in place.

    Args:
        enlarged: (scale * H, scale * W) float32, restored.
        reference: (H, W) float32, the source, with what the recipe asks for.
        share: 0 to 1; 1 leaves the bicubic enlargement.
    """
    _mix(enlarged, _bicubic(reference, enlarged.shape), share)


def _bicubic(reference: Luma, shape: tuple[int, ...]) -> Luma:
    return np.asarray(cv2.resize(reference, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def _mix(enlarged: Luma, bicubic: Luma, share: float) -> None:
    cv2.addWeighted(enlarged, 1 - share, bicubic, share, 0, dst=enlarged)
