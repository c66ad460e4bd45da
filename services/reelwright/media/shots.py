"""Finds shot cuts while decoding: FFmpeg's `scdet` on a small luma plane, and the next frames to exclude a flash."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import TypeVar

import av
import cv2
import numpy as np
from av.filter import Graph
from numpy.typing import NDArray

from reelwright.media.picture import Picture, eight_bits

Item = TypeVar("Item")
Small = NDArray[np.uint8]

# A cut's least score, in percent of full scale. scdet's score says how much more a frame differs from the one before
# than that one differed from its own predecessor. 10 is FFmpeg's default; grain, flicker and gate weave score 1 to 4.
_THRESHOLD = 10.0
# Frames in the shortest shot. A viewer does not see a shorter one as a shot, and a temporal window gains nothing.
_MIN_SHOT = 6
# Frames in the longest flash, splice or group of torn frames.
_FLASH = 4
# scdet does not use the time base, but a filter graph requires one.
_TICK = Fraction(1, 25)
# Least number of columns of the small picture: little work, and a face still changes the score.
_WIDTH = 160


def with_shots(items: Iterable[tuple[Item, Picture]]) -> Iterator[tuple[Item, bool]]:
    """Each item, with whether its picture starts a shot. The first picture always does.

    Four items are held back, because the decision needs the next four pictures. It depends on the pictures only, and
    behind a cut on those from the cut on: no other cut follows for so long that scores and flashes before it count.
    """
    scores, judge = _Scores(), _Judge()
    window: deque[tuple[Item, Small, float]] = deque()
    for item, picture in items:
        small = _small(picture)
        window.append((item, small, scores.of(small)))
        if len(window) > _FLASH:
            done, frame, score = window.popleft()
            yield done, judge.starts(frame, score, [later for _, later, _ in window])
    while window:
        done, frame, score = window.popleft()
        yield done, judge.starts(frame, score, [later for _, later, _ in window])


class _Judge:
    """Decides frame by frame, in order, whether a shot starts."""

    def __init__(self) -> None:
        self._before: Small | None = None
        self._length = 0
        self._steady: Small | None = None
        self._flashed = 0

    def starts(self, small: Small, score: float, ahead: Sequence[Small]) -> bool:
        """Whether the frame starts a shot, given its score and up to `_FLASH` frames that follow."""
        before, self._before = self._before, small
        cut = before is None or self._cuts(before, small, score, ahead)
        self._length = 1 if cut else self._length + 1
        self._flashed = max(0, self._flashed - 1)
        return cut

    def _cuts(self, before: Small, small: Small, score: float, ahead: Sequence[Small]) -> bool:
        if score < _THRESHOLD or self._length < _MIN_SHOT:
            return False
        jump = _difference(before, small) / 2
        if self._flashed and self._steady is not None and _difference(self._steady, small) < jump:
            return False
        # After a flash the old shot continues: one of the next frames differs from the frame before the flash by less
        # than half as much as the flash does.
        if any(_difference(before, later) < jump for later in ahead):
            self._steady, self._flashed = before, _FLASH + 1
            return False
        return True


def _difference(one: Small, other: Small) -> float:
    """Mean absolute difference in percent of full scale."""
    return float(cv2.norm(one, other, cv2.NORM_L1)) / one.size * (100 / 255)


def _small(picture: Picture) -> Small:
    """The luma plane with 8 bits, reduced by a whole number to at least 160 columns (a smaller plane is not reduced).

    Each sample is the mean of a square of the plane.
    """
    luma = picture.planes[0]
    height, width = luma.shape
    k = min(width // _WIDTH, height)
    if k > 1:
        # The mean of two rows of a large square is close enough to the mean of all. OpenCV is fast for whole multiples.
        rows = luma[: height // k * k : k // 2 if k % 2 == 0 else 1, : width // k * k]
        luma = cv2.resize(rows, (width // k, height // k), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return np.ascontiguousarray(eight_bits(luma, picture.format.depth), np.uint8)


class _Scores:
    """The scores that `scdet` gives consecutive frames."""

    def __init__(self) -> None:
        self._graph: Graph | None = None

    def of(self, small: Small) -> float:
        """The score of the next frame, 0 to 100; 0 for the first frame."""
        frame = av.VideoFrame.from_ndarray(small, format="gray")
        if self._graph is None:
            self._graph = self._built(frame)
        self._graph.vpush(frame)
        return float(self._graph.vpull().metadata.get("lavfi.scd.score", 0.0))

    def _built(self, frame: av.VideoFrame) -> Graph:
        graph = Graph()
        source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=_TICK)
        graph.link_nodes(source, graph.add("scdet", f"threshold={_THRESHOLD}"), graph.add("buffersink")).configure()
        return graph
