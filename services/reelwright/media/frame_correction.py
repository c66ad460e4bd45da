"""What the decoder's look-ahead says about a frame, and what the worker changed by it.

Records and messages have these. The module needs no library for pictures, because every role loads it.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field


class ScenePlace(BaseModel):
    """Where the scene of a shot lies in a frame, and how light it is. Samples are those of the measured picture.

    Attributes:
        right: how far the scene moved to the right since the shot's first frame, in samples.
        down: the same downwards.
        light: how much lighter it is than there, in 8-bit levels.
        level: its mean level in this frame, in 8-bit levels.
        rotation: by how many degrees it turned clockwise since the first frame; 0 where that is not measured.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)
    # The way of a camera adds up over a shot of hours.
    right: float = Field(default=0.0, ge=-1e9, le=1e9)
    down: float = Field(default=0.0, ge=-1e9, le=1e9)
    light: float = Field(default=0.0, ge=-1e6, le=1e6)
    level: float = Field(default=0.0, ge=0, le=255)
    rotation: float = Field(default=0.0, ge=-1e6, le=1e6)


class Move(NamedTuple):
    """How a picture is moved: it is turned about its centre, and shifted.

    Attributes:
        right: samples of the source to the right.
        down: the same downwards.
        rotation: degrees clockwise.
    """

    right: float = 0.0
    down: float = 0.0
    rotation: float = 0.0

    def enlarged(self, scale: int) -> Move:
        """The same of a picture that is `scale` times as wide and high."""
        return Move(self.right * scale, self.down * scale, self.rotation)


UNMOVED = Move()


_Share = Annotated[float, Field(ge=-0.1, le=0.1)]


class FrameCorrection(ScenePlace):
    """How a frame is corrected, beside what was found in it.

    The light of parts of the picture is evened out first, then that of the whole.

    Attributes:
        gain: factor of luma's code values, and of the distance of chroma's from neutral.
        offset: is added to luma afterwards, as a share of the largest code value.
        move_right: the picture is moved to the right by so many samples of the source.
        move_down: the same downwards.
        move_rotation: and turned clockwise about its centre by so many degrees.
        local_x: the first of the five terms of `light_field.gains`, by which luma's distance from black is multiplied,
            and chroma's from neutral.
        local_y: the second.
        local_xy: the third.
        local_xx: the fourth.
        local_yy: the fifth.
        local_offset: the five terms of `light_field.offsets`, which is added to luma in place of that, as shares of the
            largest code value; none where nothing is added to parts.
        local_lift: by how many 8-bit levels either raised the mean level.
    """

    gain: float = Field(default=1.0, ge=0.25, le=4)
    offset: float = Field(default=0.0, ge=-1, le=1)
    move_right: float = Field(default=0.0, ge=-256, le=256)
    move_down: float = Field(default=0.0, ge=-256, le=256)
    move_rotation: float = Field(default=0.0, ge=-1, le=1)
    local_x: float = Field(default=0.0, ge=-0.25, le=0.25)
    local_y: float = Field(default=0.0, ge=-0.25, le=0.25)
    local_xy: float = Field(default=0.0, ge=-0.25, le=0.25)
    local_xx: float = Field(default=0.0, ge=-0.25, le=0.25)
    local_yy: float = Field(default=0.0, ge=-0.25, le=0.25)
    local_offset: tuple[()] | tuple[_Share, _Share, _Share, _Share, _Share] = ()
    local_lift: float = Field(default=0.0, ge=-255, le=255)

    @property
    def move(self) -> Move:
        """How the picture is moved."""
        return Move(self.move_right, self.move_down, self.move_rotation)

    @property
    def local(self) -> tuple[float, ...]:
        """The five terms of the local gains in order."""
        return self.local_x, self.local_y, self.local_xy, self.local_xx, self.local_yy


class FrameTone(BaseModel):
    """How the worker opens glare and shadows of a frame. The numbers change slowly along a shot.

    Attributes:
        white: the shot's white, as a share of the way from black to the format's white.
        shadows: slope of the shadows' curve at black, less 1; 0 leaves them.
        highlights: slope of the highlights' curve at white, less 1; 0 leaves them.
        veil: share of the highlights' light that is taken off their surroundings.
        detail: by what factor detail may be enhanced at most.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)
    white: float = Field(default=1.0, ge=0.25, le=1)
    shadows: float = Field(default=0.0, ge=0, le=2.9)
    highlights: float = Field(default=0.0, ge=0, le=2.9)
    veil: float = Field(default=0.0, ge=0, le=1)
    detail: float = Field(default=1.0, ge=1, le=4)


class ContrastPoints(BaseModel):
    """Where the dark and the bright end of a picture lie, as shares of the way from the format's black to its white.

    Attributes:
        black: the level that 1 % of the samples are below.
        white: the level that 99 % of them are below.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)
    # Code values of studio range reach below black and above white.
    black: float = Field(ge=-0.1, le=1.2)
    white: float = Field(ge=-0.1, le=1.2)


class FrameFading(ContrastPoints):
    """How the worker brings back a frame's contrast, beside the frame's own points. It is one for the whole shot.

    Attributes:
        from_black: the level that becomes `to_black`.
        from_white: the level that becomes `to_white`.
        to_black: equal to `from_black` where nothing is changed.
        to_white: the same of white.
    """

    from_black: float = Field(ge=-0.1, le=1.2)
    from_white: float = Field(ge=-0.1, le=1.2)
    to_black: float = Field(ge=-0.1, le=1.2)
    to_white: float = Field(ge=-0.1, le=1.2)

    @property
    def gain(self) -> float:
        """Factor of the contrast between both points; 1 where nothing is changed."""
        if (self.from_black, self.from_white) == (self.to_black, self.to_white):
            return 1.0
        return (self.to_white - self.to_black) / max(self.from_white - self.from_black, 0.01)


class ToneChange(BaseModel):
    """What the worker changed in a frame.

    Attributes:
        brightness: by how much the mean luma rose, in per cent of the way from black to the shot's white.
        changed: share of the picture whose luma changed by 1 % of that way or more.
        recovered: share of the picture to which detail of the frames around it was put back.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)
    brightness: float = Field(ge=-100, le=100)
    changed: float = Field(ge=0, le=1)
    recovered: float = Field(default=0.0, ge=0, le=1)
