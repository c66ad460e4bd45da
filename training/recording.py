"""What a camera, a film and a codec leave of a scene before anything damages it: the network's truth has it too.

Real pictures have little detail at the grid of pixels, grain of their own, and have been through a codec. A network for
undamaged film that learns from sharp photographs alone sharpens what was never sharp, and smooths what is grain.
"""

from __future__ import annotations

import numpy as np

from training.codecs import recorded_in_h264
from training.damage import Field, Kind, blurred, grained

# Shares of the clips, and the ranges of blur (sigma in pixels of the truth), grain (levels of 255, drawn by its
# logarithm; size and dependence on tone as in `grained`) and H.264 (crf).
_SOFT, _BLUR = 0.7, (0.3, 1.1)
_GRAINY, _GRAIN, _SIZE, _DENSITY = 0.6, (0.4, 6.0), (0.3, 1.2), (0.0, 0.8)
_CODED, _CRF = 0.6, (12, 26)


def true_clip(clip: Field, kind: Kind, rng: np.random.Generator) -> Field:
    """A clip before its damage: as it may have been recorded, or as it is before it becomes film.

    Args:
        clip: (frames, rows, columns) float32 in [0, 1].
        kind: of the damage.
        rng: random numbers.
    """
    return clip if kind is Kind.FILM else recorded(clip, rng)


def recorded(clip: Field, rng: np.random.Generator) -> Field:
    """A clip as it may have been recorded.

    Args:
        clip: (frames, rows, columns) float32 in [0, 1].
        rng: random numbers.

    Returns:
        The same shape, in [0, 1].
    """
    if rng.random() < _SOFT:
        sigma = float(rng.uniform(*_BLUR))
        clip = np.stack([blurred(frame, sigma) for frame in clip])
    if rng.random() < _GRAINY:
        sigma = float(np.exp(rng.uniform(*np.log(_GRAIN))))
        size, density = float(rng.uniform(*_SIZE)), float(rng.uniform(*_DENSITY))
        clip = np.clip(grained(clip, sigma=sigma, size=size, density=density, rng=rng), 0, 1)
    if rng.random() < _CODED:
        clip = recorded_in_h264(clip, int(rng.integers(*_CRF)))
    return clip
