"""What was measured of the damage in a frame."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from reelwright.media.document_values import DocumentValue


class FrameDamage(DocumentValue):
    """What was measured in a frame, with its neighbours. Levels are 8-bit code values.

    Attributes:
        grain: standard deviation of what changes from frame to frame, in levels.
        grain_size: correlation of grain between adjacent pixels; 0 is white noise.
        blockiness: excess of the gradient at the borders of 8x8 blocks, 0 for none.
        sharpness: energy of the finest detail relative to that of detail twice as large, 0 is blurred.
        dust: share of the pixels that were replaced as dust.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)
    grain: float = Field(ge=0, le=255)
    grain_size: float = Field(ge=0, le=1)
    blockiness: float = Field(ge=0, le=1)
    sharpness: float = Field(ge=0, le=1)
    dust: float = Field(ge=0, le=1)
