"""The weights of a network as a start for one of the same body that enlarges by another factor."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from reelwright.restoration.weight_sets import WeightSet


def rescaled(weights: WeightSet[Tensor], scale: int) -> WeightSet[Tensor]:
    """Weights whose last layer makes larger or smaller blocks, each pixel that of the same place in the old block.

    Args:
        weights: of a network.
        scale: enlargement of the new network.
    """
    network = replace(weights.network, scale=scale)
    before, after = (net.unshuffle * net.scale for net in (weights.network, network))
    places = torch.arange(after) * before // after
    channels = (places[:, None] * before + places).flatten()
    kept = torch.arange(sum(network.widths[:-1]))
    factors = torch.cat([kept, len(kept) + channels])
    last = f"conv{network.layers - 1}"
    rows = {f"{last}.weight": channels, f"{last}.bias": channels, "factors.weight": factors, "factors.bias": factors}
    tensors = {name: tensor[rows[name]] if name in rows else tensor for name, tensor in weights.tensors.items()}
    return WeightSet(network, tensors)
