"""Networks on windows: their description, their start, their file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.models import resolve_model
from reelwright.restoration.weight_sets import NetworkWeights, WeightSet
from reelwright.restoration.window_network import (
    MIDDLE,
    WindowNetwork,
    networks_from_metadata,
    networks_to_metadata,
)
from reelwright.restoration.window_torch import WindowNet, enlarge
from tests.support.windows import codes, grainy, panned
from training.export import read, write
from training.quality.methods import bicubic, restore_window
from training.trainer import Plan, Training, start

SMALL = WindowNetwork(channels=8, layers=3)


def restored(file: Path, window: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The middle frame of a window, restored by the network of a file."""
    return restore_window(create_engine("torch", resolve_model(str(file)), precision="fp32"), 2, window)


def test_a_network_starts_as_bicubic(tmp_path: Path) -> None:
    """Before its first step a network changes no film by more than rounding."""
    window, network = codes(panned((2, 1), rows=64, columns=96)), WindowNetwork()
    write(tmp_path / "net.safetensors", NetworkWeights([WeightSet(network, start(WindowNet(network)).state_dict())]))
    assert np.array_equal(restored(tmp_path / "net.safetensors", window), bicubic(2)(window))


def test_training_and_product_enlarge_alike() -> None:
    """The base that training adds to is the product's bicubic enlargement, to a tenth of a level."""
    window = codes(panned((2, 1), rows=64, columns=96))
    base = enlarge(torch.from_numpy(window[None].astype(np.float32) / 255), 2).numpy()[0, 0]
    assert np.abs(base - bicubic(2)(window)).max() < 0.1 / 255


def test_an_exported_network_gives_what_the_checkpoint_gives(tmp_path: Path) -> None:
    """The safetensors file holds the averaged weights and the description, and the product restores with it."""
    training = Training(SMALL, Plan(10))
    with torch.no_grad():
        for parameter in training.average.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    training.save(tmp_path / "run.pt")
    write(tmp_path / "net.safetensors", read(tmp_path / "run.pt"))
    exported, averaged = read(tmp_path / "net.safetensors"), training.average.state_dict()
    assert exported.network == SMALL
    assert all(torch.equal(exported.sets[0].tensors[name], tensor) for name, tensor in averaged.items())
    window = codes(grainy(panned((2, 1), rows=64, columns=96), 6))
    assert np.abs(restored(tmp_path / "net.safetensors", window) - bicubic(2)(window)).max() > 0.01


def test_a_description_survives_its_file() -> None:
    """Metadata give the networks back, each with its own shape, and those of another family give none."""
    for networks in ({"": SMALL}, {"": SMALL, "x4.": WindowNetwork(channels=4, layers=5, scale=4)}):
        assert networks_from_metadata(networks_to_metadata(networks)) == networks
    assert networks_from_metadata({}) == {}


@pytest.mark.parametrize("key", ["network", "networks"])
@pytest.mark.parametrize("text", ['{"channels": 0}', '{"unshuffle": 3}', '{"scale": 7}', '{"x4.": 1}', "[1]", "{"])
def test_an_impossible_description_is_refused(key: str, text: str) -> None:
    """A file of this family that describes no such networks is an error."""
    with pytest.raises(ValueError, match="no such reel network"):
        networks_from_metadata({**networks_to_metadata({"": SMALL}), key: text})


def test_no_pixel_beyond_the_halo_reaches_a_result() -> None:
    """Changing the picture outside the halo changes nothing inside."""
    torch.manual_seed(2)
    net = WindowNet(SMALL)
    inputs = [torch.rand(1, 5, 48, 48), torch.rand(1, 2, 48, 48), torch.rand(1, 4, 24, 24), torch.rand(1, 4)]
    with torch.inference_mode():
        before = net(*inputs)
        inputs[0][:, MIDDLE, :, : 24 - SMALL.halo] = 0
        after = net(*inputs)
    assert torch.equal(before[..., 48:], after[..., 48:])
    assert not torch.equal(before, after)
