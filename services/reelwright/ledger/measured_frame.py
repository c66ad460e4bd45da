"""A frame of a finished film with what was measured in it."""

from __future__ import annotations

from typing import NamedTuple

from reelwright.media.frame_correction import ContrastPoints, ToneChange
from reelwright.media.frame_damage import FrameDamage
from reelwright.media.frame_fidelity import FrameFidelity
from reelwright.media.frame_record import FrameRecord


class MeasuredFrame(NamedTuple):
    """A frame and what was measured in it.

    Attributes:
        record: the frame.
        damage: what was measured in the source; None when nothing was.
        change: what opening glare and shadows changed; None when they were left.
        fidelity: how the restored frame agrees with the source; None when it was not measured.
        points: of the restored frame; None when the recipe leaves fading.
    """

    record: FrameRecord
    damage: FrameDamage | None = None
    change: ToneChange | None = None
    fidelity: FrameFidelity | None = None
    points: ContrastPoints | None = None
