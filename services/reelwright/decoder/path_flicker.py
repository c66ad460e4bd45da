"""Tells how much of what is unsteady in the path of light or contrast along a shot is certainly flicker.

Motion that changes what a frame shows is measured as a change of light and contrast. So a frame is corrected only where
the path has evidence of flicker, and in a film without flicker light and contrast stay exactly as they are.
"""

from __future__ import annotations

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


def light_flicker(path: Path, span: tuple[int, int], least: int, level: float) -> float:
    """The share of a light's unsteadiness that is flicker.

    Args:
        path: the frames around a frame that may be used, in order.
        span: first and last of the frames in which the path is a constant or a line.
        least: change that is not told from none, in the path's unit.
        level: of the scene, in the path's unit.

    Returns:
        The share, 0 to 1; 0 for fewer than eight frames.
    """
    unseen = _UNSEEN_LIGHT * level
    return max(_share(path, least, unseen, _CHANCE), _beside_a_fade(path, span, least, unseen))


def contrast_flicker(path: Path, span: tuple[int, int], least: int, unit: float, *, light: float) -> float:
    """The share of a contrast's unsteadiness that is flicker.

    Args:
        path: the frames around a frame that may be used, in order.
        span: first and last of the frames in which the path is a constant or a line.
        least: change that is not told from none, in the path's unit.
        unit: the path's unit per unit of the contrast's logarithm.
        light: the share of the light's unsteadiness there. Motion changes the measured contrast more than the light, so
            beside a fade contrast flickers only where light does.

    Returns:
        The share, 0 to 1; 0 for fewer than eight frames.
    """
    unseen = _UNSEEN_CONTRAST * unit
    return max(_share(path, least, unseen, _CHANCE), min(light, _beside_a_fade(path, span, least, unseen)))


def _beside_a_fade(path: Path, span: tuple[int, int], least: int, unseen: float) -> float:
    """A fade beside a frame hides flicker, but not in the frame's own span, and not where the trend is taken off."""
    first, last = span
    return max(
        _share(path, least, unseen, _CHOSEN_CHANCE, trend=True),
        _share(path[first : last + 1], least, unseen, _CHOSEN_CHANCE),
    )


def _share(path: Path, least: int, unseen: float, chance: float, *, trend: bool = False) -> float:
    changes = np.diff(path)
    if len(changes) < LEAST_CHANGES:
        return 0.0
    found = evidence(changes, max(usual_change(changes, _USUAL), least), trend=trend)
    return found.certain(chance) * _seen(found, unseen)


def _seen(found: Evidence, unseen: float) -> float:
    return min(1.0, max(0.0, (found.flicker / (unseen * unseen) - 1) / 3)) if unseen > 0 else float(found.flicker > 0)
