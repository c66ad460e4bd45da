"""Which networks there are, and which files are refused."""

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
from reelwright.restoration.models import list_models, resolve_model
from reelwright.restoration.network import Network
from reelwright.titles.errors import ModelError

REEL_S = resolve_model("reel-s")


def line(caught: pytest.ExceptionInfo[ModelError]) -> str:
    """The message, which must be one line."""
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_the_packaged_network_is_described_apart_from_its_runtime() -> None:
    """Name, file, digest, shape and card are known without loading it."""
    assert "reel-s" in [model.name for model in list_models()]
    assert len(REEL_S.sha256) == 64
    assert REEL_S.network is not None
    assert REEL_S.network.halo == REEL_S.network.layers * REEL_S.network.unshuffle
    assert "PSNR" in REEL_S.card


def test_an_unknown_model_names_the_nearest() -> None:
    """A typing error is answered with what was meant."""
    with pytest.raises(ModelError) as caught:
        resolve_model("real-s")
    assert "did you mean 'reel-s'?" in line(caught)


def test_a_missing_file_is_not_taken_for_a_name() -> None:
    """What looks like a path is answered as one."""
    with pytest.raises(ModelError) as caught:
        resolve_model("models/mine.safetensors")
    assert "no such model file" in line(caught)


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


@pytest.mark.parametrize(
    ("suffix", "spoil"),
    [
        (".safetensors", _text),
        (".pth", _pickle),
        (".safetensors", _empty),
        (".safetensors", _truncated),
        (".safetensors", _cut_in_the_header),
        (".safetensors", _endless_header),
    ],
)
def test_a_file_that_is_no_network_is_refused_in_one_line(
    suffix: str, spoil: Callable[[Path], None], tmp_path: Path
) -> None:
    """Text, pickles, empty and cut files are answered with what to do, and nothing of them is run."""
    path = tmp_path / f"mine{suffix}"
    spoil(path)
    with pytest.raises(ModelError) as caught:
        resolve_model(str(path))
    assert "not a safetensors file" in line(caught)
    assert "convert it" in line(caught)


@pytest.mark.parametrize(
    "network",
    [
        "{}",
        "[]",
        "nonsense",
        json.dumps({"channels": 64, "layers": 10**9, "unshuffle": 2, "scale": 2}),
        json.dumps({"channels": 32, "layers": 10, "unshuffle": 2, "scale": 2}),
        json.dumps({"channels": "64", "layers": 10, "unshuffle": 2, "scale": 2}),
        json.dumps({"channels": 64, "layers": 10, "unshuffle": 2, "scale": 0}),
    ],
)
def test_a_network_that_its_tensors_do_not_make_is_refused(network: str, tmp_path: Path) -> None:
    """A file of the family must hold exactly what it says, or it is refused before any runtime sees it."""
    path = tmp_path / "mine.safetensors"
    save_file(load_file(str(REEL_S.path)), str(path), {"architecture": "reel-1", "network": network})
    with pytest.raises(ModelError) as caught:
        resolve_model(str(path))
    assert "its tensors are not those of the reel network" in line(caught)


def test_ones_own_network_of_the_family_is_taken_by_its_path(tmp_path: Path) -> None:
    """A safetensors file with the family's metadata is used like a packaged one, under its own digest."""
    network, path = Network(4, 3, 2, 2), tmp_path / "tiny.safetensors"
    tensors = {name: np.zeros(shape, np.float32) for name, shape in network.shapes().items()}
    save_file(tensors, str(path), network.to_metadata())
    model = resolve_model(str(path))
    assert (model.name, model.network, model.card) == ("tiny", network, "")
    assert model.sha256[:12] in engine_identity("openvino", model)


def test_an_unknown_engine_names_the_known() -> None:
    """An engine's name is checked before anything is loaded."""
    with pytest.raises(ModelError, match="known: auto, openvino, torch"):
        create_engine("onnx", REEL_S)


def test_a_network_of_another_family_is_not_for_openvino(tmp_path: Path) -> None:
    """What only spandrel can describe is sent to the torch engine, by a remedy that says so."""
    path = tmp_path / "other.safetensors"
    save_file({"body.weight": np.zeros((2, 2), np.float32)}, str(path))
    with pytest.raises(ModelError, match="--engine torch"):
        create_engine("openvino", resolve_model(str(path)))


def test_choosing_an_engine_loads_no_runtime() -> None:
    """The decoder's and the dispatcher's processes may import the engines' module and stay small."""
    code = (
        "import sys, reelwright.restoration.engine_factory, reelwright.restoration.models\n"
        "print([name for name in ('torch', 'openvino', 'cv2', 'safetensors', 'spandrel') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
