"""What is measured of a frame's grain, for a player that makes it anew."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

LEVELS = 12
"""Ranges of luma in which strength is measured, from 0 to the largest code value."""
STRENGTH_UNIT = 1 << 16
"""Strengths are whole numbers of this part of the largest code value."""
OCTAVE_UNIT = 1 << 20
"""Energies of octaves are whole numbers of this part of the grain's energy."""


_Strength = Annotated[int, Field(ge=0, le=STRENGTH_UNIT)]
_Energy = Annotated[int, Field(ge=1, le=OCTAVE_UNIT)]


class FrameGrain(BaseModel):
    """The grain of a frame. Whole numbers, so that sums over frames are exact.

    Attributes:
        strength: standard deviation in the middle of each range of luma, from dark to bright, in `STRENGTH_UNIT`.
        octaves: energy in three octaves of spatial frequency, the finest first, in `OCTAVE_UNIT`; as
            `restoration.grain_model.octave_energies` defines them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    strength: tuple[_Strength, ...] = Field(min_length=LEVELS, max_length=LEVELS)
    octaves: tuple[_Energy, _Energy, _Energy]
