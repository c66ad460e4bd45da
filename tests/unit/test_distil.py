"""Samples whose truth leans towards a teacher's picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from reelwright.restoration.weight_sets import WeightSet
from reelwright.restoration.window_network import WindowNetwork
from reelwright.restoration.window_torch import WindowNet, enlarge
from tests.support.windows import codes, texture
from training.distil import Teacher, distilled, distilled_pairs
from training.pairs import make_pairs
from training.sample_files import Samples
from training.samples import make
from training.trainer import start

SMALL = WindowNetwork(channels=8, layers=3)


@pytest.fixture(scope="module")
def samples() -> Samples:
    """The samples of one clip."""
    return make([codes(texture(420, 500, seed)) for seed in (0, 1)], 3, 1)


def weights(network: WindowNetwork, *, trained: bool) -> WeightSet[torch.Tensor]:
    """Weights that training starts from, which enlarge by the bicubic filter, or others."""
    torch.manual_seed(3)
    net = WindowNet(network)
    return WeightSet(network, dict((net if trained else start(net)).state_dict()))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_truth_is_the_mean_of_truth_and_teacher(samples: Samples, share: float) -> None:
    """The teacher here is the bicubic filter; everything but the truth stays."""
    found = distilled(samples, Teacher(weights(SMALL, trained=False)), share)
    frames = torch.from_numpy(samples["frames"].astype(np.float32))
    bicubic = enlarge(frames, 2)[:, 0].clamp(0, 255).numpy()
    expected = share * bicubic + (1 - share) * samples["truth"]
    assert np.abs(found["truth"] - expected).max() <= 0.51
    for name in samples.dtype.names or ():
        if name != "truth":
            assert np.array_equal(found[name], samples[name])


def test_a_teacher_looks_at_as_many_copies_as_it_ships_with(samples: Samples) -> None:
    """With two mirrored copies its picture is the mean of those of the samples and of the turned samples."""
    turned = samples.copy()
    for name in ("frames", "agreement", "dust", "scratch"):
        turned[name] = samples[name][..., ::-1, ::-1]
    alone = Teacher(weights(SMALL, trained=True))
    both = Teacher(weights(replace(SMALL, ensemble=2), trained=True)).pictures(samples)
    copies = np.stack([alone.pictures(samples), alone.pictures(turned)[..., ::-1, ::-1]])
    inside = ((copies > 0) & (copies < 255)).all(axis=0)
    assert inside.mean() > 0.5
    assert np.abs(both - copies.mean(axis=0))[inside].max() < 0.01


def test_both_windows_of_a_pair_get_their_own_picture() -> None:
    """The truths of pairs become those of their windows alone; their motion stays."""
    pairs = make_pairs([codes(texture(420, 500, seed)) for seed in (0, 1)], 3, 1)
    teacher = Teacher(weights(SMALL, trained=False))
    found = distilled_pairs(pairs, teacher, 0.5)
    for later in range(2):
        alone = distilled(np.ascontiguousarray(pairs["windows"][:, later]), teacher, 0.5)
        assert np.array_equal(found["windows"][:, later], alone)
    assert np.array_equal(found["motion"], pairs["motion"])
