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
from training import material

Codes = NDArray[np.uint8]

# Frames kept away from a piece on both sides.
AWAY = 24
# A film with fewer columns is not made smaller.
_NARROW = 480


def find_film(name: str, folders: Sequence[Path]) -> Path | None:
    """The film's file in the first folder that has it."""
    return next((folder / name for folder in folders if (folder / name).exists()), None)


def middles(path: Path, step: int = 1) -> list[int]:
    """Numbers of the frames with two frames of the same shot before and after them, every `step`-th frame counted."""
    shown = ((k, Picture("gray", f.shape[1], f.shape[0], (f,))) for k, f in enumerate(_frames(path)))
    starts, count = [], 0
    for number, begins in with_shots(shown):
        starts += [number] if begins else []
        count = number + 1
    return [k for start, end in pairwise([*starts, count]) for k in range(start + MIDDLE * step, end - MIDDLE * step)]


def near_piece(piece: material.Piece, number: int) -> bool:
    """Whether the window of a frame of the piece's film lies within `AWAY` frames of the piece."""
    return piece.first - AWAY <= number - MIDDLE and number + MIDDLE < piece.first + material.FRAMES + AWAY


def apart_from_pieces(name: str, number: int, step: int = 1) -> bool:
    """Whether no frame of the window of a frame lies within `AWAY` frames of a piece of the film."""
    pieces = [piece for piece in material.PIECES if piece.file == name]
    return all(
        number + MIDDLE * step < piece.first - AWAY or number - MIDDLE * step >= piece.first + material.FRAMES + AWAY
        for piece in pieces
    )


def windows(path: Path, numbers: Collection[int], step: int = 1) -> Iterator[Codes]:
    """The windows of frames of a film, of every `step`-th frame, in the order of time.

    Yields:
        (5, rows, columns) uint8 luma, rows and columns even.
    """
    wanted, last = set(numbers), max(numbers, default=-1)
    held: deque[Codes] = deque(maxlen=(FRAMES - 1) * step + 1)
    for number, frame in enumerate(_frames(path)):
        held.append(frame)
        middle = number - MIDDLE * step
        if middle in wanted:
            yield np.stack(list(held)[::step])
        if middle >= last:
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
