"""Looks ahead while decoding: finds which shots lost contrast against an earlier shot of the same view.

A shot's numbers depend on its first frames and on those of earlier shots, and so on the source alone. A decoder that
takes over a title reads from the start. Everything is computed of whole numbers, so that all processors find the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.fading import BLACK, WHITE, level_of, luma_counts, points_of, quantile
from reelwright.media.frame_correction import ContrastPoints, FrameFading
from reelwright.media.frame_record import DecodedFrame
from reelwright.media.picture import eight_bits
from reelwright.media.tone_measurement import reduced
from reelwright.titles.recipe import Recipe

# First frames of a shot that decide; fewer of large frames, which wait in memory meanwhile. Fewer in all say nothing.
_MOST_FRAMES, _LEAST_FRAMES = 48, 6
_HELD_BYTES = 96 << 20
# Earlier shots that are compared.
_SHOTS = 32
# What describes the light of a shot: samples per thousand, and the columns and rows of a picture of means.
_SHARES = (BLACK, 50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 950, WHITE)
_GRID = (16, 9)
# Two shots are alike if their quantiles, each as a share of its shot's contrast, differ by less than this per cent on
# average, and if the pictures of means have at least this correlation, in per cent.
_MOST_DIFFERENCE, _LEAST_CORRELATION = 3, 70
# Night and title cards: less contrast than this, or half of the picture within this share of the contrast from black.
_LEAST_CONTRAST, _LEAST_MEDIAN = 0.25, 0.06
# In a fade, a frame of the first ones has less than this share of the contrast of another.
_FADE = 0.6
# Fading is no less than this and no more; more is another light. Gain of the contrast, and way of black and of white.
_LEAST_GAIN, _MOST_GAIN = 1.06, 1.8
_MOST_WAY = 0.25


def with_fading(
    frames: Iterable[DecodedFrame], recipe: Recipe, frame_bytes: int, *, full_range: bool
) -> Iterator[DecodedFrame]:
    """Yields the frames with what brings back their contrast, if the recipe asks for it.

    Args:
        frames: the title's frames in presentation order, from its first one on.
        recipe: says how far contrast is brought back.
        frame_bytes: size of a picture; about 96 MiB of pictures are held, but at least 8 pictures.
        full_range: whether code values use the whole depth or the studio range.
    """
    if not recipe.fading:
        yield from frames
        return
    reach = max(8, min(_MOST_FRAMES, _HELD_BYTES // frame_bytes))
    scenes = _Scenes(recipe.fading, full_range=full_range)
    held: list[DecodedFrame] = []
    shot = _ShotCounts()
    curve: _Curve | None = None
    for frame in frames:
        if frame.record.shot_start:
            yield from _faded(held, shot, curve or scenes.judge(shot), full_range=full_range)
            held, shot, curve = [], _ShotCounts(), None
        held.append(frame)
        shot.add(frame, measured=curve is None)
        if curve is None and len(held) == reach:
            curve = scenes.judge(shot)
        if curve is not None:
            yield from _faded(held, shot, curve, full_range=full_range)
            held = []
    yield from _faded(held, shot, curve or scenes.judge(shot), full_range=full_range)


@dataclass(frozen=True, slots=True)
class _Curve:
    """The levels of a shot that are moved, and where to, as of `FrameFading`."""

    from_black: float
    from_white: float
    to_black: float
    to_white: float


class _ShotCounts:
    """What was counted in the frames of a shot."""

    def __init__(self) -> None:
        self.counts = np.zeros(256, np.int64)
        self.means = np.zeros(_GRID[::-1], np.int64)
        self.frames = 0
        self.contrasts: list[int] = []
        # Of the frames that wait.
        self.waiting: deque[NDArray[np.int64]] = deque()

    def add(self, frame: DecodedFrame, *, measured: bool) -> None:
        """Counts the next frame; only a measured one is among those that decide."""
        small = reduced(eight_bits(frame.picture.planes[0], frame.picture.format.depth))
        counts = luma_counts(small)
        self.waiting.append(counts)
        if measured:
            self.counts += counts
            self.means += np.asarray(cv2.resize(small, _GRID, interpolation=cv2.INTER_AREA), np.uint8)
            self.frames += 1
            self.contrasts.append(quantile(counts, WHITE) - quantile(counts, BLACK))

    def look(self) -> _Look:
        """What the shot looks like."""
        return _Look(tuple(quantile(self.counts, share) for share in _SHARES), tuple(map(int, self.means.ravel())))

    @property
    def is_steady(self) -> bool:
        """Whether its first frames are enough, and no fade."""
        return self.frames >= _LEAST_FRAMES and min(self.contrasts) > _FADE * max(self.contrasts)


@dataclass(frozen=True, slots=True)
class _Look:
    """What a shot looks like.

    Attributes:
        quantiles: luma codes in 64ths, from dark to bright.
        means: of the parts of the picture.
    """

    quantiles: tuple[int, ...]
    means: tuple[int, ...]

    @property
    def contrast(self) -> int:
        """The way from the dark end to the bright one, in 64ths of a code."""
        return self.quantiles[-1] - self.quantiles[0]

    def is_like(self, other: _Look) -> bool:
        """Whether two shots show the same view, whatever became of their contrast."""
        ours, theirs = self.contrast, other.contrast
        pairs = zip(self.quantiles, other.quantiles, strict=True)
        away = sum(abs((a - self.quantiles[0]) * theirs - (b - other.quantiles[0]) * ours) for a, b in pairs)
        if 100 * away > _MOST_DIFFERENCE * len(self.quantiles) * ours * theirs:
            return False
        together = _covariance(self.means, other.means)
        apart = _covariance(self.means, self.means) * _covariance(other.means, other.means)
        return together > 0 and (100 * together) ** 2 >= _LEAST_CORRELATION**2 * apart


class _Scenes:
    """Judges the shots of a title one after another, by those before."""

    def __init__(self, strength: float, *, full_range: bool) -> None:
        self._strength, self._full_range = strength, full_range
        self._seen: deque[_Look] = deque(maxlen=_SHOTS)

    def judge(self, shot: _ShotCounts) -> _Curve:
        """What is done to a shot, of which enough frames were counted; nothing to one without any."""
        if not shot.frames:
            return _Curve(0, 1, 0, 1)
        look = shot.look()
        black, white, middle = (level_of(look.quantiles[at], full_range=self._full_range) for at in (0, -1, 6))
        unchanged = _Curve(black, white, black, white)
        is_dark = white - black < _LEAST_CONTRAST or middle - black < _LEAST_MEDIAN * (white - black)
        if is_dark or not shot.is_steady:
            return unchanged
        alike = [seen for seen in self._seen if seen.is_like(look)]
        self._seen.append(look)
        best = max(alike, key=lambda seen: seen.contrast, default=look)
        return self._towards(best, look) or unchanged

    def _towards(self, best: _Look, look: _Look) -> _Curve | None:
        """The curve that brings a shot towards one that has more contrast; None if that is not what fading does."""
        # Least squares over all quantiles: a bright thing that comes into the picture moves one of them alone.
        gain = _covariance(look.quantiles, best.quantiles) / _covariance(look.quantiles, look.quantiles)
        if not _LEAST_GAIN <= gain <= _MOST_GAIN:
            return None
        offset = (sum(best.quantiles) - gain * sum(look.quantiles)) / len(look.quantiles)
        ends: list[float] = []
        for code in (look.quantiles[0], look.quantiles[-1]):
            level, aim = (level_of(each, full_range=self._full_range) for each in (code, gain * code + offset))
            if abs(aim - level) > _MOST_WAY:
                return None
            # The format's black and white stay, and what lies beyond them.
            inside = min(max(aim, min(level, 0.0)), max(level, 1.0))
            ends += [level, round(level + self._strength * (inside - level), 4)]
        return _Curve(ends[0], ends[2], ends[1], ends[3])


def _faded(held: list[DecodedFrame], shot: _ShotCounts, curve: _Curve, *, full_range: bool) -> Iterator[DecodedFrame]:
    for frame in held:
        points: ContrastPoints = points_of(shot.waiting.popleft(), full_range=full_range)
        fading = FrameFading(
            **points.model_dump(),
            from_black=curve.from_black,
            from_white=curve.from_white,
            to_black=curve.to_black,
            to_white=curve.to_white,
        )
        yield replace(frame, record=frame.record.model_copy(update={"fading": fading}))


def _covariance(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """The covariance of two rows, times the square of their length."""
    return len(one) * sum(a * b for a, b in zip(one, other, strict=True)) - sum(one) * sum(other)
