"""Runs a network over a frame in windows of one size, so that no border of a window shows in any pixel.

The windows of a frame are a function of its size alone. Neighbours overlap by at least twice the halo, and each gives
only those pixels whose surroundings it holds in full, so the result is what one window over the whole frame gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.float32]

# Pixels that are mirrored around the frame, since networks are at their worst where the picture ends.
MARGIN = 8
# Activations of a window this large fit the memory of a small GPU and the caches' prefetchers of a CPU.
MAX_ROWS, MAX_COLUMNS = 768, 1344


@dataclass(frozen=True, slots=True)
class Span:
    """One window along one axis: it reads `start` to `start + size` and gives `first` to `last`."""

    start: int
    size: int
    first: int
    last: int


def spans(length: int, largest: int, halo: int, multiple: int) -> list[Span]:
    """Windows that cover `length` samples.

    Args:
        length: samples, a multiple of `multiple`.
        largest: most samples of a window.
        halo: samples on each side that a window reads but does not give, except at the frame's own ends.
        multiple: starts and sizes are multiples of it.
    """
    if length <= largest:
        return [Span(0, length, 0, length)]
    step = largest - 2 * halo
    count = -(-(length - 2 * halo) // step)
    size = _up(-(-(length - 2 * halo) // count) + 2 * halo, multiple)
    starts = [min(length - size, _up(number * (length - size) // (count - 1), multiple)) for number in range(count)]
    edges = [0, *((before + size + after) // 2 for before, after in pairwise(starts)), length]
    return [Span(start, size, edges[i], edges[i + 1]) for i, start in enumerate(starts)]


def run_tiled(
    luma: Luma,
    run: Callable[[Luma], Luma],
    scale: int,
    halo: int,
    multiple: int,
    largest: tuple[int, int] = (MAX_ROWS, MAX_COLUMNS),
) -> Luma:
    """The network's result for a whole frame.

    Args:
        luma: (H, W) float32 in [0, 1].
        run: the network: (h, w) to (scale * h, scale * w), both float32, h and w multiples of `multiple`.
        scale: its enlargement.
        halo: how far its results reach, in source pixels.
        multiple: of what its input's sides must be.
        largest: most rows and columns of a window.

    Returns:
        (scale * H, scale * W) float32.
    """
    rows, columns = luma.shape
    bottom, right = _up(rows, multiple) - rows + MARGIN, _up(columns, multiple) - columns + MARGIN
    padded = np.asarray(cv2.copyMakeBorder(luma, MARGIN, bottom, MARGIN, right, cv2.BORDER_REFLECT_101), np.float32)
    halo = _up(halo, multiple)
    down = spans(padded.shape[0], largest[0], halo, multiple)
    across = spans(padded.shape[1], largest[1], halo, multiple)
    if len(down) == len(across) == 1:
        whole = run(padded)
    else:
        whole = np.empty((padded.shape[0] * scale, padded.shape[1] * scale), np.float32)
        for y in down:
            for x in across:
                window = np.ascontiguousarray(padded[y.start : y.start + y.size, x.start : x.start + x.size])
                whole[_inside(y, scale), _inside(x, scale)] = run(window)[_own(y, scale), _own(x, scale)]
    edge = MARGIN * scale
    return whole[edge : edge + rows * scale, edge : edge + columns * scale]


def _inside(span: Span, scale: int) -> slice:
    return slice(span.first * scale, span.last * scale)


def _own(span: Span, scale: int) -> slice:
    return slice((span.first - span.start) * scale, (span.last - span.start) * scale)


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
