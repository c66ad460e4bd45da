"""Pairs of samples: two windows of one clip, the second a frame later, and the motion of its pixels between them.

From them a training learns not to flicker: `losses.flickers`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from reelwright.restoration.window import prepare
from reelwright.restoration.window_network import FRAMES, MIDDLE
from training.clips import SOFT_SHARE, draw_clip
from training.codecs import to_codes
from training.damage import Kind, apply, draw_damage
from training.dataset import Photograph
from training.patches import CLIP, corners, cut, enlarged_patch
from training.recording import true_clip
from training.sample_files import Samples, pair_type

# The middle frame of a clip of seven, which is the photograph itself, and the next.
_FIRST = MIDDLE + 1


def make_pairs(
    shots: Sequence[Photograph],
    seed: int,
    number: int,
    *,
    scale: int = 2,
    kinds: Collection[Kind] = tuple(Kind),
    soft: float = SOFT_SHARE,
) -> Samples:
    """The four pairs of one clip, a function of the arguments; (4,) of `pair_type(scale)`."""
    rng = np.random.default_rng((seed, number))
    drawn, damage = draw_clip(shots, rng, FRAMES + 2, scale * CLIP, soft=soft), draw_damage(rng, kinds)
    clip = true_clip(drawn.frames, damage.kind, rng)
    film = apply(clip, damage, rng, scale, steady=(_FIRST, _FIRST + 1))
    pairs = np.zeros(4, pair_type(scale))
    pairs["kind"] = damage.kind
    pairs["windows"]["kind"] = damage.kind
    places = list(corners(rng))
    for pair, corner in zip(pairs, places, strict=True):
        pair["motion"] = enlarged_patch(drawn.motion, corner)
    for later in range(2):
        first = _FIRST + later - MIDDLE
        prepared, truth = prepare(film[first : first + FRAMES]), to_codes(clip[_FIRST + later])
        for pair, corner in zip(pairs, places, strict=True):
            cut(pair["windows"][later], prepared, truth, corner)
    return pairs
