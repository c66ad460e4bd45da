"""Makes the source of a title: moving texture in shots of one second, with a tone as its sound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from random import Random

import numpy as np

from reelwright.media.picture import Picture
from tests.faults.schedule import ScheduledTitle
from tests.support.clipmaker import Film, write_film
from tests.support.scenes import SHOT_FRAMES, scene

# Time base of the films with a variable frame rate, in seconds.
_TIME_BASE = Fraction(1, 600)
# Distance between the scenes of two titles, in shots; no title is longer.
_SHOTS_APART = 64


def make_clip(title: ScheduledTitle, folder: Path) -> Path:
    """Writes the title's source into a folder; its path."""
    path = folder / f"title-{title.number}{title.suffix}"
    shots = [(time, _picture(title, index)) for index, time in enumerate(_times(title))]
    film = Film(
        shots,
        rate=Fraction(title.rate),
        time_base=_TIME_BASE if title.variable else None,
        audio="aac" if title.sound else "",
        # Otherwise Matroska's muxer writes random identifiers, and the same title would be another run.
        container_options={"fflags": "+bitexact"},
    )
    write_film(path, film)
    return path


def _times(title: ScheduledTitle) -> list[Fraction]:
    if not title.variable:
        return [Fraction(index, title.rate) for index in range(title.frames)]
    rng = Random(title.number)
    times = [Fraction(0)]
    for _ in range(title.frames - 1):
        times.append(times[-1] + rng.randint(12, 80) * _TIME_BASE)
    return times


def _picture(title: ScheduledTitle, index: int) -> Picture:
    moment = index + title.number * _SHOTS_APART * SHOT_FRAMES
    picture = scene(moment, "yuv420p", title.width, title.height)
    if title.colour:
        return picture
    luma, *chroma = picture.planes
    return Picture(picture.pix_fmt, picture.width, picture.height, (luma, *(np.full_like(c, 128) for c in chroma)))
