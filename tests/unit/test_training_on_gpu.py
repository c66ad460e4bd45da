"""Training with samples in device memory; the step that a GPU captures runs here on the CPU, uncaptured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from reelwright.restoration.window_network import WindowNetwork, networks_from_metadata
from tests.support.windows import codes, texture
from training import on_gpu
from training.damage import Kind
from training.dataset import Photograph
from training.on_gpu import Recipe, Session, train
from training.resident import ResidentSamples
from training.sample_files import sample_type
from training.samples import make

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def photos() -> list[Photograph]:
    """Two pictures that are large enough for clips of 640 pixels."""
    return [codes(texture(480, 500, seed)) for seed in (0, 1)]


def test_a_batch_holds_the_samples_of_the_files(photos: list[Photograph], tmp_path: Path) -> None:
    """Unturned, a batch is what the files hold, also of a file that grew, and no more than the capacity."""
    whole = np.concatenate([make(photos, 3, n) for n in range(2)])
    (tmp_path / "0.samples").write_bytes(whole[:3].tobytes() + b"half a sample")
    samples = ResidentSamples(tmp_path, 2, 7, CPU, shares=(0.0, 0.0, 0.0, 0.0))
    samples.refresh()
    assert samples.kinds.tolist() == whole["kind"][:3].tolist()
    (tmp_path / "0.samples").write_bytes(whole.tobytes())
    samples.refresh()
    assert samples.kinds.tolist() == whole["kind"][:7].tolist()
    drawn = samples.draw(torch.tensor([6, 0]))
    assert np.array_equal(np.rint(drawn.frames.numpy() * 255), whole["frames"][[6, 0]])
    assert np.array_equal(np.rint(drawn.truth[:, 0].numpy() * 255), whole["truth"][[6, 0]])
    assert np.array_equal(np.rint(drawn.maps[:, 1].numpy() * 255), whole["scratch"][[6, 0]])
    assert np.array_equal(drawn.figures.numpy(), whole["figures"][[6, 0]])
    assert drawn.kinds.tolist() == whole["kind"][[6, 0]].tolist()


def test_turned_samples_keep_their_truth(photos: list[Photograph], tmp_path: Path) -> None:
    """However a sample is turned, its truth made smaller is its middle frame."""
    clean = [sample for n in range(12) for sample in make(photos, 4, n) if sample["kind"] == Kind.CLEAN_AREA]
    (tmp_path / "0.samples").write_bytes(np.stack(clean).tobytes())
    samples = ResidentSamples(tmp_path, 2, 64, CPU)
    samples.refresh()
    drawn = samples.draw(torch.arange(len(clean)).repeat(8))
    small = torch.nn.functional.avg_pool2d(drawn.truth, 2)[:, 0]
    assert (drawn.frames[:, 2] - small).square().mean().sqrt() < 1.5 / 255


def test_several_networks_learn_from_samples_of_their_scale(
    photos: list[Photograph], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Networks for x2 and x4 take turns, each is written whole, and the samples are restored better than by bicubic."""
    for scale, folder in ((2, "samples"), (4, "samples-x4")):
        (tmp_path / folder).mkdir()
        made = b"".join(make(photos, 5, n, scale=scale).tobytes() for n in range(3))
        assert len(made) == 12 * sample_type(scale).itemsize
        (tmp_path / folder / "0.samples").write_bytes(made)
    recipes = {f"x{scale}": Recipe(WindowNetwork(8, 3, scale=scale), batch=4, warm_up=4) for scale in (2, 4)}
    recipes["clean"] = replace(recipes["x2"], kinds=(Kind.CLEAN_AREA, Kind.CLEAN_BICUBIC, Kind.CODEC))
    monkeypatch.setattr(on_gpu, "RECIPES", recipes)
    session = Session(list(recipes), tmp_path, 100, CPU)
    session.begin(least=12)
    train(session, minutes=0.05)
    for name, recipe in recipes.items():
        assert session.trainings[name].steps > 0
        with safe_open(tmp_path / f"{name}.safetensors", "pt") as file:
            assert networks_from_metadata(file.metadata()) == {"": recipe.network}
            assert all(torch.isfinite(file.get_tensor(key)).all() for key in recipe.network.shapes())
            assert file.get_tensor("conv2.weight").abs().max() > 0
