"""Pairs of windows: their motion, the flicker between them, and trainings that learn from them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from reelwright.restoration.window_network import MIDDLE, WindowNetwork
from tests.support.windows import codes, texture
from training.batches import draw_pairs
from training.damage import Kind
from training.dataset import Photograph
from training.losses import flickers
from training.pairs import make_pairs
from training.sample_files import SampleFiles, pair_type
from training.samples import make
from training.train import train
from training.trainer import Plan


@pytest.fixture(scope="module")
def photos() -> list[Photograph]:
    """Two pictures that are large enough."""
    return [codes(texture(420, 500, seed)) for seed in (0, 1)]


@pytest.fixture
def folder(photos: list[Photograph], tmp_path: Path) -> Path:
    """A folder with the samples of two clips and the pairs of two others."""
    (tmp_path / "0.samples").write_bytes(b"".join(make(photos, 3, n).tobytes() for n in range(2)))
    (tmp_path / "0.pairs").write_bytes(b"".join(make_pairs(photos, 4, n).tobytes() for n in range(2)))
    return tmp_path


def test_the_motion_leads_from_one_truth_to_the_next(photos: list[Photograph]) -> None:
    """At half of the pixels at least, what a truth shows is in the next where the motion says, not where it lies."""
    moving = 0
    for pair in np.concatenate([make_pairs(photos, 3, n, kinds={Kind.FILM}, soft=0) for n in range(8)]):
        first, second = pair["windows"]["truth"]
        motion = pair["motion"].astype(np.float32)
        across, down = (motion[..., axis] + place for axis, place in enumerate(np.meshgrid(*[np.arange(128.0)] * 2)))
        inside = (across > 2) & (across < 125) & (down > 2) & (down < 125)
        moved = cv2.remap(second, across.astype(np.float32), down.astype(np.float32), cv2.INTER_CUBIC)
        off, lying = (float(np.median(cv2.absdiff(found, first)[inside])) for found in (moved, second))
        moving += lying > 8
        assert off <= max(2, lying / 4)
    assert moving >= 4


def test_both_windows_are_those_of_their_frame(photos: list[Photograph]) -> None:
    """The later window shows, one place earlier, the frames that the first one shows, but for what is aligned."""
    for number in range(4):
        pair = make_pairs(photos, 3, number, kinds={Kind.CLEAN_AREA}, soft=0)[0]
        if np.abs(pair["motion"]).max() < 0.1:
            first, later = pair["windows"]["frames"]
            assert np.abs(first[MIDDLE + 1].astype(int) - later[MIDDLE]).mean() < 2


def test_an_error_that_moves_with_the_picture_is_no_flicker() -> None:
    """An error that follows the motion counts nothing, one that stays in its place while the picture moves counts."""
    truth = torch.from_numpy(texture(96, 96, 1) / np.float32(255))[None, None]
    error = torch.from_numpy(texture(96, 96, 2) / np.float32(2550))[None, None]
    motion = torch.zeros(1, 96, 96, 2)
    motion[..., 0] = 3
    later, moved = (field.roll(3, dims=3) for field in (truth, error))
    assert float(flickers((truth + error, later + moved), (truth, later), motion, 2)) < 1e-9
    assert float(flickers((truth + error, later + error), (truth, later), motion, 2)) > 1e-5


def test_what_is_covered_does_not_count_as_flicker() -> None:
    """Where the truths disagree along the motion, errors may change."""
    truth, other = (torch.from_numpy(texture(96, 96, seed) / np.float32(255))[None, None] for seed in (1, 2))
    error = torch.full_like(truth, 0.1)
    still = torch.zeros(1, 96, 96, 2)
    whole = float(flickers((truth + error, truth - error), (truth, truth), still, 2))
    half = torch.cat([truth[..., :48], other[..., 48:]], dim=3)
    changing = torch.cat([error[..., :48], -error[..., 48:]], dim=3)
    assert whole == pytest.approx(0.04)
    assert float(flickers((truth + error, half + changing), (truth, half), still, 2)) < whole / 10


def test_a_batch_of_pairs_is_a_function_of_its_number(folder: Path) -> None:
    """The same pairs, seed and number give the same windows and motion; half as many pairs as windows."""
    files = SampleFiles(folder, pairs=True)
    one, same, other = (draw_pairs(files, 4, 1, number) for number in (7, 7, 8))
    assert len(files) == 8
    assert one.windows.frames.shape[0] == 4
    assert one.motion.shape == (2, 128, 128, 2)
    assert all(np.array_equal(a, b) for a, b in zip(one.windows.arrays, same.windows.arrays, strict=True))
    assert np.array_equal(one.motion, same.motion)
    assert not np.array_equal(one.windows.frames, other.windows.frames)


def test_pairs_are_learnt_from_in_a_training_that_stops_and_goes_on(folder: Path) -> None:
    """Six steps at once and three and three give the same weights, other ones than with another weight of flicker."""
    network = WindowNetwork(channels=8, layers=3)
    learn = partial(train, samples=folder, network=network, threads=1, precision="fp32")
    plans = [Plan(6, batch=2, warm_up=2, squared=1.0, steady=steady) for steady in (1.0, 0.0)]
    learn(folder / "whole.pt", plan=plans[0])
    learn(folder / "parts.pt", plan=plans[0], stopped=lambda step: step >= 3)
    learn(folder / "parts.pt", plan=plans[0])
    learn(folder / "other.pt", plan=plans[1])
    whole, parts, other = (
        torch.load(folder / name, weights_only=True)["net"] for name in ("whole.pt", "parts.pt", "other.pt")
    )
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert not torch.equal(whole["conv1.weight"], other["conv1.weight"])


def test_pairs_are_made_for_networks_of_other_scales(photos: list[Photograph]) -> None:
    """Pairs of scale 4 have truths and motion of four times the size of their windows."""
    pairs = make_pairs(photos, 3, 0, scale=4)
    assert pairs.dtype == pair_type(4)
    assert pairs["windows"]["truth"].shape == (4, 2, 256, 256)
    assert pairs["motion"].shape == (4, 256, 256, 2)
