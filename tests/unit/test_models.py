"""Packaged networks are found by name, others by path, and invalid files are refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from reelwright.restoration.engine_factory import create_engine, engine_identity
from reelwright.restoration.models import ModelFile, list_models, resolve_model
from reelwright.restoration.self_test import known_result_file
from reelwright.restoration.window_network import WindowNetwork, networks_to_metadata
from reelwright.titles.errors import ModelError

REEL_S = resolve_model("reel-s")


def line(caught: pytest.ExceptionInfo[ModelError]) -> str:
    """The error's message; checks that it is one line."""
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("model", list_models(), ids=lambda model: str(model.name))
def test_every_packaged_network_has_a_card_and_known_results(model: ModelFile) -> None:
    """A card says what it does, and workers know what each of its scales gives."""
    assert model.card.startswith(f"# {model.name}\n")
    assert all(known_result_file(model, scale).exists() for scale in model.scales)


def test_a_packaged_network_is_described_without_a_runtime() -> None:
    """Name, file, digest, layers and card are known before the network is loaded."""
    assert "reel-s" in [model.name for model in list_models()]
    assert len(REEL_S.sha256) == 64
    assert REEL_S.networks[""].halo == REEL_S.networks[""].layers * REEL_S.networks[""].unshuffle
    assert "PSNR" in REEL_S.card


def test_an_unknown_model_suggests_the_closest_name() -> None:
    """A misspelled name is refused with the most similar known name."""
    with pytest.raises(ModelError) as caught:
        resolve_model("real-s")
    assert "did you mean 'reel-s'?" in line(caught)


def test_a_missing_model_file_is_named_as_a_file() -> None:
    """A text with a slash or suffix is refused as a missing file."""
    with pytest.raises(ModelError) as caught:
        resolve_model("models/mine.safetensors")
    assert "no such model file" in line(caught)


@pytest.mark.parametrize("name", ["a" * 5000, "/" + "a" * 300])
def test_a_name_that_no_file_can_have_is_one_line(name: str) -> None:
    """A name that is too long for the file system is refused with its reason."""
    with pytest.raises(ModelError, match="File name too long"):
        resolve_model(name)


def _text(path: Path) -> None:
    path.write_text("not a network\n" * 100)


def _pickle(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04" + bytes(200))


def _empty(path: Path) -> None:
    path.touch()


def _truncated(path: Path) -> None:
    path.write_bytes(REEL_S.path.read_bytes()[:-1000])


def _cut_in_the_header(path: Path) -> None:
    path.write_bytes(REEL_S.path.read_bytes()[:100])


def _endless_header(path: Path) -> None:
    path.write_bytes(b"\xff" * 64)


def _nested_header(path: Path) -> None:
    path.write_bytes((100_000).to_bytes(8, "little") + b"[" * 100_000)


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        (".safetensors", _text),
        (".pth", _pickle),
        (".safetensors", _empty),
        (".safetensors", _truncated),
        (".safetensors", _cut_in_the_header),
        (".safetensors", _endless_header),
        (".safetensors", _nested_header),
    ],
)
def test_an_invalid_model_file_is_refused_in_one_line(
    suffix: str, write: Callable[[Path], None], tmp_path: Path
) -> None:
    """Text, pickles, empty and truncated files are refused with a remedy, and no code in them is run."""
    path = tmp_path / f"mine{suffix}"
    write(path)
    with pytest.raises(ModelError) as caught:
        resolve_model(str(path))
    assert "not a safetensors file" in line(caught)
    assert "convert it" in line(caught)


@pytest.mark.parametrize(
    "network",
    [
        "{}",
        "[]",
        "unknown",
        json.dumps({"channels": 64, "layers": 10**9, "unshuffle": 2, "scale": 2}),
        json.dumps({"channels": 32, "layers": 10, "unshuffle": 2, "scale": 2}),
        json.dumps({"channels": "64", "layers": 10, "unshuffle": 2, "scale": 2}),
        json.dumps({"channels": 64, "layers": 10, "unshuffle": 2, "scale": 0}),
    ],
)
def test_a_network_whose_tensors_do_not_match_is_refused(network: str, tmp_path: Path) -> None:
    """A `reel` file whose tensors differ from its description is refused before a runtime loads it."""
    path = tmp_path / "mine.safetensors"
    save_file(load_file(str(REEL_S.path)), str(path), {"architecture": "reel-2", "network": network})
    with pytest.raises(ModelError) as caught:
        resolve_model(str(path))
    assert "its tensors are not those of the reel network" in line(caught)


def test_a_network_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    """A single-frame `reel` file of a development version is refused in one line that says what to do."""
    path = tmp_path / "mine.safetensors"
    save_file({"conv0.weight": np.zeros((4, 4, 3, 3), np.float32)}, str(path), {"architecture": "reel-1"})
    with pytest.raises(ModelError) as caught:
        resolve_model(str(path))
    assert "reads single frames" in line(caught)
    assert "train it again" in line(caught)


def test_a_model_says_how_many_neighbours_it_reads(tmp_path: Path) -> None:
    """A `reel` network reads two frames before and after; a network of another family reads none."""
    path = tmp_path / "other.safetensors"
    save_file({"body.weight": np.zeros((2, 2), np.float32)}, str(path))
    assert REEL_S.halo_frames == 2
    assert resolve_model(str(path)).halo_frames == 0


def test_a_reel_network_of_the_user_is_loaded_by_its_path(tmp_path: Path) -> None:
    """A safetensors file with the metadata of the `reel` family is used like a packaged one, with its own digest."""
    network, path = WindowNetwork(channels=4, layers=3), tmp_path / "tiny.safetensors"
    tensors = {name: np.zeros(shape, np.float32) for name, shape in network.shapes().items()}
    save_file(tensors, str(path), networks_to_metadata({"": network}))
    model = resolve_model(str(path))
    assert (model.name, model.networks, model.card) == ("tiny", {"": network}, "")
    assert model.sha256[:12] in engine_identity("openvino", model)


def test_an_unknown_engine_lists_the_known_ones() -> None:
    """An unknown engine name is refused with the known names."""
    with pytest.raises(ModelError, match="known: auto, openvino, torch"):
        create_engine("onnx", REEL_S)


def test_openvino_refuses_a_network_of_another_family(tmp_path: Path) -> None:
    """The error for a network outside the `reel` family names `--engine torch` as the remedy."""
    path = tmp_path / "other.safetensors"
    save_file({"body.weight": np.zeros((2, 2), np.float32)}, str(path))
    with pytest.raises(ModelError, match="--engine torch"):
        create_engine("openvino", resolve_model(str(path)))


def test_choosing_an_engine_loads_no_runtime() -> None:
    """Importing the engine factory and the models loads no runtime, so that other processes stay small."""
    code = (
        "import sys, reelwright.restoration.engine_factory, reelwright.restoration.models\n"
        "print([name for name in ('torch', 'openvino', 'cv2', 'safetensors', 'spandrel') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
