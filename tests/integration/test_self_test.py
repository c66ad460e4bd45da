"""The self-test of a worker finds an engine whose pictures are wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright.cli.main import run
from reelwright.restoration import openvino_engine
from reelwright.restoration.engine import Precision
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.models import ModelFile, list_models, resolve_model
from reelwright.restoration.self_test import check_engine
from reelwright.restoration.window_network import NetworkInput
from reelwright.titles.errors import DefectiveWorker
from tests.support.films import small_film

Luma = NDArray[np.float32]
REEL_S = resolve_model("reel-s")


class Broken:
    """An engine that does something else.

    Args:
        enlarge: what it does.
    """

    identity, halo_frames = "broken-1", 0
    scales: tuple[int, ...] = (2,)

    def __init__(self, enlarge: Callable[[Luma], Luma]) -> None:
        self._enlarge = enlarge

    def upscale(self, luma: Luma, window: NetworkInput | None, scale: int) -> Luma:
        assert window is not None
        assert scale == 2
        return self._enlarge(luma)


def enlarged(luma: Luma) -> Luma:
    """An enlargement without the network."""
    return np.asarray(cv2.resize(luma, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.float32)


def fail(_: Luma) -> Luma:
    """What an engine without memory does."""
    raise RuntimeError("out of memory")


def test_restore_with_a_broken_engine_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`restore` on a machine whose engine breaks ends with exit code 1 and one line, and does not wait for another."""
    monkeypatch.setattr(openvino_engine.OpenVinoEngine, "upscale", lambda _, luma, *_rest: fail(luma))
    assert run(["restore", str(small_film(24)), "-o", str(tmp_path / "out.mp4")]) == 1
    assert "self-test failed: RuntimeError: out of memory" in capsys.readouterr().err


@pytest.mark.parametrize("model", list_models(), ids=lambda model: str(model.name))
@pytest.mark.parametrize(("name", "precision"), [("openvino", "fp32"), ("torch", "fp32"), ("torch", "bf16")])
def test_every_sound_engine_passes(name: str, precision: Precision, model: ModelFile) -> None:
    """The packaged networks pass with each engine and precision."""
    if name == "torch":
        pytest.importorskip("torch")
    check_engine(create_engine(name, model, precision=precision), model)


@pytest.mark.parametrize(
    ("upscale", "words"),
    [
        (fail, "out of memory"),
        (enlarged, "differs by 0.1"),
        (lambda luma: enlarged(luma) * 0, "differs"),
        (lambda luma: enlarged(luma) * np.float32("nan"), "differs by nan"),
        (lambda luma: luma, "differs by nan"),
    ],
)
def test_a_broken_engine_is_found(upscale: Callable[[Luma], Luma], words: str) -> None:
    """An engine that fails, leaves the network out, or returns zeros, NaN or another size is defective."""
    with pytest.raises(DefectiveWorker, match=f"broken-1: self-test failed: .*{words}"):
        check_engine(Broken(upscale), REEL_S)


def test_a_model_without_a_known_result_is_checked_roughly(tmp_path: Path) -> None:
    """For a user's model the mean brightness decides."""
    model = ModelFile("mine", tmp_path / "mine.safetensors", "00" * 32, {}, (), 0.0)
    check_engine(Broken(enlarged), model)
    for wrong in (lambda luma: enlarged(luma) * 0, lambda luma: enlarged(luma) * np.float32("nan")):
        with pytest.raises(DefectiveWorker, match="mean"):
            check_engine(Broken(wrong), model)
