"""Shot cuts while decoding: FFmpeg's `scdet` on a small luma, with a look ahead that tells a flash from a cut."""

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

from reelwright.media.picture import Picture

Item = TypeVar("Item")
Small = NDArray[np.uint8]

# Percent of full scale by which a frame must differ from the last one more than that did from its own (scdet's
# score); FFmpeg's default, and far above the 1 to 4 of grain, flicker and gate weave.
_THRESHOLD = 10.0
# Frames: a shot shorter than this cannot be followed by an eye, nor used by a temporal window.
_MIN_SHOT = 6
# Frames a flash, a splice or a torn frame lasts at most.
_FLASH = 4
# scdet looks at no clock, but a filter graph wants one.
_TICK = Fraction(1, 25)
# Columns of the small picture, at least: little work, and a face still counts.
_WIDTH = 160


def with_shots(items: Iterable[tuple[Item, Picture]]) -> Iterator[tuple[Item, bool]]:
    """Each item with whether its picture starts a shot; the first always does.

    Looks `_FLASH` frames ahead, so that many items are held back. Depends on the pictures alone.
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
        # After a flash the old shot goes on: a frame soon after is nearer to the one before it than a cut allows.
        if any(_difference(before, later) < jump for later in ahead):
            self._steady, self._flashed = before, _FLASH + 1
            return False
        return True


def _difference(one: Small, other: Small) -> float:
    """Mean absolute difference in percent of full scale."""
    return float(cv2.norm(one, other, cv2.NORM_L1)) / one.size * (100 / 255)


def _small(picture: Picture) -> Small:
    """The luma, 8-bit and about 160 samples wide: means over squares of k x k samples."""
    luma = picture.planes[0]
    height, width = luma.shape
    k = min(width // _WIDTH, height)
    if k > 1:
        # Of a large square two rows are as good as all. Whole multiples keep OpenCV on its fast path.
        rows = luma[: height // k * k : k // 2 if k % 2 == 0 else 1, : width // k * k]
        luma = cv2.resize(rows, (width // k, height // k), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return np.ascontiguousarray(luma >> (picture.format.depth - 8), np.uint8)


class _Scores:
    """`scdet` as a function of one frame after another."""

    def __init__(self) -> None:
        self._graph: Graph | None = None

    def of(self, small: Small) -> float:
        """The frame's score, 0 to 100; 0 for the first."""
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
