"""Makes the source of a title: moving texture in shots of a second, with a tone below it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from random import Random

import numpy as np

from reelwright.media.picture import Picture
from tests.faults.generator import Title
from tests.support.clipmaker import Film, write
from tests.support.scenes import SHOT_FRAMES, scene

# Clock of the films whose frames are held for different times, in seconds.
_TICK = Fraction(1, 600)
# Shots by which the scenes of two titles are apart; no title is longer.
_SHOTS_APART = 64


def make_clip(title: Title, folder: Path) -> Path:
    """The title's source, as a file of its own."""
    path = folder / f"title-{title.number}{title.suffix}"
    shots = [(time, _picture(title, index)) for index, time in enumerate(_times(title))]
    unit = _TICK if title.variable else None
    film = Film(
        shots,
        rate=Fraction(title.rate),
        time_base=unit,
        audio="aac" if title.sound else "",
        # Or Matroska's muxer writes random identifiers, and the same title would be another run.
        container_options={"fflags": "+bitexact"},
    )
    write(path, film)
    return path


def _times(title: Title) -> list[Fraction]:
    if not title.variable:
        return [Fraction(index, title.rate) for index in range(title.frames)]
    luck = Random(title.number)
    times = [Fraction(0)]
    for _ in range(title.frames - 1):
        times.append(times[-1] + luck.randint(12, 80) * _TICK)
    return times


def _picture(title: Title, index: int) -> Picture:
    moment = index + title.number * _SHOTS_APART * SHOT_FRAMES
    picture = scene(moment, "yuv420p", title.width, title.height)
    if title.colour:
        return picture
    luma, *chroma = picture.planes
    return Picture(picture.pix_fmt, picture.width, picture.height, (luma, *(np.full_like(c, 128) for c in chroma)))
