"""Real films that the film-damage simulator aged, restored with their grain in each mode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from reelwright.aging.ager import Ager
from reelwright.aging.presets import PRESETS
from reelwright.media.picture import Picture
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.restoration.engine import Engine
from reelwright.restoration.frame_windows import FrameWindow, FrameWindows
from reelwright.restoration.grain import GrainWanted
from reelwright.restoration.restore import Restorer
from reelwright.titles.recipe import Recipe
from tests.support.films import whole_film

Luma = NDArray[np.float32]

_SEED, _HALO = 3, 2
_LARGEST = 4095


@dataclass(frozen=True, slots=True)
class GrainyFrame:
    """A frame of an aged film.

    Attributes:
        number: in the film.
        picture: its luma, `gray`.
        window: with its neighbours.
    """

    number: int
    picture: Picture
    window: FrameWindow


def aged_frames(film: str, preset: str, first: int, count: int) -> Iterator[GrainyFrame]:
    """Frames in a row of a real film, aged as they are read: no codec has touched their grain.

    Args:
        film: a name as for `films.whole_film`.
        preset: of the simulator.
        first: number of the first frame.
        count: how many.
    """
    frames = islice(FrameReader(probe(str(whole_film(film))), Recipe()), first - _HALO, first + count + _HALO)
    pictures: list[Picture] = []
    for number, frame in enumerate(frames):
        luma = np.asarray(frame.picture.planes[0], np.uint8)
        rows, columns = luma.shape
        (aged,) = Ager(PRESETS[preset], _SEED, columns, rows).age(number, (luma,))
        pictures.append(Picture("gray", columns, rows, (aged,)))
    windows = FrameWindows(pictures, _HALO, [False] * count)
    for number in range(count):
        yield GrainyFrame(first + number, pictures[_HALO + number], windows.window(number))


def restored(engine: Engine, scale: int, frame: GrainyFrame, wanted: GrainWanted) -> Luma:
    """The frame restored, before it is rounded to 8 bits, in [0, 1]."""
    found = Restorer(engine, scale, wanted).restore(
        frame.picture, "gray12le", window=frame.window, frame=frame.number, full_range=True
    )
    return found.picture.planes[0].astype(np.float32) / np.float32(_LARGEST)
