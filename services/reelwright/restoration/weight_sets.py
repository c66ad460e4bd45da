"""Two weight sets of one network, for damaged and for undamaged film, mixed by the grain that was measured.

One set for both is a compromise: trained alike, a set for undamaged film alone gained 1.2 dB more there, and sharpened
no film that was never sharp. The results are mixed and not the weights, since two trainings end in places between which
nothing works. The share is a continuous function of the frame's own measurement: it is the same in every batch, segment
and worker, and no picture changes abruptly when the grain does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.float32]
Tensor = TypeVar("Tensor")

# Names of the tensors of the second set begin so.
UNDAMAGED = "undamaged."
# `Measurement.figures` up to which a frame counts as undamaged, and from which on as damaged: grain of 1.75 and 3.25
# levels. On six of seven pieces the sets gained alike between 2 and 3.5 levels (`python -m training.weight_sets`).
_UNDAMAGED_BELOW, _DAMAGED_FROM = 1.75 / 16, 3.25 / 16


def split_sets(tensors: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """The weight sets in a file: that for damaged film, then that for undamaged film where there is one."""
    damaged = {name: tensor for name, tensor in tensors.items() if not name.startswith(UNDAMAGED)}
    undamaged = {name.removeprefix(UNDAMAGED): t for name, t in tensors.items() if name.startswith(UNDAMAGED)}
    return [damaged, undamaged] if undamaged else [damaged]


def undamaged_share(figures: NDArray[np.float32]) -> float:
    """The share of the set for undamaged film in a frame's result, 0 to 1.

    Args:
        figures: (4,) float32, see `measurement.Measurement.figures`.
    """
    share = (_DAMAGED_FROM - float(figures[0])) / (_DAMAGED_FROM - _UNDAMAGED_BELOW)
    return min(1.0, max(0.0, share))


def mix(sets: Sequence[Callable[[], Luma]], figures: NDArray[np.float32]) -> Luma:
    """The result of a network's sets for one frame; a set whose share is zero does not run.

    Args:
        sets: for each of `split_sets`, what makes its result: (rows, columns) float32.
        figures: (4,) float32, see `measurement.Measurement.figures`.
    """
    share = undamaged_share(figures) if len(sets) > 1 else 0.0
    if share in {0.0, 1.0}:
        return sets[int(share)]()
    return sets[0]() * np.float32(1 - share) + sets[1]() * np.float32(share)
