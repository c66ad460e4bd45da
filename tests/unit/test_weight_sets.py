"""Several weight sets in one file: for damaged film, for its detail, and for undamaged film."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor

from reelwright.restoration.engine import Engine
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.models import resolve_model
from reelwright.restoration.self_test import known_picture, known_window
from reelwright.restoration.weight_sets import NetworkWeights, WeightSet, undamaged_share
from reelwright.restoration.window_network import NetworkInput, WindowNetwork, networks_to_metadata
from reelwright.restoration.window_torch import WindowNet
from reelwright.titles.errors import ModelError
from training.export import join, read, with_detail, write

SMALL = WindowNetwork(channels=8, layers=3)
CLEAN, MIDDLE, GRAINY = 0.5, 2.125, 6.0


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Two networks with weights of their own, and both in one file."""
    found = {name: tmp_path / f"{name}.safetensors" for name in ("damaged", "undamaged", "both")}
    for seed, name in enumerate(("damaged", "undamaged")):
        write(found[name], weights_of(SMALL, seed))
    write(found["both"], join(read(found["damaged"]), read(found["undamaged"])))
    return found


def weights_of(network: WindowNetwork, seed: int = 0) -> NetworkWeights[Tensor]:
    """Random weights of one network."""
    torch.manual_seed(seed)
    return NetworkWeights([WeightSet(network, WindowNet(network).state_dict())])


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
        (kind, grain): engine.upscale(known_picture(), window_of(grain), 2)
        for kind, engine in engines.items()
        for grain in (CLEAN, MIDDLE, GRAINY)
    }
    assert np.array_equal(found["both", CLEAN], found["undamaged", CLEAN])
    assert np.array_equal(found["both", GRAINY], found["damaged", GRAINY])
    assert np.abs(found["damaged", MIDDLE] - found["undamaged", MIDDLE]).max() > 0.02
    mean = (found["damaged", MIDDLE] + found["undamaged", MIDDLE]) / 2
    assert np.abs(found["both", MIDDLE] - mean).max() < 1e-5


@pytest.mark.parametrize("name", ["openvino", "torch"])
def test_where_a_scratch_runs_the_first_set_restores(name: str, files: dict[str, Path]) -> None:
    """Of film without grain the columns of a scratch are those of the first set, and the others those of the second."""
    window = window_of(CLEAN)
    rows, columns = window.maps.shape[1:]
    lines = np.zeros((6, columns), np.float32)
    lines[:, columns // 2 :] = 1
    found = engine_of(name, files["both"]).upscale(known_picture(), replace(window, lines=lines), 2)
    damaged, undamaged = (
        engine_of(name, files[kind]).upscale(known_picture(), window, 2) for kind in ("damaged", "undamaged")
    )
    assert found.shape == (2 * rows, 2 * columns)
    assert np.array_equal(found[:, : columns - 2], undamaged[:, : columns - 2])
    assert np.abs(found - damaged)[:, columns + 2 :].max() < 1e-6


@pytest.mark.parametrize("name", ["openvino", "torch"])
@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_detail_blends_the_weights_for_damaged_film(
    name: str, share: float, files: dict[str, Path], tmp_path: Path
) -> None:
    """A share of the set for detail is the network whose weights lie so far between the two; undamaged film stays."""
    damaged, sharp = (weights_of(SMALL, seed).sets[0].tensors for seed in (0, 2))
    blended, all_of_them = tmp_path / "blended.safetensors", tmp_path / "all.safetensors"
    between = {key: tensor + (sharp[key] - tensor) * share for key, tensor in damaged.items()}
    write(blended, NetworkWeights([WeightSet(SMALL, between)]))
    write(all_of_them, *with_detail([read(files["both"])], NetworkWeights([WeightSet(SMALL, sharp)])))
    engine, wanted, both = (engine_of(name, file) for file in (all_of_them, blended, files["both"]))
    grainy, clean = (replace(window_of(grain), detail=share) for grain in (GRAINY, CLEAN))
    found = engine.upscale(known_picture(), grainy, 2)
    assert np.abs(found - wanted.upscale(known_picture(), grainy, 2)).max() < 1e-6
    assert (np.abs(found - both.upscale(known_picture(), grainy, 2)).max() > 0.02) == (share > 0)
    assert np.array_equal(engine.upscale(known_picture(), clean, 2), both.upscale(known_picture(), clean, 2))


@pytest.mark.parametrize("lacking", ["undamaged.conv1.bias", "detail.conv1.bias"])
def test_a_file_with_half_a_second_set_is_refused(lacking: str, files: dict[str, Path]) -> None:
    """A second set that lacks a tensor is one line that says so, and no engine is made."""
    write(files["both"], *with_detail([read(files["both"])], weights_of(SMALL, 2)))
    tensors = load_file(files["both"])
    del tensors[lacking]
    save_file(tensors, files["both"], networks_to_metadata({"": SMALL}))
    with pytest.raises(ModelError, match="tensors are not those"):
        resolve_model(str(files["both"]))


def test_sets_for_two_scales_are_not_joined(files: dict[str, Path]) -> None:
    """A set for another scale is refused, and a set for detail of another shape."""
    with pytest.raises(SystemExit, match="two scales"):
        join(read(files["damaged"]), weights_of(replace(SMALL, scale=4)))
    with pytest.raises(SystemExit, match="another network"):
        with_detail([read(files["damaged"])], weights_of(WindowNetwork(channels=4, layers=3)))


@pytest.mark.parametrize("name", ["openvino", "torch"])
def test_each_set_may_have_a_network_of_its_own(name: str, files: dict[str, Path], tmp_path: Path) -> None:
    """Sets with other numbers of channels and layers, in one file, give what files with one of them give."""
    large, deep = WindowNetwork(channels=12, layers=5), WindowNetwork(channels=4, layers=4, scale=4)
    ours, fours, mixed = (tmp_path / f"{each}.safetensors" for each in ("large", "deep", "mixed"))
    write(ours, weights_of(large, 4))
    write(fours, join(weights_of(deep, 5), weights_of(replace(SMALL, scale=4), 6)))
    write(mixed, join(read(ours), read(files["both"])), read(fours))
    assert set(resolve_model(str(mixed)).networks.values()) == {large, SMALL, deep, replace(SMALL, scale=4)}
    engine = engine_of(name, mixed)
    for file, grain, scale in (
        (ours, GRAINY, 2),
        (files["undamaged"], CLEAN, 2),
        (fours, GRAINY, 4),
        (fours, CLEAN, 4),
    ):
        alone = engine_of(name, file).upscale(known_picture(), window_of(grain), scale)
        assert np.array_equal(engine.upscale(known_picture(), window_of(grain), scale), alone)


def test_a_file_that_describes_networks_it_has_no_name_for_is_refused(files: dict[str, Path]) -> None:
    """A network under an unknown prefix, or one that enlarges by another factor than its prefix says, is one line."""
    for prefix, network in (("x5.", SMALL), ("x4.", SMALL)):
        metadata = networks_to_metadata({"": SMALL, prefix: network})
        tensors = load_file(files["damaged"])
        tensors |= {f"x4.{key}": tensor for key, tensor in tensors.items()}
        save_file(tensors, files["both"], metadata)
        with pytest.raises(ModelError, match="tensors are not those"):
            resolve_model(str(files["both"]))


@pytest.mark.parametrize("name", ["openvino", "torch"])
def test_each_scale_has_a_network_of_its_own(name: str, files: dict[str, Path], tmp_path: Path) -> None:
    """A file with networks that enlarge by 2 and by 4, each with two sets, gives what files with one of them give."""
    large = replace(SMALL, scale=4)
    four, all_of_them = tmp_path / "four.safetensors", tmp_path / "all.safetensors"
    write(four, join(weights_of(large, 2), weights_of(large, 3)))
    write(all_of_them, read(files["both"]), read(four))
    model, engine = resolve_model(str(all_of_them)), engine_of(name, all_of_them)
    assert model.scales == engine.scales == (2, 4)
    for scale, file in ((2, files["both"]), (4, four)):
        for grain in (CLEAN, MIDDLE, GRAINY):
            alone = engine_of(name, file).upscale(known_picture(), window_of(grain), scale)
            assert alone.shape == (36 * scale, 48 * scale)
            assert np.array_equal(engine.upscale(known_picture(), window_of(grain), scale), alone)


@pytest.mark.parametrize("name", ["openvino", "torch"])
def test_undamaged_film_is_left_to_the_scale_that_has_a_set_for_it(
    name: str, files: dict[str, Path], tmp_path: Path
) -> None:
    """A network x4 with a set for damaged film alone restores that; other film is that of x2, enlarged further."""
    damaged = weights_of(replace(SMALL, scale=4), 2)
    four, both = tmp_path / "four.safetensors", tmp_path / "both.safetensors"
    write(four, damaged)
    write(both, read(files["both"]), damaged)
    engine, alone, twice = engine_of(name, both), engine_of(name, four), engine_of(name, files["both"])
    grainy, clean = window_of(GRAINY), window_of(CLEAN)
    assert np.array_equal(engine.upscale(known_picture(), grainy, 4), alone.upscale(known_picture(), grainy, 4))
    further = cv2.resize(twice.upscale(known_picture(), clean, 2), (192, 144), interpolation=cv2.INTER_LANCZOS4)
    assert np.abs(engine.upscale(known_picture(), clean, 4) - further).max() < 1e-6
    assert np.abs(further - alone.upscale(known_picture(), clean, 4)).max() > 0.02


def test_a_file_with_half_a_network_of_another_scale_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    """A network for another scale that lacks a tensor, or tensors of no known scale, are one line that says so."""
    whole = tmp_path / "whole.safetensors"
    write(whole, read(files["both"]), weights_of(replace(SMALL, scale=4)))
    tensors = load_file(whole)
    missing = {key: tensor for key, tensor in tensors.items() if key != "x4.conv1.bias"}
    for wrong in (
        missing,
        tensors | {"x5.conv1.bias": tensors["conv1.bias"]},
        tensors | {"x2.a": tensors["conv1.bias"]},
    ):
        save_file(wrong, whole, networks_to_metadata({"": SMALL}))
        with pytest.raises(ModelError, match="tensors are not those"):
            resolve_model(str(whole))


def test_networks_of_one_file_differ_in_their_scale(tmp_path: Path) -> None:
    """Two networks of one scale are refused and no file is written."""
    four = weights_of(replace(SMALL, scale=4))
    for others in ([weights_of(SMALL)], [four, weights_of(replace(SMALL, scale=4), 1)]):
        with pytest.raises(SystemExit, match="two networks enlarge by"):
            write(tmp_path / "new.safetensors", weights_of(SMALL), *others)
    assert not (tmp_path / "new.safetensors").exists()


def test_each_scale_has_a_set_for_detail_of_its_own(tmp_path: Path) -> None:
    """A set for detail goes to the network of its scale, and changes what the recipe's `detail` does there alone."""
    four = weights_of(replace(SMALL, scale=4), 1)
    plain, detailed = tmp_path / "plain.safetensors", tmp_path / "detailed.safetensors"
    write(plain, weights_of(SMALL), four)
    write(detailed, *with_detail([weights_of(SMALL), four], weights_of(replace(SMALL, scale=4), 2)))
    engine, without = engine_of("openvino", detailed), engine_of("openvino", plain)
    grainy = replace(window_of(GRAINY), detail=1.0)
    assert np.array_equal(engine.upscale(known_picture(), grainy, 2), without.upscale(known_picture(), grainy, 2))
    changed = np.abs(engine.upscale(known_picture(), grainy, 4) - without.upscale(known_picture(), grainy, 4))
    assert changed.max() > 0.02
