"""A restored frame is averaged with its restored neighbours along the motion, where they agree and grain is."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from reelwright.media.picture import Picture
from reelwright.restoration.engine import Engine
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.frame_windows import FrameWindows
from reelwright.restoration.models import resolve_model
from reelwright.restoration.restore import Restorer
from reelwright.restoration.temporal_filter import Neighbour, neighbour_weight, temporal_filter
from reelwright.restoration.window_network import NetworkInput
from reelwright.titles.errors import ModelError
from reelwright.titles.recipe import Recipe
from tests.support.grainy_films import aged_frames
from tests.support.scenes import scene
from training.export import read_all, write
from training.quality.measures import flicker

REEL_S = resolve_model("reel-s")
SHOTS = [True, False, False, False, False, False, True, True, False, False, False]


@pytest.fixture(scope="module")
def engine() -> Engine:
    """The default network."""
    return create_engine("openvino", REEL_S, threads=1, precision="fp32")


def still(rows: int, columns: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A flow without motion and full agreement, at half of the size."""
    return np.zeros((rows // 2, columns // 2, 2), np.float32), np.full((rows // 2, columns // 2), 255, np.uint8)


def noise(seed: int, rows: int = 360, columns: int = 64) -> NDArray[np.float32]:
    """White noise with a standard deviation of 0.1."""
    return np.random.default_rng(seed).normal(0.5, 0.1, (rows, columns)).astype(np.float32)


def test_errors_that_change_become_weaker() -> None:
    """Of errors that have nothing to do with each other the mean of three frames keeps 0.61: (1 + 2 / 4)^0.5 / 2."""
    flow, agreement = still(180, 32)
    neighbours = [Neighbour(noise(seed), flow, agreement) for seed in (1, 2)]
    found = temporal_filter(noise(0), neighbours, 2, neighbour_weight(8))
    assert found.std() == pytest.approx(0.1 * 1.5**0.5 / 2, rel=0.02)


def test_what_moved_is_followed() -> None:
    """A neighbour that is the frame moved by whole pixels changes nothing away from the border."""
    frame = np.asarray(cv2.GaussianBlur(noise(0), (0, 0), 1.5), np.float32)
    flow, agreement = still(180, 32)
    # Right and down in pixels of half of the source's size: a quarter of those of the result.
    flow += np.array([1.5, -1.0], np.float32)
    moved = np.roll(frame, (-4, 6), axis=(0, 1))
    found = temporal_filter(frame, [Neighbour(moved, flow, agreement)], 2, 0.5)
    assert np.abs(found - frame)[8:-8, 8:-8].max() < 1e-5


def test_where_neighbours_show_something_else_nothing_changes() -> None:
    """Agreement of at most half leaves a frame as it is, to the bit."""
    flow, agreement = still(180, 32)
    agreement[:45] = 128
    found = temporal_filter(noise(0), [Neighbour(noise(1), flow, agreement)], 2, 0.5)
    assert np.array_equal(found[:170], noise(0)[:170])
    assert not np.array_equal(found[190:], noise(0)[190:])


def test_a_large_picture_has_no_seams() -> None:
    """A picture that is filtered in many parts comes out as if flow and agreement had been enlarged whole."""
    rng = np.random.default_rng(3)
    flow = np.asarray(cv2.GaussianBlur(rng.normal(0, 3, (90, 16, 2)).astype(np.float32), (0, 0), 2), np.float32)
    agreement = rng.integers(0, 256, (90, 16), np.uint8)
    full = cv2.resize(flow, (64, 360), interpolation=cv2.INTER_LINEAR) * 4
    across, down = (
        full[..., 0] + np.arange(64, dtype=np.float32),
        full[..., 1] + np.arange(360, dtype=np.float32)[:, None],
    )
    moved = cv2.remap(noise(1), across, down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    share = (np.maximum(agreement, 128) - 128).astype(np.float32) * np.float32(0.5 / 127)
    share = cv2.resize(share, (64, 360), interpolation=cv2.INTER_LINEAR)
    wanted = (noise(0) + share * moved) / (1 + share)
    found = temporal_filter(noise(0), [Neighbour(noise(1), flow, agreement)], 2, 0.5)
    # OpenCV rounds places to 1/32 pixel, so a place may fall to either side.
    assert np.percentile(np.abs(found - wanted), 99) < 1e-5
    assert np.abs(found - wanted).max() < 0.02


@pytest.mark.parametrize(("grain", "weight"), [(0, 0), (0.5, 0), (2.25, 0.25), (4, 0.5), (30, 0.5)])
def test_film_without_grain_is_left(grain: float, weight: float) -> None:
    """The weight of neighbours grows with the grain."""
    assert neighbour_weight(grain) == pytest.approx(weight)


def grainy(number: int) -> Picture:
    """A frame of a moving scene with grain of eight levels."""
    clean = scene(number, "gray", 64, 50).planes[0]
    grain = np.random.default_rng(number).normal(0, 8, clean.shape)
    return Picture("gray", 64, 50, (np.clip(np.rint(clean + grain), 0, 255).astype(np.uint8),))


def restored(engine: Engine, first: int, end: int, *, filtered: bool = True) -> list[str]:
    """Digests of frames of three shots, restored as one batch with its halo frames."""
    shots = np.cumsum(SHOTS)
    before = [i for i in range(max(0, first - 3), first) if shots[i] == shots[first]]
    after = [i for i in range(end, min(len(SHOTS), end + 3)) if shots[i] == shots[end - 1]]
    pictures = [grainy(i) for i in (*before, *range(first, end), *after)]
    windows = FrameWindows(pictures, len(before), SHOTS[first:end], near=filtered)
    restorer = Restorer(engine, 2, 0.4, detail=0.5, filtered=filtered)
    return [
        restorer.restore(grainy(i), "gray", window=windows.window(i - first)).picture.digest()
        for i in range(first, end)
    ]


@given(st.sets(st.integers(1, len(SHOTS) - 1)))
@settings(max_examples=6, deadline=None)
def test_the_borders_of_batches_change_nothing(engine: Engine, borders: set[int]) -> None:
    """However shots are divided into batches with three halo frames, each frame is the same."""
    parts = pairwise([0, *sorted(borders), len(SHOTS)])
    found = [digest for first, end in parts for digest in restored(engine, first, end)]
    assert found == restored(engine, 0, len(SHOTS))


def test_nothing_is_averaged_over_a_cut(engine: Engine) -> None:
    """A shot of one frame is the same with and without the filter; frames of longer shots are not."""
    pairs = zip(restored(engine, 0, len(SHOTS)), restored(engine, 0, len(SHOTS), filtered=False), strict=True)
    alike = [found == wanted for found, wanted in pairs]
    assert alike == [index == SHOTS.index(True, 1) for index in range(len(SHOTS))]


class Counting:
    """An engine that counts the frames that it enlarges."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self.frames = engine, 0
        self.identity, self.scales, self.halo_frames = engine.identity, engine.scales, engine.halo_frames

    def upscale(self, luma: NDArray[np.float32], window: NetworkInput | None, scale: int) -> NDArray[np.float32]:
        self.frames += 1
        return self._engine.upscale(luma, window, scale)


def test_each_frame_goes_through_the_network_once(engine: Engine) -> None:
    """A batch with neighbours on both sides takes two runs of the network more than it has frames."""
    counting = Counting(engine)
    pictures = [grainy(number) for number in range(12)]
    windows = FrameWindows(pictures, 3, [False] * 6, near=True)
    restorer = Restorer(counting, 2, 0.4, filtered=True)
    for number in range(6):
        restorer.restore(pictures[3 + number], "gray", window=windows.window(number))
    assert counting.frames == 6 + 2


def test_old_film_flickers_less(engine: Engine) -> None:
    """Of a real film, aged, the result changes less along the motion, and keeps most of its fine detail."""
    frames = list(aged_frames("chaplin", "print-1940", 40, 5))
    pictures = [frame.picture for frame in frames]
    lumas = {}
    for filtered in (False, True):
        windows = FrameWindows(pictures, 0, [True] + [False] * 4, near=filtered)
        restorer = Restorer(engine, 2, 0.0, filtered=filtered)
        lumas[filtered] = np.stack([restorer.clean_luma(windows.window(number)) for number in range(1, 4)])
    before, after = (flicker(lumas[filtered], lumas[False]) for filtered in (False, True))
    assert after < 0.9 * before
    energies = [float(np.square(cv2.Laplacian(each[1], cv2.CV_32F)).mean()) for each in lumas.values()]
    assert energies[1] > 0.8 * energies[0]


def test_a_recipe_or_the_models_file_asks_for_it() -> None:
    """One more halo frame travels where results are averaged; the recipe decides, or else the file for its scale."""
    recipes = [Recipe(scale=scale, temporal_filter=said) for scale in (2, 3, 4) for said in (None, "on", "off")]
    # Three times is what the network by two makes, made larger.
    for scales, frames in (((), [2, 2, 2]), ((4,), [2, 2, 3]), ((2,), [3, 3, 2]), ((2, 4), [3, 3, 3])):
        model = replace(REEL_S, temporal_filter=scales)
        assert [model.halo_frames_of(recipe) for recipe in recipes] == [n for by in frames for n in (by, 3, 2)]
    single = replace(REEL_S, networks={}, scales=(), temporal_filter=())
    assert {single.halo_frames_of(recipe) for recipe in recipes} == {0}


def test_a_file_names_its_scales(tmp_path: Path) -> None:
    """What the export writes is read; a scale that the file has no network for is refused."""
    source, target = read_all(REEL_S.path), tmp_path / "mine.safetensors"
    write(target, *source.values(), filtered=(2, 4))
    assert resolve_model(str(target)).temporal_filter == (2, 4)
    write(target, source[2], filtered=(2, 4))
    with pytest.raises(ModelError, match="tensors"):
        resolve_model(str(target))
