"""What becomes of known dust and scratches, and of the pixels beside them."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from statistics import fmean
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from training import material
from training.quality.methods import DirtMethod

Luma = NDArray[np.float32]

# A dust pixel counts where it changed the film by more levels than this, and is repaired where no more are left.
_SEEN = 12.0
# A scratch pixel counts where the scratch added more levels than this.
_SCRATCHED = 2.0
# A clean pixel is changed when the repair moves it by more levels than this.
_CHANGED = 4.0


class Dirt(NamedTuple):
    """What became of dirt; shares of 1, nan where the frames have no dirt of that sort or the method is no repair.

    Attributes:
        repaired: dust pixels that are repaired, of those of all frames.
        changed: pixels of film without dust that the repair changes.
        gone: energy of scratches that is gone.
    """

    repaired: float
    changed: float
    gone: float


def dirt_of(method: DirtMethod, film: material.Dirtied, numbers: Sequence[int], scale: int) -> Dirt:
    """Restores a film with and without its dirt and compares: what differs in the result is the dirt that is left.

    Args:
        method: what repairs.
        film: the film.
        numbers: of the frames.
        scale: by which the method enlarges.
    """
    clean, dusty, scratched = (method.restore(clip, numbers) for clip in (film.clean, film.dusty, film.scratched))
    repaired = method.repair(film.clean, numbers) if method.repair else None
    dust, mended, moved, energy, remaining = 0, 0, [], 0.0, 0.0
    for place, number in enumerate(numbers):
        source = film.clean[number].astype(np.float32)
        hit = np.abs(film.dusty[number] - source) > _SEEN
        left = _reduced(dusty[place] - clean[place], scale) * 255
        dust, mended = dust + int(hit.sum()), mended + int((np.abs(left[hit]) <= _SEEN).sum())
        line = film.scratches[number] > _SCRATCHED
        remains = _reduced(scratched[place] - clean[place], scale) * 255
        energy += float(np.square(film.scratched[number] - source)[line].sum())
        remaining += float(np.square(remains)[line].sum())
        if repaired:
            moved.append(float((np.abs(repaired[place] * 255 - source) > _CHANGED).mean()))
    return Dirt(
        repaired=mended / dust if dust else nan,
        changed=fmean(moved) if moved else nan,
        gone=1 - remaining / energy if energy else nan,
    )


def _reduced(field: Luma, scale: int) -> Luma:
    size = (field.shape[1] // scale, field.shape[0] // scale)
    return np.asarray(cv2.resize(field, size, interpolation=cv2.INTER_AREA), np.float32)
