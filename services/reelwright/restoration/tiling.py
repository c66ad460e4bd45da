"""Runs a network over a frame in windows of one size. The borders of the windows change no pixel.

The windows depend on the frame's size alone. Neighbouring windows overlap by at least twice the halo, and each window
supplies only those pixels whose whole neighbourhood it contains. So the result equals that of one window over the whole
frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.float32]

# Pixels that are mirrored around the frame, because networks are least accurate at a picture's edge.
MARGIN = 8
# The activations of a window of this size fit into the memory of a small GPU.
MAX_ROWS, MAX_COLUMNS = 768, 1344


@dataclass(frozen=True, slots=True)
class Span:
    """One window along one axis, in samples.

    Attributes:
        start, size: the samples that it reads: `start` to `start + size`.
        first, last: the samples that it supplies: `first` to `last`, without `last`.
    """

    start: int
    size: int
    first: int
    last: int


def spans(length: int, largest: int, halo: int, multiple: int) -> list[Span]:
    """The windows that cover one axis of a frame.

    Args:
        length: samples of the axis, a multiple of `multiple`.
        largest: maximum samples of a window.
        halo: samples at each end of a window that it reads and does not supply, except at the ends of the frame.
        multiple: divisor of every start and size.
    """
    if length <= largest:
        return [Span(0, length, 0, length)]
    step = largest - 2 * halo
    count = -(-(length - 2 * halo) // step)
    size = _round_up(-(-(length - 2 * halo) // count) + 2 * halo, multiple)
    starts = [
        min(length - size, _round_up(number * (length - size) // (count - 1), multiple)) for number in range(count)
    ]
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
    """Runs a network over a whole frame.

    Args:
        luma: (H, W) float32 in [0, 1].
        run: the network, from (h, w) to (scale * h, scale * w), both float32; h and w are multiples of `multiple`.
        scale: factor by which width and height grow.
        halo: how far a result depends on its neighbours, in source pixels (`Network.halo`).
        multiple: divisor of the sides of the network's input.
        largest: maximum rows and columns of a window.

    Returns:
        (scale * H, scale * W) float32.
    """
    rows, columns = luma.shape
    bottom, right = _round_up(rows, multiple) - rows + MARGIN, _round_up(columns, multiple) - columns + MARGIN
    padded = np.asarray(cv2.copyMakeBorder(luma, MARGIN, bottom, MARGIN, right, cv2.BORDER_REFLECT_101), np.float32)
    halo = _round_up(halo, multiple)
    row_spans = spans(padded.shape[0], largest[0], halo, multiple)
    column_spans = spans(padded.shape[1], largest[1], halo, multiple)
    if len(row_spans) == len(column_spans) == 1:
        whole = run(padded)
    else:
        whole = np.empty((padded.shape[0] * scale, padded.shape[1] * scale), np.float32)
        for y in row_spans:
            for x in column_spans:
                window = np.ascontiguousarray(padded[y.start : y.start + y.size, x.start : x.start + x.size])
                whole[_target(y, scale), _target(x, scale)] = run(window)[_supplied(y, scale), _supplied(x, scale)]
    edge = MARGIN * scale
    return whole[edge : edge + rows * scale, edge : edge + columns * scale]


def _target(span: Span, scale: int) -> slice:
    return slice(span.first * scale, span.last * scale)


def _supplied(span: Span, scale: int) -> slice:
    return slice((span.first - span.start) * scale, (span.last - span.start) * scale)


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
