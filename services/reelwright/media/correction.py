"""What the decoder's look-ahead says about a frame: where the scene is, and what steadies it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ScenePlace(BaseModel):
    """Where the scene of a shot lies in a frame, and how light it is. Samples are those of the measured picture.

    Attributes:
        right: how far the scene moved to the right since the shot's first frame, in samples.
        down: the same downwards.
        light: how much lighter it is than there, in 8-bit levels.
        level: its mean level in this frame, in 8-bit levels.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)
    # The way of a camera adds up over a shot of hours.
    right: float = Field(default=0.0, ge=-1e9, le=1e9)
    down: float = Field(default=0.0, ge=-1e9, le=1e9)
    light: float = Field(default=0.0, ge=-1e6, le=1e6)
    level: float = Field(default=0.0, ge=0, le=255)


class FrameCorrection(ScenePlace):
    """How a frame is corrected, beside what was found in it.

    Attributes:
        gain: factor of luma's code values, and of the distance of chroma's from neutral.
        offset: is added to luma afterwards, as a share of the largest code value.
        move_right: the picture is moved to the right by so many samples of the source.
        move_down: the same downwards.
    """

    gain: float = Field(default=1.0, ge=0.25, le=4)
    offset: float = Field(default=0.0, ge=-1, le=1)
    move_right: float = Field(default=0.0, ge=-256, le=256)
    move_down: float = Field(default=0.0, ge=-256, le=256)
