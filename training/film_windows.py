"""Windows of five frames of a film, half as large, none of which holds a cut."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.picture import Picture
from reelwright.media.shots import with_shots
from reelwright.restoration.window_network import FRAMES, MIDDLE

Codes = NDArray[np.uint8]

# A film with fewer columns is not made smaller.
_NARROW = 480


def middles(path: Path) -> list[int]:
    """Numbers of the frames of a film that have two frames of the same shot before and after them."""
    shown = ((k, Picture("gray", f.shape[1], f.shape[0], (f,))) for k, f in enumerate(_frames(path)))
    starts, count = [], 0
    for number, begins in with_shots(shown):
        starts += [number] if begins else []
        count = number + 1
    return [k for start, end in pairwise([*starts, count]) for k in range(start + MIDDLE, end - MIDDLE)]


def windows(path: Path, numbers: Collection[int]) -> Iterator[Codes]:
    """The windows of frames of a film in the order of time, (5, rows, columns) uint8 luma, rows and columns even."""
    wanted, last = set(numbers), max(numbers, default=-1)
    held: deque[Codes] = deque(maxlen=FRAMES)
    for number, frame in enumerate(_frames(path)):
        held.append(frame)
        if number - MIDDLE in wanted:
            yield np.stack(held)
        if number - MIDDLE >= last:
            return


def spread(numbers: Sequence[int], count: int) -> list[int]:
    """So many of the numbers, evenly spread; all where there are no more."""
    places = np.unique(np.linspace(0, len(numbers) - 1, min(count, len(numbers))).round().astype(int))
    return [numbers[place] for place in places]


def _frames(path: Path) -> Iterator[Codes]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            luma = frame.to_ndarray(format="yuv420p")[: frame.height]
            rows, columns = (side // 4 * 4 for side in luma.shape)
            luma = np.ascontiguousarray(luma[:rows, :columns], np.uint8)
            if columns >= _NARROW:
                luma = np.asarray(cv2.resize(luma, (columns // 2, rows // 2), interpolation=cv2.INTER_AREA), np.uint8)
            yield luma
