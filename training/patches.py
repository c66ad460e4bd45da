"""The patches of a clip that become samples, and how one is filled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.window import PreparedWindow
from training.sample_files import PATCH, Samples

# The side of a clip's frames in source pixels; four patches are cut from it.
CLIP = 160
# Patches keep away from the clip's rim, where neighbours show what the clip does not.
_RIM = 8


def corners(rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """One patch in each quarter of a clip, its corner at even pixels."""
    room = CLIP // 2 - PATCH // 2 - _RIM
    for top in (0, 1):
        for left in (0, 1):
            y, x = (int(v) * 2 for v in rng.integers(0, (CLIP - 2 * _RIM - PATCH) // 4 + 1, 2))
            spread = (CLIP - 2 * _RIM - PATCH) // 4 * 2
            yield _RIM + y + top * (2 * room - spread), _RIM + x + left * (2 * room - spread)


def cut(sample: Samples, prepared: PreparedWindow, truth: NDArray[np.uint8], corner: tuple[int, int]) -> None:
    """Fills a sample, but for its kind, with a patch of a window and of its truth.

    Args:
        sample: one of `sample_type`.
        prepared: the window.
        truth: (scale * rows, scale * columns) uint8.
        corner: row and column of the patch in the window, both even.
    """
    (y, x), found = corner, prepared.measurement
    here = slice(y, y + PATCH), slice(x, x + PATCH)
    half = slice(y // 2, (y + PATCH) // 2), slice(x // 2, (x + PATCH) // 2)
    sample["frames"] = prepared.frames[:, here[0], here[1]]
    sample["agreement"] = prepared.agreement[:, half[0], half[1]]
    sample["dust"], sample["scratch"] = found.dust[here], found.scratch[here]
    sample["truth"] = enlarged_patch(truth, corner)
    sample["figures"] = found.figures()


def enlarged_patch(field: NDArray[Any], corner: tuple[int, int]) -> NDArray[Any]:
    """The part of a field of the enlarged clip, rows first, that lies over the patch at a corner of the window."""
    scale = field.shape[0] // CLIP
    y, x = corner
    return field[scale * y : scale * (y + PATCH), scale * x : scale * (x + PATCH)]
