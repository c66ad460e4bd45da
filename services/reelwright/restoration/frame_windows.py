"""The windows of a batch: each frame with its neighbours of the same shot, as 8-bit luma."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.picture import Picture
from reelwright.restoration.once import Once
from reelwright.restoration.optical_flow import Codes, Flow, WindowMotion, adjacent_flow, flow_luma
from reelwright.restoration.window import PreparedWindow, prepare
from reelwright.restoration.window_network import FRAMES, MIDDLE

# What alignment needs; smaller pictures are extended.
_LEAST_SIDE = 32


@dataclass(frozen=True, slots=True)
class FrameWindow:
    """A frame with its neighbours.

    Attributes:
        picture: the frame.
        codes: five frames (H, W) uint8 luma in the order of time; H and W are even and at least 32, the last row and
            column repeated where the pictures are smaller.
        motion: how they move.
        enlarged: (scale * H, scale * W) float32, the frame's luma enlarged, which its neighbours need as well: by the
            first recipe that asks, so a window serves one recipe.
        near: the windows of the frame before and of the one after, which have none themselves; None beyond a cut.
    """

    picture: Picture
    codes: tuple[Codes, ...]
    motion: WindowMotion
    enlarged: Once[NDArray[np.float32]] = field(default_factory=Once)
    near: tuple[FrameWindow | None, FrameWindow | None] = (None, None)
    _prepared: Once[PreparedWindow] = field(default_factory=Once)

    def prepared(self) -> PreparedWindow:
        """The window aligned, measured and repaired; this is done once."""
        return self._prepared.get(lambda: prepare(self.codes, self.motion))


class FrameWindows:
    """Makes the windows of a batch. Each picture is converted once, and each flow computed once. Used by one thread.

    Args:
        pictures: halo frames, the batch's frames, halo frames, in order.
        before: number of halo frames before the batch's.
        shot_starts: for each of the batch's frames whether a shot begins with it. Halo frames are of the same shot as
            the batch's frame next to them.
        near: whether windows have those of the frames beside them.
    """

    def __init__(
        self, pictures: Sequence[Picture], before: int, shot_starts: Sequence[bool], *, near: bool = False
    ) -> None:
        self._pictures, self._before, self._near = pictures, before, near
        self._starts = [False] * before + list(shot_starts)
        self._starts += [False] * (len(pictures) - len(self._starts))
        self._converted: dict[int, tuple[Codes, Codes]] = {}
        self._flows: dict[tuple[int, int], Flow] = {}
        self._windows: dict[int, FrameWindow] = {}

    def window(self, frame: int) -> FrameWindow:
        """The window of the batch's frame of this number, from 0. Frames must be asked for in order.

        Beyond a cut or the end of the pictures the shot's nearest frame stands in.
        """
        middle = self._before + frame
        first = max(i for i in range(middle + 1) if i == 0 or self._starts[i])
        last = next((i - 1 for i in range(middle + 1, len(self._starts)) if self._starts[i]), len(self._starts) - 1)
        self._forget(middle - MIDDLE - self._near)
        if not self._near:
            return self._window(middle, first, last)
        before, own, after = (
            self._window(index, first, last) if first <= index <= last else None
            for index in (middle - 1, middle, middle + 1)
        )
        assert own is not None
        return replace(own, near=(before, after))

    def _window(self, middle: int, first: int, last: int) -> FrameWindow:
        """The window of a picture of the shot from `first` to `last`."""
        if middle not in self._windows:
            indices = [min(max(middle + slot - MIDDLE, first), last) for slot in range(FRAMES)]
            found = [self._convert(index) for index in indices]
            before, after = indices[MIDDLE::-1], indices[MIDDLE:]
            motion = WindowMotion(tuple(small for _, small in found), self._motion(before), self._motion(after))
            codes = tuple(codes for codes, _ in found)
            self._windows[middle] = FrameWindow(self._pictures[middle], codes, motion)
        return self._windows[middle]

    def _motion(self, indices: Sequence[int]) -> tuple[Flow, Flow]:
        """The flows from the first of three pictures to the second, and from there to the third."""
        near, beyond = (self._flow(pair) for pair in pairwise(indices))
        return near, beyond

    def _flow(self, pair: tuple[int, int]) -> Flow:
        if pair not in self._flows:
            self._flows[pair] = adjacent_flow(*(self._convert(index) for index in pair))
        return self._flows[pair]

    def _forget(self, first: int) -> None:
        """Forgets all before a picture."""
        self._converted = {index: each for index, each in self._converted.items() if index >= first}
        self._flows = {pair: each for pair, each in self._flows.items() if min(pair) >= first}
        self._windows = {index: each for index, each in self._windows.items() if index - MIDDLE >= first}

    def _convert(self, index: int) -> tuple[Codes, Codes]:
        if index not in self._converted:
            codes = luma_codes(self._pictures[index])
            self._converted[index] = codes, flow_luma(codes)
        return self._converted[index]


def luma_codes(picture: Picture) -> Codes:
    """Luma at 8 bits, rounded, extended to even sides of at least 32; a view of the picture where nothing changes."""
    plane = picture.planes[0]
    if picture.format.depth > 8:
        plane = np.asarray(cv2.convertScaleAbs(plane, alpha=255 / ((1 << picture.format.depth) - 1)), np.uint8)
    bottom, right = (max(_LEAST_SIDE, side + side % 2) - side for side in plane.shape)
    if bottom or right:
        return np.asarray(cv2.copyMakeBorder(plane, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8)
    return np.asarray(plane, np.uint8)
