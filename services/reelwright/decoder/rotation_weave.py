"""Takes back what certainly turns in the gate of what is unsteady in the path of rotation along a shot.

As for flicker, what turns back in the next frame is the film's, and a camera that rolls goes on. Errors of
measurement, by grain and by what moves in the scene, turn back as well. They are known from how differently parts of a
picture turned, so that film which does not turn stays exactly as it is.

Rotation is measured from frame to frame, so its path also drifts. It is a random walk, which is the camera and the
drift, plus what the film turned (the local level model, Harvey: Forecasting, structural time series models and the
Kalman filter, 1989). Its smoother is a mean with weights that fall by a constant factor from frame to frame on either
side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reelwright.decoder.path_smoothing import Path, Tolerance, fit
from reelwright.media.flicker_evidence import LEAST_CHANGES, Numbers, evidence, usual_change

UNIT = 100_000
"""Whole numbers of a path of rotation per degree."""
# Degrees. A change by less is not told from none, and what turns by more is the camera, or something that fills the
# picture.
_LEAST, _MOST = 0.01, 0.5
# In an even roll, with the deviation of five frames in a row as for weave.
_TOLERANCE = Tolerance(round(_LEAST * UNIT), round(_MOST * UNIT), 4.5)
# Standard deviation in degrees up to which nothing is taken back: 0.08 samples at the sides of 720 columns, as little
# as a shift leaves. From twice as much on all of it is.
_UNSEEN = 0.0125
# And so many times the errors' standard deviation, from twice as many on all.
_ERRORS = 1.2
# Changes beyond so many standard deviations count as this, as for flicker; errors beyond twice that. By so many
# adjacent changes may be opposite by chance; that is more than for flicker, as the errors are estimated as well.
_USUAL, _CHANCE = 1.5, 2.0
# Changes on either side of one in which a camera rolls evenly.
_EVENLY = 8
# The walk is told by changes over so many frames, where they are larger than chance makes them. Its variance is at
# least this share of the film's.
_APART, _LEAST_WALK = (6, 12, 24, 48), 0.0002
_WEIGHT = 1 << 20


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What changes of a path of rotation say, in parts of UNIT.

    Attributes:
        share: of the unsteadiness that is the film's, 0 to 1.
        film: its variance, without errors.
        unsteady: its variance with errors.
        walk: variance of the walk's change from frame to frame.
    """

    share: float
    film: float = 0.0
    unsteady: float = 0.0
    walk: float = 0.0


def rotation_back(path: Path, errors: Path, at: int) -> float:
    """By how many degrees a frame is turned back.

    Args:
        path: rotation of the frames around it that may be used, in order; in parts of UNIT.
        errors: as unsure as `path`, without what turned.
        at: the frame's index in them.

    Returns:
        Degrees clockwise, half a degree either way at most; exactly 0 for fewer than eight frames, and where the
        rotation is not clearly larger than its errors.
    """
    best, back = 0.0, 0.0
    for changes, first in _courses(path, at):
        found = _evidence(changes, np.diff(errors[first : first + len(changes) + 1]))
        if found.share > best:
            course = np.concatenate([[0], np.cumsum(changes)])
            level = _smooth(course - course[at - first], at - first, found) / UNIT
            best, back = found.share, found.share * min(max(level, -_MOST), _MOST)
    return back


def _courses(path: Path, at: int) -> Iterator[tuple[Numbers, int]]:
    """Changes of a path without a camera's roll, and the frame before the first of them.

    The camera may stand, or be held in the hand, or roll evenly for a while.
    """
    changes = np.diff(path)
    yield changes, 0
    yield changes - _even(changes), 0
    if (line := fit(path, at, _TOLERANCE)) is not None:
        yield changes[line.first : line.last] - round(line.slope), line.first


def rotation_of(runs: Sequence[tuple[Path, Path]]) -> float:
    """How much a film turns in the gate.

    Args:
        runs: rotation and errors, as for `rotation_back`, of frames in a row in several places of a film.

    Returns:
        Standard deviation in degrees of the share that is the film's; 0 where nothing is.
    """
    changes, unsure = ([np.diff(run[of]) for run in runs] for of in (0, 1))
    standing, in_hand = changes, [each - _even(each) for each in changes]
    found = max(
        (_evidence(_joined(each), _joined(unsure)) for each in (standing, in_hand)), key=lambda each: each.share
    )
    return found.share * math.sqrt(found.film) / UNIT


def _joined(runs: Sequence[Numbers]) -> Numbers:
    """Changes of several runs with one of 0 between them, so that none of one is compared with one of the other."""
    return np.concatenate([np.zeros(0, np.int64), *(np.append(each, 0) for each in runs)])


def _evidence(changes: Numbers, unsure: Numbers) -> _Evidence:
    if len(changes) < LEAST_CHANGES:
        return _Evidence(0.0)
    least = round(_LEAST * UNIT)
    usual = max(usual_change(changes, _USUAL), least)
    found = evidence(changes, usual)
    # An error is new in each frame, so that a change has twice its variance.
    error = evidence(unsure, max(2 * usual, usual_change(unsure, _USUAL))).square / 2
    own = found.flicker - error
    if own <= 0:
        return _Evidence(0.0)
    certain = min(1.0, max(0.0, found.deviations * own / found.flicker - _CHANCE))
    share = certain * min(1.0, max(0.0, (own / max((_UNSEEN * UNIT) ** 2, _ERRORS**2 * error) - 1) / 3))
    return _Evidence(share, own, found.flicker, _walk(changes))


def _even(changes: Numbers) -> Numbers:
    """The mean of the changes around each."""
    places = np.arange(len(changes))
    first, last = np.maximum(places - _EVENLY, 0), np.minimum(places + _EVENLY + 1, len(changes))
    sums = np.concatenate([[0], np.cumsum(changes)])
    return np.asarray((sums[last] - sums[first]) // (last - first), np.int64)


def _walk(changes: Numbers) -> float:
    """Variance of a walk's change from frame to frame, by changes over several frames."""
    course, found = np.concatenate([[0], np.cumsum(changes)]), 0.0
    square = int((changes * changes).sum()) / len(changes)
    for apart in _APART:
        if (count := len(course) - apart) >= 2 * apart:
            over = course[apart:] - course[:-apart]
            # What is new in each frame makes this mean square vary by three quarters of its own square over their
            # number.
            chance = square * (1 + math.sqrt(3 / count))
            found = max(found, (int((over * over).sum()) / count - chance) / (apart - 1))
    return found


def _smooth(course: Path, at: int, found: _Evidence) -> float:
    """The smooth course at a frame, by the smoother of the local level model."""
    ratio = found.walk / found.unsteady + _LEAST_WALK
    factor = 1 + ratio / 2 - math.sqrt(ratio + ratio * ratio / 4)
    falling = np.cumprod(np.append(1.0, np.full(len(course), factor)))
    weights = np.rint(falling[np.abs(np.arange(len(course)) - at)] * _WEIGHT).astype(np.int64)
    return int((weights * course).sum()) / int(weights.sum())
