"""The weights of a file: for each scale a set for damaged and one for undamaged film, each with its network's shape.

The two sets of a scale are mixed by the grain that was measured. One set for both is a compromise: trained alike, a
set for undamaged film alone gained 1.2 dB more there, and sharpened no film that was never sharp. The results are mixed
and not the weights (`enlarge.mix`), since two trainings end in places between which nothing works. The share is a
continuous function of the frame's own measurement: it is the same in every batch, segment and worker, and no picture
changes abruptly when the grain does. The set for undamaged film leaves scratches, so where one runs the other set
counts, whatever the grain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.window_network import SCALES, WindowNetwork

Tensor = TypeVar("Tensor")

# Names of the tensors of the set for undamaged film, and of that for detail, begin so.
UNDAMAGED, DETAIL = "undamaged.", "detail."
# In the metadata of a file: the share of the set for detail where a recipe names none, as a decimal number.
DETAIL_SHARE = "detail"
# There too: the scales at which results are averaged along the motion where a recipe does not say, as `2,4`.
TEMPORAL_FILTER = "temporal_filter"
# `Measurement.figures` up to which a frame counts as undamaged, and from which on as damaged: grain of 1 and 3.25
# levels. On seven pieces the mixture gained more between them than either set (`python -m training.weight_sets`).
_UNDAMAGED_BELOW, _DAMAGED_FROM = 1.0 / 16, 3.25 / 16


@dataclass(frozen=True, slots=True)
class WeightSet(Generic[Tensor]):
    """Weights, and the shape of the network that they are for.

    Attributes:
        network: the shape.
        tensors: by name, as in `WindowNetwork.shapes`.
    """

    network: WindowNetwork
    tensors: dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class NetworkWeights(Generic[Tensor]):
    """The weight sets of a file for one scale.

    Attributes:
        sets: that for damaged film, then that for undamaged film where there is one.
        detail: the tensors for detail of damaged film, which are blended with those of the first of `sets`, if there
            are any.
    """

    sets: list[WeightSet[Tensor]]
    detail: dict[str, Tensor] | None = None

    @property
    def network(self) -> WindowNetwork:
        """The shape of the network for damaged film."""
        return self.sets[0].network


def scale_prefix(scale: int) -> str:
    """What the names of the tensors begin with that belong to the network of another scale than the file's first."""
    return f"x{scale}."


def network_prefixes() -> set[str]:
    """The prefixes of tensors whose network a file may describe."""
    return {scale + kind for scale in ("", *map(scale_prefix, SCALES)) for kind in ("", UNDAMAGED)}


def split_scales(
    networks: Mapping[str, WindowNetwork], tensors: Mapping[str, Tensor]
) -> dict[int, NetworkWeights[Tensor]]:
    """The weight sets in a file by their scale, ascending.

    Args:
        networks: see `window_network.networks_from_metadata`. A scale that is not named has the first network with that
            scale, a set for undamaged film the network for damaged film of its scale.
        tensors: all tensors of the file by name.
    """
    network = networks[""]
    others = {scale: scale_prefix(scale) for scale in SCALES if scale != network.scale}
    first = {name: tensor for name, tensor in tensors.items() if not name.startswith(tuple(others.values()))}
    found = {network.scale: _weights_of(network, networks.get(UNDAMAGED), first)}
    for scale, prefix in others.items():
        own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        if own:
            damaged = networks.get(prefix, replace(network, scale=scale))
            found[scale] = _weights_of(damaged, networks.get(prefix + UNDAMAGED), own)
    return dict(sorted(found.items()))


def _weights_of(
    network: WindowNetwork, undamaged: WindowNetwork | None, tensors: Mapping[str, Tensor]
) -> NetworkWeights[Tensor]:
    named = {prefix: _without(prefix, tensors) for prefix in (UNDAMAGED, DETAIL)}
    damaged = {name: tensor for name, tensor in tensors.items() if not name.startswith(tuple(named))}
    sets = [WeightSet(network, damaged)]
    if named[UNDAMAGED]:
        sets.append(WeightSet(undamaged or network, named[UNDAMAGED]))
    return NetworkWeights(sets, named[DETAIL] or None)


def _without(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def blend(weights: NetworkWeights[Any], number: int, detail: float) -> dict[str, Any]:
    """The tensors of a weight set, those for damaged film blended with those for detail.

    Weights can be blended where one set was trained on from the other (for networks that enlarge pictures: ESRGAN,
    arXiv:1809.00219, section 3.4).

    Args:
        weights: the weight sets of a scale.
        number: of the set in `NetworkWeights.sets`.
        detail: share of the set for detail, 0 to 1.
    """
    tensors, share = weights.sets[number].tensors, detail_share(weights, number, detail)
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
