"""The weights of a file: a network for each scale, and for each of them a set for damaged and one for undamaged film.

The two sets of a network are mixed by the grain that was measured. One set for both is a compromise: trained alike, a
set for undamaged film alone gained 1.2 dB more there, and sharpened no film that was never sharp. The results are mixed
and not the weights, since two trainings end in places between which nothing works. The share is a continuous function
of the frame's own measurement: it is the same in every batch, segment and worker, and no picture changes abruptly when
the grain does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.window_network import SCALES, WindowNetwork

Luma = NDArray[np.float32]
Tensor = TypeVar("Tensor")

# Names of the tensors of the set for undamaged film, and of that for detail, begin so.
UNDAMAGED, DETAIL = "undamaged.", "detail."
# In the metadata of a file: the share of the set for detail where a recipe names none, as a decimal number.
DETAIL_SHARE = "detail"
# `Measurement.figures` up to which a frame counts as undamaged, and from which on as damaged: grain of 1.75 and 3.25
# levels. On six of seven pieces the sets gained alike between 2 and 3.5 levels (`python -m training.weight_sets`).
_UNDAMAGED_BELOW, _DAMAGED_FROM = 1.75 / 16, 3.25 / 16


@dataclass(frozen=True, slots=True)
class NetworkWeights(Generic[Tensor]):
    """One of the networks in a file.

    Attributes:
        network: its shape.
        sets: its weight sets: that for damaged film, then that for undamaged film where there is one.
        detail: the weight set for detail of damaged film, which is blended with the first of `sets`, if there is one.
    """

    network: WindowNetwork
    sets: list[dict[str, Tensor]]
    detail: dict[str, Tensor] | None = None


def scale_prefix(scale: int) -> str:
    """What the names of the tensors begin with that belong to the network of another scale than the file's first."""
    return f"x{scale}."


def split_scales(network: WindowNetwork, tensors: Mapping[str, Tensor]) -> dict[int, NetworkWeights[Tensor]]:
    """The networks in a file by their scale, ascending. They differ in the scale alone.

    Args:
        network: the one that the file's metadata describe; its tensors have no `scale_prefix`.
        tensors: all tensors of the file by name.
    """
    others = {scale: scale_prefix(scale) for scale in SCALES if scale != network.scale}
    first = {name: tensor for name, tensor in tensors.items() if not name.startswith(tuple(others.values()))}
    found = {network.scale: _weights_of(network, first)}
    for scale, prefix in others.items():
        own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        if own:
            found[scale] = _weights_of(replace(network, scale=scale), own)
    return dict(sorted(found.items()))


def _weights_of(network: WindowNetwork, tensors: Mapping[str, Tensor]) -> NetworkWeights[Tensor]:
    named = {prefix: _without(prefix, tensors) for prefix in (UNDAMAGED, DETAIL)}
    damaged = {name: tensor for name, tensor in tensors.items() if not name.startswith(tuple(named))}
    sets = [damaged, named[UNDAMAGED]] if named[UNDAMAGED] else [damaged]
    return NetworkWeights(network, sets, named[DETAIL] or None)


def _without(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def blend(weights: NetworkWeights[Any], number: int, detail: float) -> dict[str, Any]:
    """One of a network's weight sets, that for damaged film blended with the set for detail.

    Weights can be blended where one set was trained on from the other (for networks that enlarge pictures: ESRGAN,
    arXiv:1809.00219, section 3.4).

    Args:
        weights: the network.
        number: of the set in `NetworkWeights.sets`.
        detail: share of the set for detail, 0 to 1.
    """
    tensors, share = weights.sets[number], detail_share(weights, number, detail)
    if not share or weights.detail is None:
        return tensors
    return {name: tensor + (weights.detail[name] - tensor) * share for name, tensor in tensors.items()}


def detail_share(weights: NetworkWeights[Any], number: int, detail: float) -> float:
    """The share of the set for detail that changes this weight set: `detail`, or 0 where it changes nothing."""
    return 0.0 if number or weights.detail is None else detail


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
        sets: for each of `NetworkWeights.sets`, what makes its result: (rows, columns) float32.
        figures: (4,) float32, see `measurement.Measurement.figures`.
    """
    share = undamaged_share(figures) if len(sets) > 1 else 0.0
    if share in {0.0, 1.0}:
        return sets[int(share)]()
    return sets[0]() * np.float32(1 - share) + sets[1]() * np.float32(share)
