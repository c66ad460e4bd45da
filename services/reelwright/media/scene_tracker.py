"""Follows a shot's scene from frame to frame: its place, its light and its contrast, and how it turned."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from reelwright.media.frame_correction import ScenePlace
from reelwright.media.picture import Picture
from reelwright.media.registration import Registration, SmallLuma, register, register_turn, small_luma

# A frame is compared with one reference frame as long as both show so much of each other: errors do not add up then.
# Of a correlation below 0.8, as in dark film with coarse grain, no shift can be read that is better than none.
_COMMON, _LIKENESS = 0.5, 0.8
# A scene that turned further since the reference frame gets a later one: a shift alone does not explain it.
_MOST_ROTATION = 1.0
# Smaller pictures show too little to be compared.
_LEAST_SIDE = 16
# Light that changes by such a factor from one frame to the next is measured from the next frame on.
_LIGHTEST = 4.0


@dataclass(frozen=True, slots=True)
class Placement:
    """A frame's place in its shot.

    Attributes:
        right: how far the scene moved to the right since the shot's first frame, in samples.
        down: the same downwards.
        light: how much lighter it is than there, in 8-bit levels.
        contrast: natural logarithm of how many times its contrast there it has.
        level: its mean level in this frame.
        rotation: by how many degrees the scene turned clockwise since then; 0 if the tracker does not look for it. It
            is measured from frame to frame, as what moves by itself moves little between them.
        rotation_error: as unsure as `rotation`, without what turned (see `Turn`).
        linked: whether it was found in the frame before, so that the numbers go on from there.
    """

    right: float = 0.0
    down: float = 0.0
    light: float = 0.0
    contrast: float = 0.0
    level: float = 0.0
    rotation: float = 0.0
    rotation_error: float = 0.0
    linked: bool = False

    def in_source(self, scale: int) -> ScenePlace:
        """The place of a restored frame in samples of its source, which was enlarged by `scale`."""
        right, down = round(self.right / scale, 3), round(self.down / scale, 3)
        return ScenePlace(right=right, down=down, light=self.light, level=self.level, rotation=self.rotation)


_Seen = tuple[SmallLuma, Placement]


class SceneTracker:
    """Places the frames of a film one after another. The numbers depend on the shot's frames up to the given one.

    Args:
        rotation: whether it looks for rotation. Shifts are then those of the picture's centre.
    """

    def __init__(self, *, rotation: bool = False) -> None:
        self._rotation = rotation
        self._reference: _Seen | None = None
        self._last: _Seen | None = None

    def place(self, picture: Picture, *, shot_start: bool) -> Placement:
        """Places the next frame; a frame that starts a shot is at 0."""
        return self.place_small(small_luma(picture), shot_start=shot_start)

    def place_small(self, small: SmallLuma, *, shot_start: bool) -> Placement:
        """The same for a frame of which the reduced luma is known."""
        if self._last is None or self._reference is None or shot_start or min(small.levels.shape) < _LEAST_SIDE:
            placement = Placement(level=round(float(small.levels.sum()) / small.levels.size, 3))
            self._reference = self._last = small, placement
            return placement
        found = _placed(*self._reference, small)
        if found is None and self._reference[0] is not self._last[0]:
            self._reference = self._last
            found = _placed(*self._last, small)
        if found is None:
            last = self._last[1]
            level = round(float(small.levels.sum()) / small.levels.size, 3)
            found = replace(last, level=level, linked=False)
            self._reference = small, found
        elif self._rotation:
            found = _turned(self._reference, self._last, small, found)
            if abs(found.rotation - self._reference[1].rotation) > _MOST_ROTATION:
                self._reference = small, found
        self._last = small, found
        return found


def _placed(reference: SmallLuma, at: Placement, small: SmallLuma) -> Placement | None:
    """The place of a frame by its difference from another one; None when they have too little in common."""
    found = register(reference, small)
    if not comparable(found):
        return None
    return Placement(
        right=round(at.right + found.right, 3),
        down=round(at.down + found.down, 3),
        light=round(at.light + found.after - found.before, 3),
        contrast=round(at.contrast + math.log(found.contrast), 5),
        level=round(found.after, 3),
        rotation=at.rotation,
        rotation_error=at.rotation_error,
        linked=True,
    )


def _turned(reference: _Seen, before: _Seen, small: SmallLuma, found: Placement) -> Placement:
    """The place of a frame with how it turned since the one before; its shift is then that of the picture's centre."""
    earlier, last = before
    near = found.right - last.right, found.down - last.down
    turn = register_turn(earlier, small, near, round(math.exp(found.contrast - last.contrast), 6))
    if turn is None:
        return found
    rotation = round(last.rotation + turn.rotation, 5)
    if reference[0] is earlier:
        right, down = last.right + turn.right, last.down + turn.down
    else:
        radians = math.radians(rotation - reference[1].rotation)
        right, down = found.right - radians * turn.lever_right, found.down - radians * turn.lever_down
    error = round(last.rotation_error + turn.error, 5)
    return replace(found, right=round(right, 3), down=round(down, 3), rotation=rotation, rotation_error=error)


def comparable(found: Registration) -> bool:
    """Whether two pictures show so much of each other that shift and light can be read."""
    lighter = (found.after + 8) / (found.before + 8)
    changes = (lighter, found.contrast)
    return (
        found.likeness >= _LIKENESS and found.common >= _COMMON and all(1 / _LIGHTEST < c < _LIGHTEST for c in changes)
    )
