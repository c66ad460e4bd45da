"""The classifier of specks that ships, its training, and the film that it is tried on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from reelwright.restoration.dust_classifier import context, packaged, read
from reelwright.restoration.plain_specks import are_plain
from reelwright.restoration.speck_columns import ALL, CONTEXT, QUICK, ContextColumn, QuickColumn, SearchedColumn
from reelwright.restoration.speck_features import LOG_FLOOR
from reelwright.titles.errors import ModelError
from tests.support.windows import texture
from training.dust_classifier import NEVER, WEIGHTS, learn, score, shares, written
from training.flying_things import flash, fly, rustle
from training.speck_samples import Specks, from_photographs, group, read_samples, write_samples


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Several threads take longer for networks this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def photos() -> list[NDArray[np.uint8]]:
    """Two pictures that are large enough."""
    return [texture(700, 800, seed).astype(np.uint8) for seed in range(2)]


def drawn(seed: int, count: int = 400) -> Specks:
    """Specks of about 20 pixels of which the first feature says whether they are dust."""
    rng = np.random.default_rng(seed)
    features = rng.normal(0, 1, (count, len(ALL))).astype(np.float32)
    features[:, QuickColumn.LOG_AREA] = np.log(20) + rng.normal(0, 0.5, count)
    dust = np.where(features[:, QuickColumn.HEIGHT] > 0, 20.0, 0.0)
    changed = np.full(count, 20.0)
    all_dust = int(dust.sum())
    return Specks(f"drawn{seed} 0", seed % 2 == 0, features, dust, dust, changed, dust > 0, all_dust, 100_000)


def test_the_score_of_networks_does_not_depend_on_other_specks() -> None:
    """Each row alone has the bits that it has among others."""
    features = np.random.default_rng(1).normal(0, 2, (50, len(ALL)))
    for classifier, width in ((packaged().quick, len(QUICK)), (packaged().full, len(ALL))):
        together = classifier.score(features[:, :width])
        alone = [classifier.score(features[index : index + 1, :width])[0] for index in range(50)]
        assert together.shape == (50,)
        assert np.array_equal(together, alone)


def test_no_specks_have_no_scores() -> None:
    """A frame without specks is no special case."""
    assert packaged().score(np.zeros((0, len(ALL))), 1000).shape == (0,)


def test_a_speck_is_seen_beside_what_the_others_of_its_frame_are() -> None:
    """Beside three that surely are dust more dust is expected than beside three that surely are none."""
    features = np.zeros((4, len(ALL)))
    among_dust, among_none = (context(features, np.array([0.0, each, each, each]), 1000)[0] for each in (6.0, -6.0))
    own = [ContextColumn.SCORE, ContextColumn.LOG_AREA, ContextColumn.LOG_THRESHOLD]
    of_dust = [ContextColumn.OTHERS_NUMBER, ContextColumn.OTHERS_SHARE, ContextColumn.OTHERS_HIGHEST]
    assert (among_dust[own] == among_none[own]).all()
    assert (among_dust[of_dust] > among_none[of_dust]).all()


def test_what_tells_dust_is_learnt_and_kept_in_the_file() -> None:
    """Nine of ten unknown specks are told apart, and the written classifiers score as the learnt ones what both ask."""
    learnt = learn([drawn(seed) for seed in range(8)], 0, 120).classifiers
    found = learnt._replace(enough=0.0, enough_without=0.0)
    unknown = drawn(9)
    scores = score(found, unknown)
    assert ((scores > 0) == unknown.is_dust()).mean() > 0.9
    again = score(read(written(found)), unknown)
    # One at the quick classifier's threshold may be turned away by one of them alone.
    both = (scores > NEVER) & (again > NEVER)
    assert (scores[both] > 0).any()
    assert again[both] == pytest.approx(scores[both], abs=0.05)
    assert ((scores > 0) == (again > 0)).mean() > 0.99


def test_weights_for_other_features_are_refused() -> None:
    """A file whose feature is of another name, in another place, missing or added is named."""
    stored = json.loads(written(packaged()))
    for name, known in (("quick", QUICK), ("full", ALL), ("last", CONTEXT)):
        swapped = (known[1], known[0], *known[2:])
        for other, place in ((swapped, 0), (known[:-1], len(known) - 1), ((*known, "new"), len(known))):
            text = json.dumps(stored | {name: stored[name] | {"features": other}})
            with pytest.raises(
                ModelError, match=rf"dust_classifier\.json: feature {place} of its network '{name}' is "
            ):
                read(text)


def test_the_file_that_ships_is_as_its_command_writes_it() -> None:
    """Written again, the packaged classifiers have the same bytes."""
    assert written(packaged()) == WEIGHTS.read_text(encoding="utf-8")


def test_a_sample_tells_what_a_choice_of_specks_would_do() -> None:
    """Where the specks of dust alone are chosen all dust is repaired; where none is, no film without dust changes."""
    samples = [drawn(2), drawn(4)]
    assert shares(samples, [np.where(each.is_dust(), 1.0, -1.0) for each in samples])[0] == 1
    clean = [each._replace(dusty=False) for each in samples]
    assert shares(clean, [np.full(400, -1.0)] * 2)[1] == 0


def test_only_a_strong_calm_speck_is_plainly_dust() -> None:
    """A speck on a plain scene that no frame shows is; the same in front of a moving one, or a weak one, is not."""
    nothing = np.log(LOG_FLOOR)
    features = np.zeros((3, len(ALL)))
    features[:, [QuickColumn.APART_TO_HEIGHT, QuickColumn.RING_APART, SearchedColumn.BESIDE_LESSER]] = nothing
    features[:, QuickColumn.LOG_AREA], features[:, SearchedColumn.UNLIKE_LESSER] = np.log(60.0), 1.2
    features[:, QuickColumn.RING_STRAY_TO_TOP] = nothing, np.log(0.5), nothing
    features[:, QuickColumn.HEIGHT] = np.log(6.0), np.log(6.0), np.log(1.5)
    assert are_plain(features).tolist() == [True, False, False]


def test_samples_are_kept_in_a_file(tmp_path: Path) -> None:
    """What is read is what was written."""
    samples = [drawn(1, 3), drawn(2, 0), drawn(3, 5)]
    write_samples(samples, tmp_path / "specks.npz")
    for each, again in zip(samples, read_samples(tmp_path / "specks.npz"), strict=True):
        assert (each.source, each.dusty, each.all_dust, each.pixels) == (
            again.source,
            again.dusty,
            again.all_dust,
            again.pixels,
        )
        assert np.array_equal(each.features, again.features)
        assert np.array_equal(each.is_dust(), again.is_dust())


def test_samples_with_other_features_are_refused(tmp_path: Path) -> None:
    """A file that was kept before a feature came is not learnt from."""
    path = tmp_path / "specks.npz"
    write_samples([drawn(1, 3)], path)
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, **(arrays | {"columns": arrays["columns"][:-1]}))
    with pytest.raises(ValueError, match=r"specks\.npz: specks with other features"):
        read_samples(path)


def test_a_film_is_kept_together_in_a_cross_validation() -> None:
    """Two windows of a film are of one group, two far apart in a long film and those of two films are not."""
    assert group("run.mp4 3") == group("run.mp4 100")
    assert group("bbb.mp4 3") != group("bbb.mp4 9000")
    assert group("run.mp4 3") != group("test.avi 3")


def test_dust_on_clips_from_photographs_is_known(photos: list[NDArray[np.uint8]]) -> None:
    """Each clip is seen without dust and with it, and only with it specks of it are dust."""
    clean, dusty = from_photographs(photos, [3])
    assert (clean.source, clean.dusty, clean.all_dust) == (dusty.source, False, 0)
    assert dusty.dusty
    assert not clean.is_dust().any()
    assert dusty.is_dust().any()
    assert dusty.repaired.sum() <= dusty.all_dust


def test_what_is_no_dust_is_drawn_into_every_clip() -> None:
    """Things that fly by and wind change frames of a clip, a flash one of them, and all stay black to white."""
    for draw, frames in ((fly, 5), (rustle, 5), (flash, 1)):
        changed = []
        for seed in range(4):
            clip = np.stack([texture(96, 128, 1).astype(np.float32) / np.float32(255)] * 5)
            before = clip.copy()
            draw(clip, np.random.default_rng(seed))
            assert clip.min() >= 0
            assert clip.max() <= 1
            changed.append(int((clip != before).any(axis=(1, 2)).sum()))
        assert max(changed) == frames
