"""Follows a shot's scene from frame to frame: its place, its light and its contrast, and how it turned."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from reelwright.media.frame_correction import ScenePlace
from reelwright.media.picture import Picture
from reelwright.media.registration import Registration, SmallLuma, register, small_luma

# A frame is compared with one reference frame as long as both show so much of each other: errors do not add up then.
# Of a correlation below 0.8, as in dark film with coarse grain, no shift can be read that is better than none.
_COMMON, _LIKENESS = 0.5, 0.8
# A scene that turned further is compared with a later frame: far from no rotation what is measured is not proportional.
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
        rotation: by how many degrees the scene turned clockwise since then; 0 if the tracker does not look for it.
        rotation_error: as unsure as `rotation`, without what turned (see `Registration`).
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


class SceneTracker:
    """Places the frames of a film one after another. The numbers depend on the shot's frames up to the given one.

    Args:
        rotation: whether it looks for rotation. Shifts are then those of the picture's centre.
    """

    def __init__(self, *, rotation: bool = False) -> None:
        self._rotation = rotation
        self._reference: tuple[SmallLuma, Placement] | None = None
        self._last: tuple[SmallLuma, Placement] | None = None

    def place(self, picture: Picture, *, shot_start: bool) -> Placement:
        """Places the next frame; a frame that starts a shot is at 0."""
        return self.place_small(small_luma(picture), shot_start=shot_start)

    def place_small(self, small: SmallLuma, *, shot_start: bool) -> Placement:
        """The same for a frame of which the reduced luma is known."""
        if self._last is None or self._reference is None or shot_start or min(small.levels.shape) < _LEAST_SIDE:
            placement = Placement(level=round(float(small.levels.sum()) / small.levels.size, 3))
            self._reference = self._last = small, placement
            return placement
        found = _placed(*self._reference, small, rotation=self._rotation)
        far = found is None or abs(found.rotation - self._reference[1].rotation) > _MOST_ROTATION
        if far and self._reference[0] is not self._last[0]:
            self._reference = self._last
            found = _placed(*self._last, small, rotation=self._rotation)
        if found is None:
            last = self._last[1]
            level = round(float(small.levels.sum()) / small.levels.size, 3)
            found = replace(last, level=level, linked=False)
            self._reference = small, found
        self._last = small, found
        return found


def _placed(reference: SmallLuma, at: Placement, small: SmallLuma, *, rotation: bool) -> Placement | None:
    """The place of a frame by its difference from another one; None when they have too little in common."""
    found = register(reference, small, rotation=rotation)
    if not comparable(found):
        return None
    return Placement(
        right=round(at.right + found.right, 3),
        down=round(at.down + found.down, 3),
        light=round(at.light + found.after - found.before, 3),
        contrast=round(at.contrast + math.log(found.contrast), 5),
        level=round(found.after, 3),
        rotation=round(at.rotation + found.rotation, 5),
        rotation_error=round(at.rotation_error + found.rotation_error, 5),
        linked=True,
    )


def comparable(found: Registration) -> bool:
    """Whether two pictures show so much of each other that shift and light can be read."""
    lighter = (found.after + 8) / (found.before + 8)
    changes = (lighter, found.contrast)
    return (
        found.likeness >= _LIKENESS and found.common >= _COMMON and all(1 / _LIGHTEST < c < _LIGHTEST for c in changes)
    )
