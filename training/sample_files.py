"""Samples that are kept in memory-mapped files: windows, what was measured on them, and the truth."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.window_network import FIGURES, FRAMES
from training.damage import Kind

# The side of a patch in source pixels.
PATCH = 64
Samples = NDArray[Any]


def sample_type(scale: int) -> np.dtype[Any]:
    """One sample as it lies in the files, for networks that enlarge `scale` times."""
    return np.dtype(
        [
            ("frames", "u1", (FRAMES, PATCH, PATCH)),
            ("agreement", "u1", (FRAMES - 1, PATCH // 2, PATCH // 2)),
            ("dust", "u1", (PATCH, PATCH)),
            ("scratch", "u1", (PATCH, PATCH)),
            ("truth", "u1", (scale * PATCH, scale * PATCH)),
            ("figures", "f4", (FIGURES,)),
            ("kind", "i4"),
        ]
    )


def pair_type(scale: int) -> np.dtype[Any]:
    """One pair as it lies in the files, for networks that enlarge `scale` times.

    Its windows are samples of `sample_type`. Its motion says how far right and down each pixel of the first truth lies
    in the second, in pixels.
    """
    return np.dtype(
        [
            ("windows", sample_type(scale), (2,)),
            ("motion", "f2", (scale * PATCH, scale * PATCH, 2)),
            ("kind", "i4"),
        ]
    )


class SampleFiles:
    """What there is of the samples in a folder; grows while they are made.

    Args:
        folder: with the files.
        scale: of the networks that learn from them.
        kinds: the kinds of damage to read.
        pairs: whether to read pairs in place of single samples.

    Attributes:
        folder: with the files.
    """

    def __init__(
        self,
        folder: Path,
        scale: int = 2,
        kinds: Collection[Kind] = tuple(Kind),
        *,
        pairs: bool = False,
    ) -> None:
        self.folder, self._pattern = folder, "*.pairs" if pairs else "*.samples"
        self._type = pair_type(scale) if pairs else sample_type(scale)
        self._kinds = np.array(sorted(kinds), np.int32)
        self._maps: list[Samples] = []
        self._chosen: list[NDArray[np.int64]] = []
        self.refresh()

    def __len__(self) -> int:
        return sum(len(chosen) for chosen in self._chosen)

    def refresh(self) -> None:
        """Looks for what has been added; a sample that is half written does not count."""
        self._maps, self._chosen = [], []
        for path in sorted(self.folder.glob(self._pattern)):
            count = path.stat().st_size // self._type.itemsize
            if count:
                samples = np.memmap(path, self._type, "r", shape=(count,))
                self._maps.append(samples)
                self._chosen.append(np.flatnonzero(np.isin(samples["kind"], self._kinds)))

    def read(self, indices: NDArray[np.int64]) -> Samples:
        """The samples of these numbers, 0 to `len(self)` - 1; they count through the files in the order of names."""
        ends = np.cumsum([len(chosen) for chosen in self._chosen])
        files = np.searchsorted(ends, indices, side="right")
        starts = ends - [len(chosen) for chosen in self._chosen]
        found = zip(files, indices, strict=True)
        return np.array([self._maps[f][self._chosen[f][i - starts[f]]] for f, i in found], self._type)
