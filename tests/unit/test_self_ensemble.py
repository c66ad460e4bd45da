"""Networks that run on mirrored copies of their input."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.models import resolve_model
from reelwright.restoration.self_ensemble import ensembled
from reelwright.restoration.tiling import Luma
from reelwright.restoration.weight_sets import NetworkWeights, WeightSet
from reelwright.restoration.window import prepare
from reelwright.restoration.window_network import (
    MIRRORINGS,
    NetworkInput,
    WindowNetwork,
    networks_from_metadata,
    networks_to_metadata,
)
from reelwright.restoration.window_torch import WindowNet
from tests.support.windows import codes, grainy, panned
from training.export import read, with_ensemble, write

SMALL = WindowNetwork(channels=8, layers=3)


@pytest.fixture
def weights() -> NetworkWeights[torch.Tensor]:
    """A small network whose weights are no symmetric filters."""
    torch.manual_seed(4)
    return NetworkWeights([WeightSet(SMALL, WindowNet(SMALL).state_dict())])


def mirrored(window: NetworkInput, axes: tuple[int, ...]) -> NetworkInput:
    """The input mirrored along axes."""
    names = ("differences", "maps", "agreement")
    return replace(window, **{name: np.flip(getattr(window, name), axes) for name in names})


@pytest.mark.parametrize("copies", [2, 4])
@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_the_result_is_the_mean_over_mirrored_copies(
    engine: str, copies: int, weights: NetworkWeights[torch.Tensor], tmp_path: Path
) -> None:
    """A file with an ensemble gives the mean of what the network alone gives for each copy, mirrored back."""
    for name, file in (("alone", weights), ("ensemble", with_ensemble(weights, copies))):
        write(tmp_path / f"{name}.safetensors", file)
    alone, ensemble = (
        create_engine(engine, resolve_model(str(tmp_path / f"{name}.safetensors")), precision="fp32")
        for name in ("alone", "ensemble")
    )
    prepared = prepare(codes(grainy(panned((2, 1), rows=64, columns=96), 6)))
    luma, window = prepared.frames[2].astype(np.float32) / np.float32(255), prepared.network_input(0.0)
    each = [
        np.flip(alone.upscale(np.ascontiguousarray(np.flip(luma, axes)), mirrored(window, axes), 2), axes)
        for axes in MIRRORINGS[copies]
    ]
    assert np.abs(each[0] - each[1]).max() > 1e-3
    assert np.abs(ensemble.upscale(luma, window, 2) - np.mean(each, axis=0)).max() < 1e-5


def test_one_copy_is_the_network_itself() -> None:
    """Without an ensemble nothing is wrapped around the network."""

    def run(planes: list[Luma]) -> Luma:
        return planes[0]

    assert ensembled(run, 1, np.flip) is run


def test_a_file_says_on_how_many_copies_it_runs(weights: NetworkWeights[torch.Tensor], tmp_path: Path) -> None:
    """The number survives the file, and a file that names none runs on the picture alone."""
    write(tmp_path / "four.safetensors", with_ensemble(weights, 4))
    assert read(tmp_path / "four.safetensors").network == replace(SMALL, ensemble=4)
    metadata = networks_to_metadata({"": SMALL})
    described = json.loads(metadata["network"])
    del described["ensemble"]
    assert networks_from_metadata({**metadata, "network": json.dumps(described)}) == {"": SMALL}


def test_an_unknown_number_of_copies_is_refused() -> None:
    """A file that asks for three copies is an error."""
    with pytest.raises(ValueError, match="no such reel network"):
        networks_from_metadata(networks_to_metadata({"": replace(SMALL, ensemble=3)}))
