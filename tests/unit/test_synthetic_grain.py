"""Grain that is made anew is like the grain that was removed, and depends on source and frame alone."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright.bus.batch_limits import check_batch
from reelwright.media.frame_grain import LEVELS
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.frame_windows import FrameWindows
from reelwright.restoration.grain import GrainWanted, reduced
from reelwright.restoration.grain_model import measure_grain_model
from reelwright.restoration.models import resolve_model
from reelwright.restoration.restore import Restorer
from reelwright.restoration.synthetic_grain import added_grain, synthetic_grain, white_noise
from reelwright.titles.errors import RecipeError, UnusableMessage
from reelwright.titles.identity import grain_seed
from reelwright.titles.recipe import Recipe
from reelwright.titles.recipe_parsing import load_recipe
from reelwright.wire.frames_pb2 import FrameBatch, Payload
from tests.support.grain import band_energies
from tests.support.scenes import scene
from tests.support.windows import texture

Luma = NDArray[np.float32]

ROWS, COLUMNS = 240, 320
SEED = 7


def shades() -> Luma:
    """A picture without detail, from black to white; (ROWS, COLUMNS), in [0, 1]."""
    return np.tile(np.linspace(0.02, 0.98, COLUMNS, dtype=np.float32), (ROWS, 1))


def grain_of(size: float, level: Luma, seed: int = 1) -> Luma:
    """Grain whose strength is that of a print, most in mid-grey, and whose footprint has this size in samples."""
    noise = np.random.default_rng(seed).standard_normal(level.shape).astype(np.float32)
    if size:
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), size), np.float32)
    swing = np.sqrt(np.clip(level * (1 - level), 0, 0.25))
    return np.asarray(noise / noise.std() * np.float32(12 / 255) * swing, np.float32)


def made(grain: Luma, level: Luma, keep: float = 1.0, scale: int = 2, frame: int = 0) -> Luma:
    """What is added to an enlargement from which this grain was removed, made small again."""
    clean = np.asarray(cv2.resize(level, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.float32)
    luma = reduced(clean, level.shape) + grain
    added = added_grain(clean, luma, None, GrainWanted(keep, is_synthetic=True, seed=SEED), frame=frame)
    assert added is not None
    return reduced(added, level.shape)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [0.0, 0.5, 1.0, 1.5])
def test_grain_has_the_energy_of_the_removed_in_each_octave(size: float, scale: int) -> None:
    """Averaged over eight frames, the energy is within 10 % in each of three octaves."""
    level = shades()
    grains = [grain_of(size, level, seed) for seed in range(8)]
    found = [made(grain, level, scale=scale, frame=frame) for frame, grain in enumerate(grains)]
    wanted = np.mean([band_energies(grain) for grain in grains], axis=0)
    assert np.mean([band_energies(each) for each in found], axis=0) == pytest.approx(wanted, rel=0.1)


def test_strength_follows_the_level() -> None:
    """In each of eight parts of the picture from dark to bright the standard deviation is within 10 %."""
    level = shades()
    wanted = [np.std(part) for part in np.split(grain_of(0.5, level), 8, axis=1)]
    found = [np.std(part) for part in np.split(made(grain_of(0.5, level), level), 8, axis=1)]
    assert found == pytest.approx(wanted, rel=0.1)
    assert max(wanted) > 1.8 * min(wanted)


def test_a_share_is_a_share_of_the_strength() -> None:
    """A quarter is the same grain at a quarter of its strength, and nothing is nothing."""
    level = shades()
    grain = grain_of(0.5, level)
    assert np.abs(made(grain, level, 0.25) - 0.25 * made(grain, level)).max() < 1e-6
    assert added_grain(level, level, None, GrainWanted(0, is_synthetic=True, seed=SEED), frame=0) is None


def test_detail_is_no_grain() -> None:
    """What the network changed where the picture has detail does not make the grain stronger."""
    level = texture(ROWS, COLUMNS) / np.float32(255)
    grain = grain_of(0.5, level)
    edges = level - cv2.GaussianBlur(level, (0, 0), 1.0)
    alone, both = (measure_grain_model(removed, level).strength for removed in (grain, grain + edges))
    assert np.square(grain + edges).mean() > 1.4 * np.square(grain).mean()
    assert np.square(both[3:9]).mean() < 1.15 * np.square(alone[3:9]).mean()


def test_every_frame_has_its_own_grain() -> None:
    """Frames, and films, have grain that does not agree; the same frame of the same film has the same."""
    first, second, other = (white_noise((64, 64), *key) for key in ((SEED, 0), (SEED, 1), (SEED + 1, 0)))
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05
    assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.05
    assert np.array_equal(first, white_noise((64, 64), SEED, 0))


def test_the_numbers_are_the_same_everywhere() -> None:
    """The random numbers are known, normal but for their tails, and the seed is the source's."""
    found = white_noise((256, 256), SEED, 3)
    assert hashlib.sha256(found.tobytes()).hexdigest()[:16] == "9764ac6cf5a621a5"
    assert float(found.mean()) == pytest.approx(0, abs=0.02)
    assert float(found.std()) == pytest.approx(1, abs=0.02)
    assert float((found**4).mean()) == pytest.approx(3, abs=0.3)
    assert grain_seed("ab" * 32) == 13030438186006791306


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (17, 9), (40, 300)])
def test_pictures_of_any_size(shape: tuple[int, int]) -> None:
    """Grain is finite in a picture that is smaller than the reach of its correlation."""
    level = np.full(shape, 0.5, np.float32)
    grain = np.random.default_rng(0).standard_normal(shape).astype(np.float32) * np.float32(0.01)
    found = made(grain, level)
    assert np.isfinite(found).all()
    assert np.abs(found).max() < 0.1


def test_film_without_grain_gets_none() -> None:
    """Where nothing was removed nothing is made."""
    model = measure_grain_model(np.zeros((ROWS, COLUMNS), np.float32), shades())
    assert model.strength.tolist() == [0] * LEVELS
    assert not synthetic_grain(model, shades(), SEED, 0).any()


@pytest.mark.parametrize("batch", [1, 3, 5, 9])
def test_batches_do_not_matter(batch: int) -> None:
    """A frame comes out the same, however the frames of its shot are divided into batches."""
    engine = create_engine("openvino", resolve_model("reel-s"), threads=1, precision="fp32")
    restorer = Restorer(engine, 2, GrainWanted(0.7, is_synthetic=True, seed=SEED))
    pictures = [scene(number, "gray", 64, 48) for number in range(9)]
    whole = FrameWindows(pictures, 0, [True] + [False] * 8)
    wanted = [restorer.restore(pictures[i], "gray", window=whole.window(i), frame=i).picture.digest() for i in range(9)]
    found = []
    for first in range(0, 9, batch):
        halo, last = max(0, first - 2), min(9, first + batch)
        windows = FrameWindows(pictures[halo : last + 2], first - halo, [first + i == 0 for i in range(last - first)])
        found += [
            restorer.restore(pictures[i], "gray", window=windows.window(i - first), frame=i).picture.digest()
            for i in range(first, last)
        ]
    assert found == wanted


def test_recipes_without_the_key_are_what_they_were() -> None:
    """The key's default is not written, so runs of earlier versions keep their names; another value is."""
    assert '"mode"' not in Recipe().canonical()
    assert '"mode":"synthetic"' in load_recipe("faithful", {"grain.mode": "synthetic"}).canonical()
    with pytest.raises(RecipeError, match=r"grain\.mode"):
        load_recipe("faithful", {"grain.mode": "anew"})


def test_a_mode_that_is_not_known_is_refused() -> None:
    """A batch of a later version's mode is not restored as if it were the default."""
    batch = FrameBatch(payload=Payload(pix_fmt="gray", width=8, height=8, frames=1))
    batch.frames.add()
    batch.work.scale, batch.work.grain_mode = 2, "synthetic"
    check_batch(batch, 1 << 20)
    batch.work.grain_mode = "painted"
    with pytest.raises(UnusableMessage, match="'painted'"):
        check_batch(batch, 1 << 20)
