"""Tells how much of what is unsteady in the path of rotation along a shot certainly turns in the gate.

As for flicker, what turns back in the next frame is the film's, and a camera that rolls goes on. Errors of measurement,
by grain and by what moves in the scene, turn back as well. They are known from how differently both halves of a picture
turned, so that film which does not turn stays exactly as it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from reelwright.decoder.path_smoothing import Line, Path
from reelwright.media.flicker_evidence import LEAST_CHANGES, Numbers, evidence, usual_change

UNIT = 100_000
"""Whole numbers of a path of rotation per degree."""
LEAST = 0.01
"""Change in degrees that is not told from none."""
# Standard deviation in degrees up to which nothing is taken back: 0.08 samples at the sides of 720 columns, as little
# as a shift leaves. From twice as much on all of it is.
_UNSEEN = 0.0125
# And so many times the errors' standard deviation. Both halves of a picture are compared where the whole of it was
# found alike, so a part of their error is common to them, in film with coarse grain and little detail above all.
_ERRORS = 2.0
# Changes beyond so many standard deviations count as this, as for flicker. By so many adjacent changes may be opposite
# by chance; that is more than for flicker, as the errors are estimated as well.
_USUAL, _CHANCE = 1.5, 2.0


def rotation_weave(path: Path, errors: Path, line: Line) -> float:
    """The share of a rotation's unsteadiness that is the film's.

    Args:
        path: rotation of the frames around a frame that may be used, in order; in parts of UNIT.
        errors: as unsure as `path`, without what turned.
        line: its smooth course in the frame's own span; a camera that rolls beside it hides the evidence.

    Returns:
        The share, 0 to 1; 0 for fewer than eight frames, and where errors are half as large as what turned.
    """
    changes, unsure = np.diff(path), np.diff(errors)
    span = slice(line.first, line.last)
    return max(_share(changes, unsure)[0], _share(changes[span] - round(line.slope), unsure[span])[0])


def rotation_of(runs: Sequence[tuple[Path, Path]]) -> float:
    """How much a film turns in the gate.

    Args:
        runs: rotation and errors, as for `rotation_weave`, of frames in a row in several places of a film.

    Returns:
        Standard deviation in degrees of the share that is the film's; 0 where nothing is.
    """
    # A change of 0 between two runs, so that none of one is compared with one of the other.
    changes, unsure = (
        np.concatenate([np.append(np.diff(run[of]), 0) for run in runs] or [np.zeros(0, np.int64)]) for of in (0, 1)
    )
    share, variance = _share(changes, unsure)
    return share * math.sqrt(variance) / UNIT


def _share(changes: Numbers, unsure: Numbers) -> tuple[float, float]:
    """The share that is the film's, and the variance that is no error."""
    if len(changes) < LEAST_CHANGES:
        return 0.0, 0.0
    least = round(LEAST * UNIT)
    found = evidence(changes, max(usual_change(changes, _USUAL), least))
    # An error is new in each frame, so that a change has twice its variance.
    error = evidence(unsure, max(usual_change(unsure, _USUAL), least)).square / 2
    own = found.flicker - error
    if own <= 0:
        return 0.0, 0.0
    certain = min(1.0, max(0.0, found.deviations * own / found.flicker - _CHANCE))
    return certain * min(1.0, max(0.0, (own / max((_UNSEEN * UNIT) ** 2, _ERRORS**2 * error) - 1) / 3)), own
