"""The training pipeline: clips, damage, samples, batches, steps."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
import torch

from reelwright.restoration.window_network import WindowNetwork
from reelwright.restoration.window_torch import WindowNet
from tests.support.windows import codes, decibels, panned, texture
from training import artefacts, trainer
from training.batches import draw_batch
from training.clips import Motion, draw_clip
from training.codecs import Codec, compress
from training.damage import Damage, Kind, apply, draw_damage, grained, shrink
from training.dataset import Photograph
from training.losses import lost_detail
from training.muon import orthonormal
from training.precision import Precision, faster_precision, residual
from training.recording import recorded
from training.sample_files import SampleFiles, sample_type
from training.samples import make
from training.train import train
from training.trainer import Plan, start


@pytest.fixture(scope="module")
def photos() -> list[Photograph]:
    """Two pictures that are large enough."""
    return [codes(texture(420, 500, seed)) for seed in (0, 1)]


@pytest.fixture
def folder(photos: list[Photograph], tmp_path: Path) -> Path:
    """A folder with the samples of three clips."""
    (tmp_path / "0.samples").write_bytes(b"".join(make(photos, 3, n).tobytes() for n in range(3)))
    return tmp_path


def test_a_sample_is_a_function_of_seed_and_number(photos: list[Photograph]) -> None:
    """The same seed and number give the same bytes, other numbers give others."""
    assert make(photos, 3, 5).tobytes() == make(photos, 3, 5).tobytes()
    assert make(photos, 3, 5).tobytes() != make(photos, 3, 6).tobytes()


def test_the_truth_lies_over_its_window(photos: list[Photograph]) -> None:
    """The truth of an undamaged sample, made smaller, is its middle frame."""
    found = [sample for n in range(12) for sample in make(photos, 4, n) if sample["kind"] == Kind.CLEAN_AREA]
    assert found
    for sample in found:
        small = shrink(sample["truth"].astype(np.float32), "area")
        assert decibels(sample["frames"][2], small) > 45


def test_a_third_of_the_clips_is_undamaged() -> None:
    """Of a thousand draws at least 330 are clean, by area and by bicubic, each a tenth at least."""
    rng = np.random.default_rng(0)
    kinds = [draw_damage(rng).kind for _ in range(1000)]
    assert kinds.count(Kind.CLEAN_AREA) + kinds.count(Kind.CLEAN_BICUBIC) > 330
    assert min(kinds.count(kind) for kind in Kind) > 100


def test_a_loss_of_detail_is_seen_whatever_its_place() -> None:
    """A blurred picture has lost detail, more of it the more it is blurred; the truth and a shifted truth have not."""
    picture = texture(96, 96, 1) / np.float32(255)
    truth = torch.from_numpy(picture)[None, None]
    lost = {
        sigma: float(lost_detail(torch.from_numpy(cv2.GaussianBlur(picture, (0, 0), sigma))[None, None], truth, 2))
        for sigma in (0.5, 1.0, 2.0)
    }
    assert lost_detail(truth, truth, 2) == 0
    assert float(lost_detail(truth.roll(1, dims=3), truth, 2)) < lost[1.0] / 2
    assert lost[0.5] < lost[1.0] < lost[2.0]


def test_motion_is_exact() -> None:
    """Two frames after the middle, a layer has moved by twice its velocity."""
    still = Motion(np.array([2.0, -1.0]), np.zeros(2), turn=0.0, zoom=1.0, shake=np.zeros((5, 2)))
    centre = np.array([250.0, 210.0])
    assert still.matrix(2, 100, centre) @ [10, 20, 1] == pytest.approx([250 + 4 - 50 + 10, 210 - 2 - 50 + 20])


def test_clips_have_the_asked_size_and_range(photos: list[Photograph]) -> None:
    """Five frames in [0, 1], most clips moving."""
    clips = [draw_clip(photos, np.random.default_rng(n), 5, 128).frames for n in range(8)]
    assert all(clip.shape == (5, 128, 128) and clip.min() >= 0 and clip.max() <= 1 for clip in clips)
    assert sum(float(np.abs(clip[4] - clip[0]).mean()) > 0.004 for clip in clips) >= 4


def test_a_part_of_the_clips_lies_between_black_bars(photos: list[Photograph]) -> None:
    """Of forty clips a few, and not most, have bars that are one dark level in every frame, with a hard edge."""
    barred = []
    for n in range(40):
        clip = draw_clip(photos, np.random.default_rng(n), 5, 128, soft=0).frames
        upright = clip if clip[:, :12].std() < 1e-6 else clip.transpose(0, 2, 1)
        if upright[:, :12].std() < 1e-6 and upright[:, -12:].std() < 1e-6 and upright[0, 0, 0] < 0.07:
            bar = next(row for row in range(128) if upright[:, row].std() > 1e-6)
            barred.append(np.abs(upright[:, bar] - upright[:, bar - 1]).mean())
    assert 2 <= len(barred) <= 20
    assert np.median(barred) > 0.1


def test_grain_has_the_asked_strength() -> None:
    """Sigma in mid-grey is that of the draw, whatever the size of the grain."""
    grey = np.full((3, 128, 128), 0.5, np.float32)
    for size in (0.3, 0.9):
        found = grained(grey, sigma=8, size=size, density=0.5, rng=np.random.default_rng(1)) - grey
        assert found.std() * 255 == pytest.approx(8, rel=0.02)


def test_bicubic_shrinking_is_that_of_image_libraries() -> None:
    """The kernel widened to twice the step equals torch's antialiased bicubic inside the rim."""
    picture = np.random.default_rng(0).random((64, 80), np.float32)
    tensor = torch.from_numpy(picture)[None, None]
    expected = torch.nn.functional.interpolate(tensor, scale_factor=0.5, mode="bicubic", antialias=True).numpy()[0, 0]
    assert np.allclose(shrink(picture, "bicubic")[4:-4, 4:-4], expected[4:-4, 4:-4], atol=1e-6)


@pytest.mark.parametrize(("codec", "good", "bad"), [("jpeg", 90, 30), ("mpeg2video", 2, 20), ("libx264", 18, 36)])
def test_codecs_lose_more_at_lower_quality(codec: Codec, good: int, bad: int) -> None:
    """Every frame comes back in order, and worse at the lower quality."""
    frames = codes(panned((3, 1), rows=96, columns=96))
    losses = [[decibels(a, b) for a, b in zip(compress(frames, codec, q), frames, strict=True)] for q in (good, bad)]
    assert min(losses[0]) > 33
    assert np.mean(losses[0]) > np.mean(losses[1]) + 2


def test_dust_lies_where_its_mask_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn artefacts, where the sprites are absent, change what they cover and nothing else."""
    drawn = artefacts.sprites(Path("absent"))
    monkeypatch.setattr(artefacts, "sprites", lambda: drawn)
    frame = np.full((120, 120), 0.5, np.float32)
    cover = artefacts.dust(frame, np.random.default_rng(3), 8)
    assert (np.abs(frame - 0.5) > 0.1).mean() > 0.002
    assert np.array_equal(frame[cover == 0], np.full((cover == 0).sum(), 0.5, np.float32))


def test_the_middle_frame_neither_flickers_nor_weaves() -> None:
    """The truth of a damaged clip stays over its middle frame."""
    clip = panned((0, 0), rows=96, columns=96) / np.float32(255)
    worn = apply(clip, Damage(Kind.FILM, flicker=0.1, weave=2.0), np.random.default_rng(0))
    clean = apply(clip, Damage(Kind.FILM), np.random.default_rng(0))
    assert np.array_equal(worn[2], clean[2])
    assert not np.array_equal(worn[1], clean[1])


def test_samples_may_grow_while_they_are_read(folder: Path) -> None:
    """Half a sample does not count; a file that is added does after a refresh."""
    files = SampleFiles(folder)
    assert len(files) == 12
    whole = (folder / "0.samples").read_bytes()
    (folder / "1.samples").write_bytes(whole[: sample_type(2).itemsize + 100])
    files.refresh()
    assert len(files) == 13
    assert files.read(np.array([0, 12]))[0].tobytes() == files.read(np.array([12]))[0].tobytes()


def test_a_training_may_read_some_kinds_of_damage_alone(photos: list[Photograph], tmp_path: Path) -> None:
    """Of the asked kinds every sample is read, in order, and of the others none."""
    made = [make(photos, 4, n) for n in range(6)]
    (tmp_path / "0.samples").write_bytes(b"".join(samples.tobytes() for samples in made[:3]))
    (tmp_path / "1.samples").write_bytes(b"".join(samples.tobytes() for samples in made[3:]))
    every = np.concatenate(made)
    assert len({int(kind) for kind in every["kind"]}) > 1
    for kinds in ({Kind.FILM}, {Kind.CLEAN_AREA, Kind.CLEAN_BICUBIC}, {Kind.CODEC}):
        wanted, files = every[np.isin(every["kind"], list(kinds))], SampleFiles(tmp_path, kinds=kinds)
        assert len(files) == len(wanted)
        assert files.read(np.arange(len(files))).tobytes() == wanted.tobytes()


def test_samples_may_be_of_some_kinds_alone(photos: list[Photograph]) -> None:
    """Clips are made of the asked kinds alone, each of them, at four times the size too."""
    kinds = {Kind.CLEAN_AREA, Kind.CODEC}
    made = np.concatenate([make(photos, 4, n, scale=4, kinds=kinds) for n in range(8)])
    assert {Kind(kind) for kind in made["kind"]} == kinds
    assert made["truth"].shape[1:] == (256, 256)


def test_undamaged_clips_are_recorded_with_their_truth(photos: list[Photograph]) -> None:
    """The truth of undamaged clips has the grain, blur and codec of a recording; their clip alone has not."""
    clip = draw_clip(photos, np.random.default_rng(3), 5, 128).frames
    changes = [np.abs(recorded(clip, np.random.default_rng(seed)) - clip).mean() for seed in range(16)]
    assert any(change == 0 for change in changes)
    assert 0.001 < np.mean(changes) < 0.03
    whole = {kind: make(photos, 4, 0, kinds={kind}, soft=0) for kind in (Kind.FILM, Kind.CLEAN_AREA)}
    # The same clip of the same seed: film keeps it as it is, as its truth.
    assert not np.array_equal(whole[Kind.FILM]["truth"], whole[Kind.CLEAN_AREA]["truth"])


def test_a_network_of_another_scale_learns_from_samples_of_its_own(photos: list[Photograph], tmp_path: Path) -> None:
    """A training of a network that enlarges by 4 reads samples that were made for it."""
    (tmp_path / "0.samples").write_bytes(make(photos, 3, 0, scale=4).tobytes())
    network = WindowNetwork(channels=8, layers=3, scale=4)
    train(tmp_path / "run.pt", tmp_path, network=network, plan=Plan(1, batch=2), threads=1)
    assert torch.load(tmp_path / "run.pt", weights_only=True)["step"] == 1


def test_a_batch_is_a_function_of_its_number(folder: Path) -> None:
    """The same samples, seed and number give the same arrays, in [0, 1]."""
    one, same, other = (draw_batch(SampleFiles(folder), 4, 1, number) for number in (7, 7, 8))
    assert all(np.array_equal(a, b) for a, b in zip(one.arrays, same.arrays, strict=True))
    assert not np.array_equal(one.frames, other.frames)
    assert all(array.min() >= 0 and array.max() <= 1 for array in (one.frames, one.maps, one.agreement, one.truth))


@pytest.mark.parametrize("precision", get_args(Precision))
def test_a_resumed_training_goes_on_as_if_it_had_never_stopped(folder: Path, precision: Precision) -> None:
    """Six steps at once and three and three give the same weights and averages, in each precision."""
    network, plan = WindowNetwork(channels=8, layers=3), Plan(6, batch=2, warm_up=2)
    learn = partial(train, samples=folder, network=network, plan=plan, threads=1, precision=precision)
    learn(folder / "whole.pt")
    learn(folder / "parts.pt", stopped=lambda step: step >= 3)
    learn(folder / "parts.pt")
    whole, parts = (torch.load(folder / name, weights_only=True) for name in ("whole.pt", "parts.pt"))
    assert whole["step"] == parts["step"] == 6
    for part in ("net", "average"):
        assert all(torch.equal(whole[part][name], parts[part][name]) for name in whole[part])
    assert float(whole["net"]["conv2.weight"].abs().max()) > 0


def test_a_resumed_training_keeps_its_precision(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The precision is measured once: the checkpoint has it, unless it is an earlier one or another is asked for."""
    chosen: list[Precision] = []

    def note(net: WindowNet, inputs: tuple[torch.Tensor, ...], precision: Precision) -> torch.Tensor:
        chosen.append(precision)
        return residual(net, inputs, precision)

    monkeypatch.setattr(trainer, "residual", note)
    network, path = WindowNetwork(channels=8, layers=3), folder / "run.pt"
    learn = partial(train, path, folder, network=network, threads=1)
    steps: tuple[tuple[int, Precision, Precision | None], ...]
    steps = ((1, "bf16", None), (2, "fp32", None), (3, "bf16", "fp32"))
    for count, measured, asked in steps:
        monkeypatch.setattr(trainer, "faster_precision", lambda *_, measured=measured: measured)
        learn(plan=Plan(count, batch=2), precision=asked)
    assert chosen == ["bf16", "bf16", "fp32"]
    state = torch.load(path, weights_only=True)
    assert state.pop("precision") == "fp32"
    torch.save(state, path)
    learn(plan=Plan(4, batch=2))
    assert chosen[-1] == "bf16"


def test_without_samples_a_training_ends_with_what_to_do(tmp_path: Path) -> None:
    """A folder without samples, or without any of the kinds to learn from, is one line that names it."""
    network = WindowNetwork(channels=8, layers=3)
    with pytest.raises(SystemExit, match=rf"^no samples to learn from in {tmp_path}: make them with"):
        train(tmp_path / "run.pt", tmp_path, network=network, plan=Plan(1), threads=1)
    assert not (tmp_path / "run.pt").exists()


def made_by_command(photos: list[Photograph], folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """`python -m training.samples` with two clips of these photographs."""
    pictures = folder.parent / "pictures"
    pictures.mkdir(exist_ok=True)
    for number, photo in enumerate(photos):
        cv2.imwrite(str(pictures / f"{number}.png"), cv2.resize(photo, None, fx=2, fy=2))
    command = [sys.executable, "-m", "training.samples", folder, "--photos", pictures, "--clips", "2", *options]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=300)


def test_samples_that_could_not_be_made_are_a_failure(photos: list[Photograph], tmp_path: Path) -> None:
    """When processes fail the command ends with 1, and its last line says how many."""
    (tmp_path / "file").touch()
    done = made_by_command(photos, tmp_path / "file", "--processes", "2")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "2 of 2 processes failed: the samples are not all there"


def test_no_clip_is_made_twice_in_a_folder(photos: list[Photograph], tmp_path: Path) -> None:
    """Another number of processes for a seed that is there is refused before any work; the same one goes on."""
    target = tmp_path / "samples"
    assert made_by_command(photos, target, "--processes", "1").returncode == 0
    refused = made_by_command(photos, target, "--processes", "2")
    assert refused.returncode == 1
    assert "go on with --processes 1, or give another --seed or folder" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert made_by_command(photos, target, "--processes", "1").returncode == 0
    assert [path.name for path in target.iterdir()] == ["11-0of1.samples"]
    assert len(SampleFiles(target)) == 8


def test_a_training_may_start_from_finished_weights(folder: Path) -> None:
    """The first checkpoint of a training from given weights holds them, until a step has moved them."""
    network = WindowNetwork(channels=8, layers=3)
    train(folder / "first.pt", folder, network=network, plan=Plan(3, batch=2, warm_up=2), threads=1)
    weights = torch.load(folder / "first.pt", weights_only=True)["average"]
    for steps in (0, 2):
        plan = Plan(steps, batch=2, warm_up=2)
        train(folder / f"{steps}.pt", folder, network=network, plan=plan, threads=1, weights=weights)
    begun, moved = (torch.load(folder / f"{steps}.pt", weights_only=True)["net"] for steps in (0, 2))
    assert all(torch.equal(begun[name], weights[name]) for name in weights)
    assert not torch.equal(moved["conv1.weight"], weights["conv1.weight"])


def test_the_precision_that_is_measured_leaves_the_network_as_it_is(folder: Path) -> None:
    """One of the two precisions is chosen, and neither the weights nor their gradients are touched."""
    net = start(WindowNet(WindowNetwork(channels=8, layers=3)))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    frames, maps, agreement, figures, _ = map(torch.from_numpy, draw_batch(SampleFiles(folder), 2, 1, 0).arrays)
    assert faster_precision(net, (frames, maps, agreement, figures)) in get_args(Precision)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_another_plan_is_refused(folder: Path) -> None:
    """A checkpoint is not continued by a plan that differs in more than its length."""
    network = WindowNetwork(channels=8, layers=3)
    train(folder / "run.pt", folder, network=network, plan=Plan(1, batch=2), threads=1)
    with pytest.raises(SystemExit, match="another network or plan"):
        train(folder / "run.pt", folder, network=network, plan=Plan(2, batch=3), threads=1)


def test_orthonormal_rows() -> None:
    """Every singular value comes out near 1, for wide and for tall matrices."""
    torch.manual_seed(0)
    for shape in ((16, 90), (90, 16)):
        values = torch.linalg.svdvals(orthonormal(torch.randn(shape)))
        assert 0.6 < float(values.min()) < float(values.max()) < 1.3
