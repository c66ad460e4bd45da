"""What a shot looks like at its beginning and at its end, and whether two shots show the same view.

Everything is computed of whole numbers, so that all processors find the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.fading import BLACK, WHITE, level_of, luma_counts, quantile
from reelwright.media.frame_record import DecodedFrame
from reelwright.media.picture import eight_bits
from reelwright.media.tone_measurement import reduced

# Fewer first frames say nothing. So many frames are an end of a shot: where it begins, and where it is cut off.
_LEAST_FRAMES, _END_FRAMES = 6, 8
# What describes the light of a shot: samples per thousand, and the columns and rows of a picture of means.
_SHARES = (BLACK, 50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 950, WHITE)
_MIDDLE = _SHARES.index(500)
_GRID = (16, 9)
# Two shots are alike if their quantiles, each as a share of its shot's contrast, differ by less than this per cent on
# average, and if the pictures of means have at least this correlation, in per cent.
_MOST_DIFFERENCE, _LEAST_CORRELATION = 3, 70
# Night and title cards: less contrast than this, or half of the picture within this share of the contrast from black.
_LEAST_CONTRAST, _LEAST_MEDIAN = 0.25, 0.06
# In a fade, a frame has less than this share of the contrast of another: of the first ones, and of those of an end.
_FADE, _END_FADE = 0.6, 0.94


@dataclass(frozen=True, slots=True)
class ShotLook:
    """What a shot looks like in some of its frames.

    Attributes:
        quantiles: luma codes in 64ths, from dark to bright.
        means: of the parts of the picture.
        is_mended: whether the quantiles are those with the contrast that was brought back.
    """

    quantiles: tuple[int, ...]
    means: tuple[int, ...]
    is_mended: bool = False

    @property
    def contrast(self) -> int:
        """The way from the dark end to the bright one, in 64ths of a code."""
        return self.quantiles[-1] - self.quantiles[0]

    def is_dark(self, *, full_range: bool) -> bool:
        """Whether it is night or a title card."""
        black, white, middle = (level_of(self.quantiles[at], full_range=full_range) for at in (0, -1, _MIDDLE))
        return white - black < _LEAST_CONTRAST or middle - black < _LEAST_MEDIAN * (white - black)

    def is_like(self, other: ShotLook) -> bool:
        """Whether two shots show the same view, whatever became of their contrast."""
        ours, theirs = self.contrast, other.contrast
        pairs = zip(self.quantiles, other.quantiles, strict=True)
        away = sum(abs((a - self.quantiles[0]) * theirs - (b - other.quantiles[0]) * ours) for a, b in pairs)
        if 100 * away > _MOST_DIFFERENCE * len(self.quantiles) * ours * theirs:
            return False
        together = _covariance(self.means, other.means)
        apart = _covariance(self.means, self.means) * _covariance(other.means, other.means)
        return together > 0 and (100 * together) ** 2 >= _LEAST_CORRELATION**2 * apart

    def line_to(self, other: ShotLook) -> tuple[float, float]:
        """Gain and offset, in 64ths of a code, that bring the quantiles closest to another look's.

        Least squares over all quantiles: a bright thing that comes into the picture moves one of them alone.
        """
        gain = _covariance(self.quantiles, other.quantiles) / _covariance(self.quantiles, self.quantiles)
        return gain, (sum(other.quantiles) - gain * sum(self.quantiles)) / len(self.quantiles)

    def mended(self, gain: float, offset: float) -> ShotLook:
        """The look with its contrast brought back."""
        return replace(self, quantiles=tuple(round(gain * code + offset) for code in self.quantiles), is_mended=True)


class _Counted(NamedTuple):
    """What was counted in a frame: codes (256,) int64, and the picture of means (9, 16) uint8."""

    codes: NDArray[np.int64]
    means: NDArray[np.uint8]

    @property
    def contrast(self) -> int:
        return quantile(self.codes, WHITE) - quantile(self.codes, BLACK)


class ShotCounts:
    """What was counted in the frames of a shot.

    Attributes:
        waiting: counts of the codes of each frame that waits, (256,) int64.
    """

    def __init__(self) -> None:
        self.waiting: deque[NDArray[np.int64]] = deque()
        self._first: list[_Counted] = []
        self._last: deque[_Counted] = deque(maxlen=_END_FRAMES)

    def add(self, frame: DecodedFrame, *, measured: bool) -> None:
        """Counts the next frame; only a measured one is among the first ones."""
        small = reduced(eight_bits(frame.picture.planes[0], frame.picture.format.depth))
        means = np.asarray(cv2.resize(small, _GRID, interpolation=cv2.INTER_AREA), np.uint8)
        counted = _Counted(luma_counts(small), means)
        self.waiting.append(counted.codes)
        self._last.append(counted)
        if measured:
            self._first.append(counted)

    @property
    def frames(self) -> int:
        """How many first frames were measured."""
        return len(self._first)

    @property
    def is_steady(self) -> bool:
        """Whether the first frames are enough, and no fade."""
        return self.frames >= _LEAST_FRAMES and _is_steady(self._first, _FADE)

    def look(self) -> ShotLook:
        """What the shot looks like in its first frames."""
        return _look(self._first)

    def beginning(self) -> ShotLook | None:
        """What it looks like where it begins; None in a fade."""
        return _end(self._first[:_END_FRAMES])

    def end(self) -> ShotLook | None:
        """What it looks like in the frames that were added last; None in a fade."""
        return _end(self._last)


def _end(counted: Iterable[_Counted]) -> ShotLook | None:
    frames = list(counted)
    return _look(frames) if len(frames) >= _LEAST_FRAMES and _is_steady(frames, _END_FADE) else None


def _is_steady(counted: Iterable[_Counted], fade: float) -> bool:
    contrasts = [each.contrast for each in counted]
    return min(contrasts) > fade * max(contrasts)


def _look(counted: Iterable[_Counted]) -> ShotLook:
    codes, means = np.zeros(256, np.int64), np.zeros(_GRID[::-1], np.int64)
    for each in counted:
        codes += each.codes
        means += each.means
    return ShotLook(tuple(quantile(codes, share) for share in _SHARES), tuple(map(int, means.ravel())))


def _covariance(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """The covariance of two rows, times the square of their length."""
    return len(one) * sum(a * b for a, b in zip(one, other, strict=True)) - sum(one) * sum(other)
