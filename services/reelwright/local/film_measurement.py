"""Measures samples of a film: what `recommend` goes by. It takes a few seconds, whatever the film's length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from reelwright.decoder.local_flicker import flicker_of
from reelwright.decoder.path_smoothing import unsteadiness
from reelwright.decoder.rotation_weave import UNIT as ROTATION_UNIT
from reelwright.decoder.rotation_weave import rotation_of
from reelwright.media.colour import RANGE_FULL, code_range
from reelwright.media.frame_damage import FrameDamage
from reelwright.media.local_light import LocalChange, local_change
from reelwright.media.picture import Picture, without_neutral_chroma
from reelwright.media.registration import small_luma
from reelwright.media.sampled_pictures import sampled_pictures
from reelwright.media.scene_tracker import Placement, SceneTracker
from reelwright.media.source_info import SourceInfo
from reelwright.media.tone_measurement import (
    HIGHLIGHTS,
    SHADOWS,
    ToneCounts,
    code_levels,
    count_tone,
    highlights_slope,
    shadows_slope,
    shot_white,
)
from reelwright.restoration.frame_windows import FrameWindows
from reelwright.restoration.window import prepare
from reelwright.restoration.window_network import FRAMES, MIDDLE
from reelwright.titles.errors import InputError

Numbers = NDArray[np.int64]

# Unsteadiness is measured on whole numbers, so many to a sample, level or per cent.
_UNIT = 1000
_LEAST_FRAMES = 9
# In nearly black film a level more or less is nothing.
_LEAST_LEVEL = 8.0
# What is darker than this is a deep shadow, what is brighter close to white; levels to the film's white.
_DEEP, _CLOSE = 0.2, 0.9
# The slopes that are told, less 1. Where a smaller share of the film than the last is dark or bright, they are less.
_SHADOWS_SLOPES, _HIGHLIGHTS_SLOPES = (0.5, 1.6), (0.0, 1.6)
_FEW = 0.01


class FilmMeasurement(BaseModel):
    """What samples of a film show: medians over runs of frames, unless something else is said.

    Attributes:
        frames: how many frames were looked at.
        colour: whether any of them has colour.
        field_order: progressive, tff, bff or telecine.
        bars: whether it has black borders.
        width: of the stored picture, in samples.
        height: the same.
        grain: standard deviation in 8-bit levels.
        blockiness: excess of the gradient at the borders of 8x8 blocks, 0 to 1.
        sharpness: energy of the finest detail relative to that of detail twice as large, 0 to 1.
        dusty: share of the runs with dust.
        flicker: what changes faster than within half a second in the scene's light, in per cent of it.
        local_flicker: what parts of the picture flicker against each other, in per cent of the light.
        weave: the same of its place, in samples.
        rotation: standard deviation in degrees of how it certainly turns in the gate.
        dark: share of all pixels in deep shadow.
        bright: share of all pixels close to white.
        shadows: slope less 1 at black of the curve that brings the median of the shadows to its usual place.
        highlights: the same of the highlights, at white.
    """

    model_config = ConfigDict(frozen=True)
    frames: int
    colour: bool
    field_order: str
    bars: bool
    width: int
    height: int
    grain: float
    blockiness: float
    sharpness: float
    dusty: float
    flicker: float
    local_flicker: float
    weave: float
    rotation: float
    dark: float
    bright: float
    shadows: float
    highlights: float


@dataclass(slots=True)
class _Sums:
    """What was found, run by run."""

    frames: int = 0
    colour: bool = False
    damage: list[FrameDamage] = field(default_factory=list)
    flicker: list[float] = field(default_factory=list)
    local_flicker: list[float] = field(default_factory=list)
    weave: list[float] = field(default_factory=list)
    rotation: list[tuple[Numbers, Numbers]] = field(default_factory=list)
    tone: list[ToneCounts] = field(default_factory=list)


def measure_film(info: SourceInfo) -> FilmMeasurement:
    """Measures a film.

    Args:
        info: what `probe` found in it.

    Raises:
        InputError: none of its frames decodes.
    """
    full_range = info.video.colour.range == RANGE_FULL
    sums = _Sums()
    for number, pictures in enumerate(sampled_pictures(info)):
        _add_picture(sums, pictures, full_range=full_range)
        # Following the scene takes most of the time, and a weave is the same all over a film.
        if number % 2 == 0:
            _add_motion(sums, pictures, black=code_range(full_range=full_range)[0])
    if not sums.frames:
        raise InputError("none of the sampled frames decodes", info.location, "give a file whose film is in it")
    counts = ToneCounts.unpacked(np.sum([each.packed() for each in sums.tone], axis=0))
    white = shot_white(counts.levels, full_range=full_range)
    level = code_levels(full_range=full_range) / white
    pixels = float(counts.levels.sum())
    return FilmMeasurement(
        frames=sums.frames,
        colour=sums.colour,
        field_order=info.video.field_order,
        bars=info.video.bars.any,
        width=info.video.width,
        height=info.video.height,
        grain=_median([each.grain for each in sums.damage], 2),
        blockiness=_median([each.blockiness for each in sums.damage], 3),
        sharpness=_median([each.sharpness for each in sums.damage], 3),
        dusty=round(float(np.mean([each.dust > 0 for each in sums.damage])), 3),
        flicker=_median(sums.flicker, 2),
        local_flicker=_median(sums.local_flicker, 2),
        weave=_median(sums.weave, 3),
        rotation=round(rotation_of(sums.rotation), 3),
        dark=round(float(counts.levels[level < _DEEP].sum()) / pixels, 3),
        bright=round(float(counts.levels[level > _CLOSE].sum()) / pixels, 3),
        shadows=_told(
            shadows_slope(counts.levels, white, full_range=full_range),
            _SHADOWS_SLOPES,
            float(counts.levels[level < SHADOWS].sum()) / pixels,
        ),
        highlights=_told(
            highlights_slope(counts.levels, white, full_range=full_range),
            _HIGHLIGHTS_SLOPES,
            float(counts.levels[level > HIGHLIGHTS].sum()) / pixels,
        ),
    )


def _told(slope: float, limits: tuple[float, float], share: float) -> float:
    """A slope of a share of the film's pixels, within limits."""
    return round(min(max(slope, limits[0]), limits[1]) * share / (share + _FEW), 4)


def _add_picture(sums: _Sums, pictures: Sequence[Picture], *, full_range: bool) -> None:
    sums.frames += len(pictures)
    sums.colour = sums.colour or without_neutral_chroma(pictures[0]).format.planes > 1
    window = FrameWindows(pictures[:FRAMES], min(MIDDLE, len(pictures) - 1), [False]).window(0)
    sums.damage.append(prepare(window.codes, window.motion).measurement.summary())
    sums.tone.append(count_tone(pictures[-1], full_range=full_range))


def _add_motion(sums: _Sums, pictures: Sequence[Picture], *, black: int) -> None:
    tracker = SceneTracker(rotation=True)
    small = [small_luma(picture) for picture in pictures]
    places = [tracker.place_small(each, shot_start=index == 0) for index, each in enumerate(small)]
    linked = _longest_linked(places)
    if len(linked) >= _LEAST_FRAMES:
        level = max(_LEAST_LEVEL, float(np.mean([each.level for each in linked])))
        sums.flicker.append(100 * _unsteady([each.light for each in linked]) / level)
        across, along = (_unsteady([getattr(each, name) for each in linked]) for name in ("right", "down"))
        sums.weave.append(math.hypot(across, along))
        sums.rotation.append(
            (
                _whole([each.rotation for each in linked], ROTATION_UNIT),
                _whole([each.rotation_error for each in linked], ROTATION_UNIT),
            )
        )
    changes = [local_change(*pair, black=black) for pair in pairwise(small)]
    flicker = flicker_of(_longest_compared(changes))
    if flicker is not None:
        sums.local_flicker.append(100 * flicker)


def _longest_linked(places: Sequence[Placement]) -> list[Placement]:
    """The most frames in a row that show the same scene."""
    longest: list[Placement] = []
    current: list[Placement] = []
    for place in places:
        current = [*current, place] if place.linked else [place]
        longest = max(longest, current, key=len)
    return longest


def _longest_compared(changes: Sequence[LocalChange | None]) -> list[LocalChange]:
    """The most changes in a row that were measured."""
    longest: list[LocalChange] = []
    current: list[LocalChange] = []
    for change in changes:
        current = [] if change is None else [*current, change]
        longest = max(longest, current, key=len)
    return longest


def _unsteady(path: Sequence[float]) -> float:
    return unsteadiness(_whole(path, _UNIT)) / _UNIT


def _whole(path: Sequence[float], unit: int) -> Numbers:
    return np.asarray(np.rint(np.array(path) * unit), np.int64)


def _median(values: Sequence[float], digits: int) -> float:
    return round(float(np.median(values)), digits) if values else 0.0
