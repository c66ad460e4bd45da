"""Finds frames that repeat the frame before them, as telecine and silent film at a higher rate do.

A repeated frame differs from its predecessor by what a codec leaves of equal pictures, in no place by more. Around it
the picture moves: where nothing moves, as in a title card, frames are alike without being repeats.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.frame_record import DecodedFrame
from reelwright.media.picture import Picture, Plane, eight_bits

Codes = NDArray[np.uint8]

# Frames on either side whose changes say whether the picture moves.
_REACH = 3
# Pictures are compared in squares of so many samples.
_CELL = 16
# In a repeat no square changes by more than this many 8-bit levels on average. Measured on repeats that H.264 coded at
# crf 28: 5.6 at most; at crf 33 11. Frames that do not repeat change by 8 at least in one square.
_MOST_CHANGE = 6
# The whole picture changes by less than this share of its greatest change nearby, which is at least so many levels, and
# by no more than the last number of levels. Repeats changed by less than 0.1 of it, and film without any by 0.8 of it.
_SHARE, _LEAST_MOTION, _MOST_MEAN = 0.25, 0.8, 1.0


@dataclass(slots=True)
class _Held:
    """A frame that waits for those after it.

    Attributes:
        frame: the frame.
        change: mean change of luma since the frame before, in 8-bit levels; None where a shot starts.
    """

    frame: DecodedFrame
    change: float | None


def with_duplicates(frames: Iterable[DecodedFrame]) -> Iterator[DecodedFrame]:
    """Yields the frames; `record.duplicate` says of each whether it repeats the frame before.

    Three frames are held back. The decision depends on the frames of a shot alone, three after the frame at most.
    """
    finder = _Finder()
    for frame in frames:
        yield from finder.add(frame)
    yield from finder.rest()


class _Finder:
    """Frames in a row, and the changes around the one that is decided on."""

    def __init__(self) -> None:
        self._held: deque[_Held] = deque()
        self._before: deque[float] = deque(maxlen=_REACH)
        self._last: Picture | None = None
        # The picture that the frames before repeat, or the one before.
        self._repeated: Picture | None = None

    def add(self, frame: DecodedFrame) -> Iterator[DecodedFrame]:
        """Adds the next frame; yields those that are decided on."""
        picture = frame.picture
        change = None
        if frame.record.shot_start or self._last is None:
            yield from self.rest()
        else:
            change = _mean_change(self._last, picture)
        self._last = picture
        self._held.append(_Held(frame, change))
        if len(self._held) > _REACH:
            yield self._next()

    def rest(self) -> Iterator[DecodedFrame]:
        """Yields the others; the shot ends here."""
        while self._held:
            yield self._next()
        self._before.clear()
        self._repeated = None

    def _next(self) -> DecodedFrame:
        held = self._held.popleft()
        frame, repeats = held.frame, self._repeats(held)
        if held.change is not None:
            self._before.append(held.change)
        if not repeats:
            self._repeated = frame.picture
            return frame
        return replace(frame, record=frame.record.model_copy(update={"duplicate": True}))

    def _repeats(self, held: _Held) -> bool:
        if held.change is None or self._repeated is None:
            return False
        after = [other.change for other in self._held if other.change is not None]
        motion = max([*self._before, *after], default=0.0)
        limit = min(_MOST_MEAN, _SHARE * motion)
        if motion < _LEAST_MOTION or held.change > limit:
            return False
        # Against the picture that is repeated, so that the changes of several repeats do not add up.
        picture, repeated = held.frame.picture, self._repeated
        return _mean_change(repeated, picture) <= limit and _most_change(repeated, picture) <= _MOST_CHANGE


def _mean_change(one: Picture, other: Picture) -> float:
    """Mean change of luma, in 8-bit levels. The sum is one of integers and so exact."""
    return cv2.sumElems(_change(one.planes[0], other.planes[0], one.format.depth))[0] / one.planes[0].size


def _most_change(one: Picture, other: Picture) -> int:
    """The mean change of the square that changes most, in any plane, in whole 8-bit levels."""
    changes = [_change(*pair, one.format.depth) for pair in zip(one.planes, other.planes, strict=True)]
    return max(int(_cells(change).max()) for change in changes)


def _change(one: Plane, other: Plane, depth: int) -> Codes:
    return np.asarray(cv2.absdiff(eight_bits(one, depth), eight_bits(other, depth)), np.uint8)


def _cells(change: Codes) -> Codes:
    """Means over squares; the outermost samples fill those that reach beyond the picture."""
    beyond = [-side % _CELL for side in change.shape]
    whole = cv2.copyMakeBorder(change, 0, beyond[0], 0, beyond[1], cv2.BORDER_REFLECT) if any(beyond) else change
    size = (whole.shape[1] // _CELL, whole.shape[0] // _CELL)
    return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.uint8)
