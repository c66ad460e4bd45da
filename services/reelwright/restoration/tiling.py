"""Runs a network over a frame in tiles of one size. The borders of the tiles change no pixel.

The tiles depend on the frame's size alone. Neighbouring tiles overlap by at least twice the halo, and each tile
supplies only those pixels whose whole neighbourhood it contains. So the result equals that of one tile over the whole
frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.float32]
Columns = NDArray[np.bool_]
Planes = NDArray[Any]

# Pixels that are mirrored around the frame, because networks are least accurate at a picture's edge.
MARGIN = 8
# The activations of a tile of this size fit into the memory of a small GPU.
MAX_ROWS, MAX_COLUMNS = 768, 1344
# Columns of a tile where few columns of the result are wanted. It supplies them less twice the halo, which is 20 for
# `reel-s` and 28 for `reel-m`. Tiles of deeper networks supply half of their columns.
_FEW_COLUMNS = 128


@dataclass(frozen=True, slots=True)
class Span:
    """One tile along one axis, in samples.

    Attributes:
        start, size: the samples that it reads: `start` to `start + size`.
        first, last: the samples that it supplies: `first` to `last`, without `last`.
    """

    start: int
    size: int
    first: int
    last: int


def spans(length: int, largest: int, halo: int, multiple: int) -> list[Span]:
    """The tiles that cover one axis of a frame.

    Args:
        length: samples of the axis, a multiple of `multiple`.
        largest: maximum samples of a tile; a tile has more where it would supply none.
        halo: samples at each end of a tile that it reads and does not supply, except at the ends of the frame.
        multiple: divisor of every start and size.
    """
    largest = max(largest, 2 * halo + multiple)
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
    planes: Sequence[Planes],
    run: Callable[[list[Planes]], Luma],
    *,
    scale: int,
    halo: int,
    multiple: int,
    largest: tuple[int, int] = (MAX_ROWS, MAX_COLUMNS),
    wanted: Columns | None = None,
) -> Luma:
    """Runs a network over a whole frame.

    Args:
        planes: the network's inputs: (C, H, W), and maps of a half or another part of these sides.
        run: the network, from tiles of the inputs to (scale * h, scale * w) float32; h and w are multiples of
            `multiple`.
        scale: factor by which width and height grow.
        halo: how far a result depends on its neighbours, in source pixels (`WindowNetwork.halo`).
        multiple: divisor of the sides of the network's input.
        largest: maximum rows and columns of a tile.
        wanted: (W,), the columns whose result is wanted; None for all. Where a tile has none of them, the result is 0.

    Returns:
        (scale * H, scale * W) float32.
    """
    rows, columns = planes[0].shape[1:]
    parts = [rows // plane.shape[1] for plane in planes]
    bottom, right = _round_up(rows, multiple) - rows + MARGIN, _round_up(columns, multiple) - columns + MARGIN
    padded = [
        _mirrored(plane, bottom // part, right // part, MARGIN // part)
        for plane, part in zip(planes, parts, strict=True)
    ]
    height, width = padded[0].shape[1:]
    halo = _round_up(halo, multiple)
    row_spans = spans(height, largest[0], halo, multiple)
    column_spans = spans(width, largest[1], halo, multiple)
    if wanted is not None:
        within = np.pad(wanted, (MARGIN, width - columns - MARGIN))
        few = spans(width, min(largest[1], max(_FEW_COLUMNS, 4 * halo)), halo, multiple)
        column_spans = [span for span in few if within[span.first : span.last].any()]
    if len(row_spans) == 1 and column_spans == [Span(0, width, 0, width)]:
        whole = run(padded)
    else:
        whole = np.zeros((height * scale, width * scale), np.float32)
        for y in row_spans:
            for x in column_spans:
                tile = [_cut(plane, y, x, part) for plane, part in zip(padded, parts, strict=True)]
                whole[_target(y, scale), _target(x, scale)] = run(tile)[_supplied(y, scale), _supplied(x, scale)]
    edge = MARGIN * scale
    return whole[edge : edge + rows * scale, edge : edge + columns * scale]


def _mirrored(planes: Planes, bottom: int, right: int, margin: int) -> Planes:
    count, rows, columns = planes.shape
    found = np.empty((count, margin + rows + bottom, margin + columns + right), planes.dtype)
    for plane, target in zip(planes, found, strict=True):
        cv2.copyMakeBorder(plane, margin, bottom, margin, right, cv2.BORDER_REFLECT_101, dst=target)
    return found


def _cut(planes: Planes, y: Span, x: Span, part: int) -> Planes:
    rows, columns = (slice(span.start // part, (span.start + span.size) // part) for span in (y, x))
    return np.ascontiguousarray(planes[:, rows, columns])


def _target(span: Span, scale: int) -> slice:
    return slice(span.first * scale, span.last * scale)


def _supplied(span: Span, scale: int) -> slice:
    return slice((span.first - span.start) * scale, (span.last - span.start) * scale)


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
