"""Tells how much of what is unsteady in the path of light or contrast along a shot is certainly flicker.

Motion that changes what a frame shows is measured as a change of light and contrast. So a frame is corrected only where
the path has evidence of flicker, and in a film without flicker light and contrast stay exactly as they are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reelwright.decoder.path_smoothing import Path
from reelwright.media.flicker_evidence import LEAST_CHANGES, Evidence, evidence, usual_change

# Flicker's standard deviation up to which it is not corrected: share of the scene's level, and change of contrast,
# which grain and motion leave less exact. From twice as much on all of it is.
_UNSEEN_LIGHT, _UNSEEN_CONTRAST = 0.002, 0.003
# Changes beyond so many standard deviations count as this: flicker is in all frames, and a few large changes of the
# scene are opposite by chance.
_USUAL = 1.5
# By so many standard deviations adjacent changes are opposite by chance: in all frames, and where a trend is taken off
# or the span was chosen by how well it fits.
_CHANCE, _CHOSEN_CHANCE = 0.7, 1.0
# Up to so many times the light's standard deviation that of the contrast is as large, but for chance; from the second
# on it is motion's.
_ALIKE, _MORE = 1.2, 1.5


class Flicker(NamedTuple):
    """What of a path's unsteadiness is flicker.

    Attributes:
        share: of the unsteadiness, 0 to 1; 0 for fewer than eight frames.
        variance: of the flicker, whatever the share, in the path's unit squared.
    """

    share: float
    variance: float


NO_FLICKER = Flicker(0.0, 0.0)


def light_flicker(path: Path, span: tuple[int, int], least: int, level: float) -> Flicker:
    """How much of a light's unsteadiness is flicker.

    Args:
        path: the frames around a frame that may be used, in order.
        span: first and last of the frames in which the path is a constant or a line.
        least: change that is not told from none, in the path's unit.
        level: of the scene, in the path's unit.
    """
    unseen = _UNSEEN_LIGHT * level
    return _either(_judged(path, least, unseen, _CHANCE), _beside_a_fade(path, span, least, unseen))


def contrast_flicker(path: Path, span: tuple[int, int], least: int, unit: float, *, light: Flicker) -> float:
    """The share of a contrast's unsteadiness that is flicker.

    Args:
        path: the frames around a frame that may be used, in order.
        span: first and last of the frames in which the path is a constant or a line.
        least: change that is not told from none, in the path's unit.
        unit: the path's unit per unit of the contrast's logarithm.
        light: flicker of the light there, its variance as a share of the scene's light, squared. Motion changes the
            measured contrast more than the light, so beside a fade contrast flickers only where light does. And nowhere
            does it flicker more than light: what multiplies the light changes the logarithms of both alike, and what
            is added to it changes the light alone.

    Returns:
        The share, 0 to 1; 0 for fewer than eight frames.
    """
    unseen = _UNSEEN_CONTRAST * unit
    everywhere, beside = _judged(path, least, unseen, _CHANCE), _beside_a_fade(path, span, least, unseen)
    share, variance = _either(everywhere, Flicker(min(light.share, beside.share), beside.variance))
    alike, more = (light.variance * (unit * times) ** 2 for times in (_ALIKE, _MORE))
    return share * min(1.0, (more - variance) / (more - alike)) if variance < more else 0.0


def _beside_a_fade(path: Path, span: tuple[int, int], least: int, unseen: float) -> Flicker:
    """A fade beside a frame hides flicker, but not in the frame's own span, and not where the trend is taken off."""
    first, last = span
    return _either(
        _judged(path, least, unseen, _CHOSEN_CHANCE, trend=True),
        _judged(path[first : last + 1], least, unseen, _CHOSEN_CHANCE),
    )


def _either(one: Flicker, other: Flicker) -> Flicker:
    return Flicker(max(one.share, other.share), max(one.variance, other.variance))


def _judged(path: Path, least: int, unseen: float, chance: float, *, trend: bool = False) -> Flicker:
    changes = np.diff(path)
    if len(changes) < LEAST_CHANGES:
        return NO_FLICKER
    found = evidence(changes, max(usual_change(changes, _USUAL), least), trend=trend)
    return Flicker(found.certain(chance) * _seen(found, unseen), found.flicker)


def _seen(found: Evidence, unseen: float) -> float:
    return min(1.0, max(0.0, (found.flicker / (unseen * unseen) - 1) / 3)) if unseen > 0 else float(found.flicker > 0)
