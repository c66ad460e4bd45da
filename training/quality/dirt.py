"""What becomes of known dust and scratches, and of the pixels beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.window import prepare
from reelwright.restoration.window_network import MIDDLE
from training import material
from training.quality.methods import Method, window_of

Luma = NDArray[np.float32]

# A dust pixel counts where it changed the film by more levels than this, and is repaired where no more are left.
_SEEN = 12.0
# A scratch pixel counts where the scratch added more levels than this.
_SCRATCHED = 2.0
# A clean pixel is changed when the repair moves it by more levels than this.
_CHANGED = 4.0


class Dirt(NamedTuple):
    """What became of dirt; shares of 1, nan where the frames have no dirt of that sort.

    Attributes:
        repaired: dust pixels that are repaired.
        changed: pixels of film without dust that the repair changes.
        gone: energy of scratches that is gone.
    """

    repaired: float
    changed: float
    gone: float


def dirt_of(restore: Method, film: material.Dirtied, numbers: Sequence[int], scale: int) -> Dirt:
    """Restores a film with and without its dirt and compares: what differs in the result is the dirt that is left.

    Args:
        restore: the method.
        film: the film.
        numbers: of the frames.
        scale: by which the method enlarges.
    """
    clean, dusty, scratched = (restore(clip, numbers) for clip in (film.clean, film.dusty, film.scratched))
    found = []
    for place, number in enumerate(numbers):
        source = film.clean[number].astype(np.float32)
        hit = np.abs(film.dusty[number] - source) > _SEEN
        left = _reduced(dusty[place] - clean[place], scale) * 255
        line = film.scratches[number] > _SCRATCHED
        remains = _reduced(scratched[place] - clean[place], scale) * 255
        before = np.square(film.scratched[number] - source)[line].sum()
        repaired = prepare(window_of(film.clean, number)).frames[MIDDLE]
        found.append(
            (
                float((np.abs(left[hit]) <= _SEEN).mean()) if hit.any() else np.nan,
                float((np.abs(repaired - source) > _CHANGED).mean()),
                1 - float(np.square(remains)[line].sum() / before) if line.any() else np.nan,
            )
        )
    return Dirt(*(float(value) for value in np.nanmean(found, axis=0)))


def _reduced(field: Luma, scale: int) -> Luma:
    size = (field.shape[1] // scale, field.shape[0] // scale)
    return np.asarray(cv2.resize(field, size, interpolation=cv2.INTER_AREA), np.float32)
