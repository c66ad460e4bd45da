"""Chooses the film grain of AV1 that is like measured grain.

The filters were searched beforehand, and what a decoder makes of each was simulated (`training/film_grain_search.py`).
The one is taken whose octaves have the measured proportions most nearly, and its strength is set at each level. All is
computed from whole numbers, by operations that every processor rounds alike, so the result has the same bits anywhere.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from typing import NamedTuple

from reelwright.media.av1_film_grain import FilmGrain
from reelwright.media.frame_grain import LEVELS, OCTAVE_UNIT, STRENGTH_UNIT, FrameGrain

# Standard deviation of the specification's Gaussian sequence at 8 bits, and the most that leaves room for its tails.
_NOISE, _MOST_NOISE = 32.0, 1.14
_LARGEST = 255
# The first level of a table that gets grain, at the most: below that of its second point.
_MOST_BLACK = 30
NO_GRAIN = FilmGrain(seed=0, points=(), scaling_shift=11, coefficients=(0,) * 24, coefficient_shift=6, noise_shift=0)
"""Of a frame that gets none."""


@dataclass(frozen=True, slots=True)
class _Filter:
    """A filter of the table.

    Attributes:
        coefficients: see `FilmGrain`.
        shift: see `FilmGrain.coefficient_shift`.
        octaves: energies of what it makes of noise of strength 1, made small to the source's size, the finest first.
    """

    coefficients: tuple[int, ...]
    shift: int
    octaves: tuple[float, float, float]


class GrainyFrame(NamedTuple):
    """A frame of a segment.

    Attributes:
        shot_start: whether a shot begins there.
        grain: what was measured of it.
        keep: share of the strength, 0 to 1.
    """

    shot_start: bool
    grain: FrameGrain
    keep: float


def film_grain_of(
    frames: Sequence[GrainyFrame], scale: int, *, seed: int, first_frame: int, black: int | None
) -> list[FilmGrain]:
    """The film grain of each frame of a segment. The frames of a shot share all but their seeds.

    Args:
        frames: of the segment, in order of display.
        scale: see `fit_film_grain`.
        seed: of the film, 0 to 2^64 - 1.
        first_frame: number of the segment's first frame in the title.
        black: see `fit_film_grain`.
    """
    shots: list[list[GrainyFrame]] = []
    for frame in frames:
        if frame.shot_start or not shots:
            shots.append([])
        shots[-1].append(frame)
    found: list[FilmGrain] = []
    for shot in shots:
        fitted = fit_film_grain([each.grain for each in shot], scale, shot[0].keep, black=black)
        found += [replace(fitted, seed=_frame_seed(seed, first_frame + len(found) + n)) for n in range(len(shot))]
    return found


def _frame_seed(seed: int, frame: int) -> int:
    """From 1 to 65,535: a decoder makes no random numbers of 0."""
    digest = hashlib.sha256(f"film grain\n{seed}\n{frame}".encode()).digest()
    return 1 + int.from_bytes(digest[:8], "big") % 65535


def fit_film_grain(frames: Sequence[FrameGrain], scale: int, keep: float, *, black: int | None = None) -> FilmGrain:
    """The film grain that is like the mean of frames' grain, enlarged.

    Args:
        frames: what was measured, at the size of the source; at least one frame.
        scale: of the enlargement, one that the table has.
        keep: share of the strength, 0 to 1.
        black: levels up to this one, of 255, get none, because the film has bars of it; None for no such level.

    Returns:
        The parameters; the seed is 0.
    """
    energies = [sum(each**2 for each in frame.strength) for frame in frames]
    if not sum(energies) or not keep:
        return NO_GRAIN
    wanted = [
        sum(energy * frame.octaves[n] for energy, frame in zip(energies, frames, strict=True))
        / (sum(energies) * OCTAVE_UNIT)
        for n in range(3)
    ]
    chosen, gain = _nearest(wanted, scale)
    noise_shift = next(each for each in range(4) if gain / 2**each <= _MOST_NOISE or each == 3)
    unit = _LARGEST * keep / (STRENGTH_UNIT * _NOISE * gain / 2**noise_shift)
    means = [sum(frame.strength[level] ** 2 for frame in frames) / len(frames) for level in range(LEVELS)]
    strength = [unit * math.sqrt(mean) for mean in means]
    scaling_shift = next(each for each in (11, 10, 9, 8) if max(strength) * 2**each <= _LARGEST or each == 8)
    scalings = [min(round(each * 2**scaling_shift), _LARGEST) for each in strength]
    points = [(_LARGEST * (2 * level + 1) // (2 * LEVELS), scaling) for level, scaling in enumerate(scalings)]
    if black is not None:
        points[0] = (min(black, _MOST_BLACK), 0)
    return FilmGrain(
        seed=0,
        points=tuple(points),
        scaling_shift=scaling_shift,
        coefficients=chosen.coefficients,
        coefficient_shift=chosen.shift,
        noise_shift=noise_shift,
    )


def _nearest(wanted: Sequence[float], scale: int) -> tuple[_Filter, float]:
    """The filter whose octaves have the wanted proportions most nearly, and by how much its grain is stronger."""
    best: tuple[float, float, _Filter] | None = None
    for each in _filters(scale):
        ratios = [found / octave for found, octave in zip(each.octaves, wanted, strict=True)]
        error = max(ratios) / min(ratios)
        if best is None or error < best[0]:
            best = (error, math.sqrt(math.sqrt(max(ratios) * min(ratios))), each)
    assert best is not None
    return best[2], best[1]


@lru_cache(maxsize=4)
def _filters(scale: int) -> tuple[_Filter, ...]:
    text = (resources.files("reelwright.media") / "film_grain_filters.json").read_text(encoding="utf-8")
    return tuple(
        _Filter(tuple(each["coefficients"]), each["shift"], tuple(each["octaves"]))
        for each in json.loads(text)[str(scale)]
    )
