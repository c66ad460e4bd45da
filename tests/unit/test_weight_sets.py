"""Two weight sets in one file: for damaged and for undamaged film."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from reelwright.restoration.engine import Engine
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.models import resolve_model
from reelwright.restoration.self_test import known_picture, known_window
from reelwright.restoration.weight_sets import undamaged_share
from reelwright.restoration.window_network import NetworkInput, WindowNetwork
from reelwright.restoration.window_torch import WindowNet
from reelwright.titles.errors import ModelError
from training.export import join, write

SMALL = WindowNetwork(channels=8, layers=3)
CLEAN, MIDDLE, GRAINY = 0.5, 2.5, 6.0


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Two networks with weights of their own, and both in one file."""
    found = {name: tmp_path / f"{name}.safetensors" for name in ("damaged", "undamaged", "both")}
    for seed, name in enumerate(("damaged", "undamaged")):
        torch.manual_seed(seed)
        write(found[name], SMALL, WindowNet(SMALL).state_dict())
    join(found["damaged"], found["undamaged"], found["both"])
    return found


def engine_of(name: str, file: Path) -> Engine:
    """An engine with a file's weights, in float32."""
    return create_engine(name, resolve_model(str(file)), precision="fp32")


def window_of(grain: float) -> NetworkInput:
    """The known window with grain of so many levels."""
    window = known_window()
    figures = window.figures.copy()
    figures[0] = grain / 16
    return NetworkInput(window.differences, window.maps, window.agreement, figures)


def test_the_share_falls_steadily_with_grain() -> None:
    """A frame without grain takes the second set alone, a grainy one the first alone, and between it falls steadily."""
    shares = [undamaged_share(window_of(grain).figures) for grain in np.arange(0, 6, 0.1)]
    assert (shares[0], shares[-1]) == (1.0, 0.0)
    assert all(0 <= before - after < 0.1 for before, after in pairwise(shares))
    assert undamaged_share(window_of(MIDDLE).figures) == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["openvino", "torch"])
def test_an_engine_mixes_the_sets_by_the_grain(name: str, files: dict[str, Path]) -> None:
    """Without grain the result is that of the second set, with much that of the first, at the middle their mean."""
    engines = {kind: engine_of(name, file) for kind, file in files.items()}
    found = {
        (kind, grain): engine.upscale(known_picture(), window_of(grain))
        for kind, engine in engines.items()
        for grain in (CLEAN, MIDDLE, GRAINY)
    }
    assert np.array_equal(found["both", CLEAN], found["undamaged", CLEAN])
    assert np.array_equal(found["both", GRAINY], found["damaged", GRAINY])
    assert np.abs(found["damaged", MIDDLE] - found["undamaged", MIDDLE]).max() > 0.02
    mean = (found["damaged", MIDDLE] + found["undamaged", MIDDLE]) / 2
    assert np.abs(found["both", MIDDLE] - mean).max() < 1e-5


def test_a_file_with_half_a_second_set_is_refused(files: dict[str, Path]) -> None:
    """A second set that lacks a tensor is one line that says so, and no engine is made."""
    tensors = load_file(files["both"])
    del tensors["undamaged.conv1.bias"]
    save_file(tensors, files["both"], SMALL.to_metadata())
    with pytest.raises(ModelError, match="tensors are not those"):
        resolve_model(str(files["both"]))


def test_sets_of_two_networks_are_not_joined(files: dict[str, Path], tmp_path: Path) -> None:
    """Weights of another shape are refused and no file is written."""
    other = WindowNetwork(channels=4, layers=3)
    write(files["undamaged"], other, WindowNet(other).state_dict())
    with pytest.raises(SystemExit, match="two networks"):
        join(files["damaged"], files["undamaged"], tmp_path / "new.safetensors")
    assert not (tmp_path / "new.safetensors").exists()
