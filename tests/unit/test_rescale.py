"""Weights of one scale as a start for another."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from reelwright.restoration.weight_sets import WeightSet
from reelwright.restoration.window_network import WindowNetwork
from reelwright.restoration.window_torch import WindowNet
from training.rescale import rescaled

SMALL = WindowNetwork(channels=8, layers=3)
INPUTS = [torch.rand(1, 5, 16, 24), torch.rand(1, 2, 16, 24), torch.rand(1, 4, 8, 12), torch.rand(1, 4)]


def result(weights: WeightSet[torch.Tensor]) -> torch.Tensor:
    """What a network adds to the enlarged picture."""
    net = WindowNet(weights.network)
    net.load_state_dict(weights.tensors)
    with torch.inference_mode():
        found: torch.Tensor = net(*INPUTS)
    return found


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_rescaled_network_gives_the_same_picture_in_larger_pixels(scale: int) -> None:
    """From x2 to x4 each pixel becomes a block of four, to x3 each is that of its place, and to x2 nothing changes."""
    torch.manual_seed(3)
    weights = WeightSet(SMALL, dict(WindowNet(SMALL).state_dict()))
    found = rescaled(weights, scale)
    assert found.network == replace(SMALL, scale=scale)
    places = [torch.arange(side * scale) * 2 // scale for side in (16, 24)]
    expected = result(weights)[:, :, places[0]][..., places[1]]
    assert torch.allclose(result(found), expected, atol=1e-6)
