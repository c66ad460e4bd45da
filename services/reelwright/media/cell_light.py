"""Measures flicker of parts of a picture, by the mean luma of the cells of a coarse grid.

The logarithms of the cells' light are projected on smooth fields: polynomials of third degree across and second degree
along, more than `deflicker` evens out (`light_field`), so that some of what it leaves is seen. What moves in the scene
changes the light one way over some frames, while flicker turns back in the next one (`flicker_evidence`). No cell is
sought where the scene moved to, so this is cheap enough for every frame of every film.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reelwright.media.flicker_evidence import LEAST_CHANGES, evidence, usual_change
from reelwright.media.frame_fidelity import CELL_COLUMNS, CELL_ROWS

# In black film a level more or less is nothing.
_LEAST_LEVEL = 8.0
# Degrees of the polynomials.
_ACROSS, _ALONG = 3, 2
# So many changes are judged at a time, so that a shot of hours needs no more memory than a short one.
_PART = 64
# A change of so many standard deviations is the scene's.
_USUAL = 5.0
# Whole numbers per unit of a logarithm, and of a weight.
_UNIT, _WEIGHT_UNIT = 1_000_000, 1 << 20


@dataclass(slots=True)
class LocalFlickerSums:
    """Sums over the frames of a shot, which are added in order."""

    _path: list[NDArray[np.int64]] = field(default_factory=list)
    _squares: float = 0.0
    _changes: int = 0

    def add(self, light: Sequence[float]) -> None:
        """Adds the next frame.

        Args:
            light: of 4x6 cells, row by row, in 8-bit levels above black.
        """
        # NumPy's logarithm differs in the last bit from processor to processor.
        logarithms = [round(math.log(max(each, _LEAST_LEVEL)) * _UNIT) for each in light]
        self._path.append(_PROJECTION @ np.array(logarithms, np.int64) // _WEIGHT_UNIT)
        if len(self._path) > _PART:
            self._judge()

    def per_cent(self) -> float | None:
        """The flicker: standard deviation over the picture and the frames, in per cent of the light.

        None for fewer than eight frames.
        """
        if len(self._path) > LEAST_CHANGES:
            self._judge()
        return round(100 * math.sqrt(self._squares / self._changes), 3) if self._changes else None

    def _judge(self) -> None:
        """Adds what the frames since the last time say; the last one begins the next part."""
        changes = np.diff(np.stack(self._path), axis=0)
        for path in changes.T:
            found = evidence(path, max(usual_change(path, _USUAL), 1), trend=True)
            self._squares += found.flicker / _UNIT**2 * len(path)
        self._changes += len(changes)
        del self._path[:-1]


def _projection() -> NDArray[np.int64]:
    """(terms, cells) weights of the cells that give the terms, each of mean square 1, in units of `_WEIGHT_UNIT`."""
    across, along = (2 * np.arange(count) / count + 1 / count - 1 for count in (CELL_COLUMNS, CELL_ROWS))
    products = [
        np.outer(along**down, across**right).ravel() for down in range(_ALONG + 1) for right in range(_ACROSS + 1)
    ]
    basis = np.linalg.qr(np.array(products).T).Q
    # Without the constant, which is the light of the whole picture.
    return np.asarray(np.rint(basis[:, 1:].T / math.sqrt(len(basis)) * _WEIGHT_UNIT), np.int64)


_PROJECTION = _projection()
