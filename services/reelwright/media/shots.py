"""Shot cuts while decoding: FFmpeg's `scdet` on a small luma, with a look ahead that tells a flash from a cut."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
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
# Columns of the small picture, at least: little work, and a face still counts.
_WIDTH = 160


def with_shots(items: Iterable[tuple[Item, Picture]]) -> Iterator[tuple[Item, bool]]:
    """Each item with whether its picture starts a shot; the first always does.

    Looks `_FLASH` frames ahead, so that many items are held back. Depends on the pictures alone.
    """
    scores = _Scores()
    window: deque[tuple[Item, Small, float]] = deque()
    before: Small | None = None
    length = 0
    for item, picture in items:
        small = _small(picture)
        window.append((item, small, scores.of(small)))
        if len(window) > _FLASH:
            item_out, before, starts = _judge(before, window, length)
            length = 1 if starts else length + 1
            yield item_out, starts
    while window:
        item_out, before, starts = _judge(before, window, length)
        length = 1 if starts else length + 1
        yield item_out, starts


def _judge(before: Small | None, window: deque[tuple[Item, Small, float]], length: int) -> tuple[Item, Small, bool]:
    """Takes the window's first frame out: the item, its small picture, whether it starts a shot."""
    item, small, score = window.popleft()
    if before is None:
        return item, small, True
    if score < _THRESHOLD or length < _MIN_SHOT:
        return item, small, False
    # After a flash the old shot goes on: a frame soon after is nearer to the one before it than a cut allows.
    flash = any(_difference(before, later) < _difference(before, small) / 2 for _, later, _ in window)
    return item, small, not flash


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
        source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format)
        graph.link_nodes(source, graph.add("scdet", f"threshold={_THRESHOLD}"), graph.add("buffersink")).configure()
        return graph
