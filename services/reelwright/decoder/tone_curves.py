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
    MOST_GRAIN,
    MOST_RATIO,
    RATIO_BINS,
    ToneCounts,
    count_quantile,
    count_tone,
    highlights_slope,
    shot_white,
)
from reelwright.titles.recipe import Recipe

# Frames on either side that are added up; fewer for large frames, which wait in memory meanwhile.
_MOST_REACH, _LEAST_REACH = 48, 8
_HELD_BYTES = 96 << 20

# The slope of the shadows' curve at black, less 1, where the recipe asks for all. It is the same for all shots: levels
# do not tell how far they were pressed together, as another scene is as dark by itself. Shadows that were pressed to
# black by a power of 1.3 to 2.5 need 0.7 to 2.4. The slope takes about half of the error of each away.
_SHADOWS_SLOPE = 1.1
# The same at white, between the least and the greatest by how close to white the median of the highlights lies.
_HIGHLIGHTS_SLOPES = (0.7, 1.2)
# Where bleeding reaches fewer pixels than this share of the picture, they say less.
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
    white = shot_white(counts.levels, full_range=full_range)
    glare, shadows = recipe.tone.glare, recipe.tone.shadows
    sigma = count_quantile(counts.grain, _QUIETEST) * (MOST_GRAIN / GRAIN_BINS)
    ratio = count_quantile(counts.ratios, _DARKEST, counts.lit) * (MOST_RATIO / RATIO_BINS)
    trust = counts.lit / (counts.lit + _FEW * max(1, int(counts.levels.sum())))
    bright = highlights_slope(counts.levels, white, full_range=full_range)
    return FrameTone(
        white=round(white, 4),
        shadows=round(shadows * _SHADOWS_SLOPE, 4),
        highlights=round(glare * min(max(bright, _HIGHLIGHTS_SLOPES[0]), _HIGHLIGHTS_SLOPES[1]), 4),
        veil=round(glare * trust * min(_MOST_VEIL, ratio), 4),
        detail=round(min(_MOST_DETAIL, max(1.0, _VISIBLE_GRAIN / max(sigma, 0.1))), 4),
    )
