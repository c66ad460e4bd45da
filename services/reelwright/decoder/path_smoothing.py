"""Smooths what was measured along a shot, so that flicker and weave go and the scene's own changes stay.

A scene that is still, or that changes evenly (a pan, a fade), is a constant or a line for a while; a light that is
switched on is a step. So each frame gets the longest span of its shot, around it or on one side of it, in which the
path is a constant or a line but for its own unsteadiness. The lines of adjacent frames are averaged. Where no span
fits, as in a stroboscope's light, the frame stays as it is. For light this is the mean over time that Delon calls
midway (IEEE Transactions on Image Processing 15(1), 2006).

Paths are whole numbers and all sums are exact, so that all processors find the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Path = NDArray[np.int64]

# Frames on either side in the moving mean that unsteadiness is measured against.
_MEAN_HALF = 8
# The lowest quarter of |z|, z standard normal, is below this. Where a pan begins or a light changes the moving mean is
# wrong, and that is not the lowest quarter.
_QUARTILE = 0.3186
# A camera in the hand has a line of its own for a few frames, and weave is not told from it.
_HALF_SECOND = 12
# Least frames in a span.
_LEAST_FRAMES = 5
# A span fits when no frame is further from it than so many standard deviations; of 200 frames none is, 99 times of 100.
_WIDEST = 4.5
# A line is preferred to a constant when it lowers the mean square of what is left by this factor.
_LINE_PAYS = 2.5
# Lines of so many frames before and after one are averaged.
MEAN_REACH = 4


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a frame may be from the smooth path, in the path's unit.

    Attributes:
        least: even if the path is steadier than this, as measurement is not exact.
        most: what moves further is the scene.
        together: how many standard deviations five frames in a row may be from it on average, and a frame itself at
            the end of its span.
    """

    least: int
    most: int
    together: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line fitted to a span of a path.

    Attributes:
        first: first frame of the span.
        last: last frame of it.
        middle: centre of the span.
        mean: value there.
        slope: change per frame.
        tolerance: by which it was accepted.
        trust: share of the correction that it deserves: 1 for a second or for a whole shot, 0 for half a second.
    """

    first: int
    last: int
    middle: float
    mean: float
    slope: float
    tolerance: float
    trust: float

    def at(self, frame: int) -> float:
        """The value at a frame."""
        return self.mean + self.slope * (frame - self.middle)


def fit(path: Path, at: int, tolerance: Tolerance) -> Line | None:
    """The line through a frame's longest span that fits.

    Args:
        path: the frames around it that may be used, in order.
        at: index of the frame in `path`.
        tolerance: bounds of the unsteadiness that is removed.

    Returns:
        The line, with frames counted from the beginning of `path`; None if no span of five frames fits.
    """
    allowed = min(max(_WIDEST * unsteadiness(path), float(tolerance.least)), float(tolerance.most))
    together = allowed * tolerance.together / _WIDEST
    for first, last in _spans(len(path), at):
        if (line := _fitted(path, at, (first, last), allowed=allowed, together=together)) is not None:
            return line
    return None


def unsteadiness(path: Path) -> float:
    """Robust standard deviation of a path from its moving mean; 0 for fewer than nine frames."""
    half = min(_MEAN_HALF, (len(path) - 1) // 4)
    if half < 2:
        return 0.0
    width = 2 * half + 1
    sums = np.cumsum(np.concatenate([[0], path]))
    distance = np.abs(path[half : len(path) - half] * width - (sums[width:] - sums[:-width]))
    lowest = np.partition(distance, len(distance) // 4)[len(distance) // 4]
    return float(lowest) / width / _QUARTILE


@lru_cache(maxsize=1024)
def _spans(frames: int, at: int) -> tuple[tuple[int, int], ...]:
    """First and last frame of each span to try: around the frame and on each side of it, the longest first."""
    spans = set()
    reach = max(at, frames - 1 - at)
    while reach >= _LEAST_FRAMES // 2:
        first, last = max(0, at - reach), min(frames - 1, at + reach)
        spans |= {(first, last), (first, at), (at, last)}
        reach = reach * 4 // 5
    long_enough = [span for span in spans if span[1] - span[0] + 1 >= _LEAST_FRAMES]
    # Of two as long, the one around the frame, then the one before it.
    return tuple(sorted(long_enough, key=lambda span: (span[0] - span[1], abs(span[0] + span[1] - 2 * at), span)))


def _fitted(path: Path, at: int, span: tuple[int, int], *, allowed: float, together: float) -> Line | None:
    """A constant, or a line where that is clearly better, if no frame and no five of the span are too far from it."""
    first, last = span
    values = (path[first : last + 1] - path[at]).astype(np.float64)
    count = len(values)
    middle = (first + last) / 2
    places = np.arange(first, last + 1) - middle
    mean = float(values.sum()) / count
    slope_sum, places_sum = float(np.vdot(places, values)), float(np.vdot(places, places))
    flat = float(np.vdot(values, values)) - count * mean**2
    sloping = max(0.0, flat - slope_sum**2 / places_sum)
    slope = slope_sum / places_sum if flat > _LINE_PAYS * sloping + count else 0.0
    distance = values - mean - slope * places
    # At the end of its span a frame may be the first of another course.
    own = together if at in span else allowed
    if float(np.abs(distance).max()) > allowed or abs(float(distance[at - first])) > own:
        return None
    five = distance[4:] + distance[3:-1] + distance[2:-2] + distance[1:-3] + distance[:-4]
    if float(np.abs(five).max()) > 5 * together:
        return None
    trust = 1.0 if count == len(path) else min(1.0, max(0.0, count / _HALF_SECOND - 1))
    return Line(first, last, middle, mean + float(path[at]), slope, allowed, trust)


def smooth_value(lines: dict[int, Line | None], path_value: int, at: int) -> float:
    """The smooth path at a frame: the mean of the lines of adjacent frames whose spans hold it.

    Args:
        lines: of the frames around it.
        path_value: the path there, which stays where no line fits.
        at: the frame.
    """
    own = lines[at]
    if own is None:
        return float(path_value)
    near = [lines[frame] for frame in range(at - MEAN_REACH, at + MEAN_REACH + 1) if frame in lines]
    values = [line.at(at) for line in near if line is not None and line.first <= at <= line.last]
    change = sum(values) / len(values) - path_value
    trust = sum(line.trust for line in near if line is not None) / len(near)
    return path_value + trust * min(max(change, -own.tolerance), own.tolerance)
