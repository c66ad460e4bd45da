"""Looks ahead while decoding: finds how far glare and shadows of each shot are opened.

What is measured in a frame is added up over the frames of its shot on both sides, nearer ones with more weight. So the
curves of a shot change slowly, whatever its light does from frame to frame, and are a function of the source alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reelwright.media.fading import even_contrast
from reelwright.media.frame_correction import FrameTone
from reelwright.media.frame_record import DecodedFrame
from reelwright.media.tone_measurement import (
    GRAIN_BINS,
    HIGHLIGHTS,
    LEAST_WHITE,
    MOST_GRAIN,
    MOST_RATIO,
    RATIO_BINS,
    SHADOWS,
    WHITE,
    ToneCounts,
    code_levels,
    code_range,
    count_tone,
)
from reelwright.titles.recipe import Recipe

Numbers = NDArray[np.float64]

# Frames on either side that are added up; fewer for large frames, which wait in memory meanwhile.
_MOST_REACH, _LEAST_REACH = 48, 8
_HELD_BYTES = 96 << 20

# Where the median of the shadows lies in film that is not crushed, as a share of the way from black to the mid-tones;
# the same for highlights, from white. Measured on clips of film and video.
_SHADOWS_MEDIAN, _HIGHLIGHTS_MEDIAN = 0.62, 0.5
# The curves' slopes at black and white, less 1, in film that is not crushed and at most; from 3 on they would turn.
_SHADOWS_SLOPES, _HIGHLIGHTS_SLOPES = (0.5, 1.6), (0.0, 1.6)
# What is closer to black or white than this is clipped and says nothing about the curve.
_CLIPPED = 0.015
# Where fewer pixels than this share of the picture are dark, bright or reached by bleeding, they say less.
_FEW = 0.01
# Of the pixels that bleeding reaches, the darkest ones cannot have less light than it brings.
_DARKEST = 0.05
_MOST_VEIL = 0.5
# Of grain the quietest blocks in the shadows tell, as the others have detail. It may be lifted to so many levels.
_QUIETEST, _VISIBLE_GRAIN, _MOST_DETAIL = 0.25, 4.0, 2.5


def with_tone(
    frames: Iterable[DecodedFrame], recipe: Recipe, frame_bytes: int, *, full_range: bool
) -> Iterator[DecodedFrame]:
    """Yields the frames with their tone, if the recipe opens glare or shadows.

    Args:
        frames: the title's frames in presentation order.
        recipe: says what is opened, and how far.
        frame_bytes: size of a picture; about 96 MiB of pictures are held, but at least 8 pictures.
        full_range: whether code values use the whole depth or the studio range.
    """
    if not recipe.tone.opens:
        yield from frames
        return
    reach = max(_LEAST_REACH, min(_MOST_REACH, _HELD_BYTES // frame_bytes))
    shot = _Shot(recipe, reach, full_range=full_range)
    for frame in frames:
        if frame.record.shot_start:
            yield from shot.rest()
            shot = _Shot(recipe, reach, full_range=full_range)
        shot.add(frame)
        yield from shot.ready()
    yield from shot.rest()


class _Shot:
    """The frames of a shot that wait, and the counts of those that they depend on."""

    def __init__(self, recipe: Recipe, reach: int, *, full_range: bool) -> None:
        self._recipe, self._reach, self._full_range = recipe, reach, full_range
        self._held: deque[DecodedFrame] = deque()
        self._counts: deque[NDArray[np.int64]] = deque()
        # Place of the next frame to be yielded in `_counts`.
        self._at = 0

    def add(self, frame: DecodedFrame) -> None:
        self._held.append(frame)
        picture, fading = frame.picture, frame.record.fading
        if fading is not None:
            # The worker opens the tone of pictures whose contrast is back.
            picture = even_contrast(picture, fading, full_range=self._full_range)
        self._counts.append(count_tone(picture, full_range=self._full_range).packed())

    def ready(self) -> Iterator[DecodedFrame]:
        """The frames that have all frames within reach."""
        while len(self._held) > self._reach:
            yield self._next()

    def rest(self) -> Iterator[DecodedFrame]:
        """The other frames, as the shot ends here."""
        while self._held:
            yield self._next()

    def _next(self) -> DecodedFrame:
        frame = self._held.popleft()
        first, last = max(0, self._at - self._reach), min(len(self._counts), self._at + self._reach + 1)
        total = np.zeros_like(self._counts[0])
        for index in range(first, last):
            total += (self._reach + 1 - abs(index - self._at)) * self._counts[index]
        if self._at == self._reach:
            self._counts.popleft()
        else:
            self._at += 1
        tone = tone_of(ToneCounts.unpacked(total), self._recipe, full_range=self._full_range)
        return replace(frame, record=frame.record.model_copy(update={"tone": tone}))


def tone_of(counts: ToneCounts, recipe: Recipe, *, full_range: bool) -> FrameTone:
    """How far glare and shadows of a shot are opened, by what was counted in its frames."""
    white = min(1.0, max(LEAST_WHITE, _white(counts, full_range=full_range)))
    levels = code_levels(full_range=full_range) / white
    glare, shadows = recipe.tone.glare, recipe.tone.shadows
    sigma = _quantile(counts.grain, _QUIETEST) * (MOST_GRAIN / GRAIN_BINS)
    ratio = _quantile(counts.ratios, _DARKEST, counts.lit) * (MOST_RATIO / RATIO_BINS)
    trust = counts.lit / (counts.lit + _FEW * max(1, int(counts.levels.sum())))
    dark = _slope(levels / SHADOWS, counts.levels, _SHADOWS_MEDIAN, _SHADOWS_SLOPES)
    bright = _slope((1 - levels) / (1 - HIGHLIGHTS), counts.levels, _HIGHLIGHTS_MEDIAN, _HIGHLIGHTS_SLOPES)
    return FrameTone(
        white=round(white, 4),
        shadows=round(shadows * dark, 4),
        highlights=round(glare * bright, 4),
        veil=round(glare * trust * min(_MOST_VEIL, ratio), 4),
        detail=round(min(_MOST_DETAIL, max(1.0, _VISIBLE_GRAIN / max(sigma, 0.1))), 4),
    )


def _white(counts: ToneCounts, *, full_range: bool) -> float:
    place = _quantile(counts.levels, WHITE)
    black, white = code_range(full_range=full_range)
    return (place - 0.5 - black) / (white - black)


def _slope(depths: Numbers, counts: NDArray[np.int64], usual: float, slopes: tuple[float, float]) -> float:
    """How much steeper than 1 a curve begins that brings the median of the shadows to the usual place.

    The curve is u + s u (1 - u)^2: it has slope 1 + s at 0, and meets the mid-tones at 1 with slope 1.

    Args:
        depths: of each code, 0 for black and 1 where the mid-tones begin; for highlights 0 is white.
        counts: how often each code occurs.
        usual: that place.
        slopes: the least slope and the greatest, less 1.
    """
    inside = (depths > _CLIPPED) & (depths < 1)
    at, weights = depths[inside], counts[inside].astype(np.float64)
    if at[0] > at[-1]:
        at, weights = at[::-1], weights[::-1]
    place = _quantile(weights, 0.5)
    # Bins are even; the median lies within its bin.
    median = float(at[0]) + (place - 0.5) * float(at[1] - at[0])
    slope = (usual - median) / (median * (1 - median) ** 2) if 0 < median < usual else 0.0
    found, all_pixels = float(weights.sum()), float(counts.sum())
    return min(max(slope, slopes[0]), slopes[1]) * found / (found + _FEW * all_pixels + 1)


def _quantile(counts: NDArray[np.generic], share: float, total: float | None = None) -> float:
    """The place, in bins, below which a share of the counts lies: 0 without any, the number of bins if beyond them."""
    sums = np.cumsum(counts.astype(np.float64))
    wanted = share * (float(sums[-1]) if total is None else total)
    if wanted <= 0:
        return 0.0
    at = int(np.searchsorted(sums, wanted))
    if at == len(sums):
        return float(at)
    below = float(sums[at - 1]) if at else 0.0
    return at + (wanted - below) / (float(sums[at]) - below)
