"""Light and contrast are corrected where they flicker, and in films without flicker they stay exactly as they are."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.decoder.path_flicker import Flicker, contrast_flicker, light_flicker
from reelwright.media.flicker_evidence import evidence
from reelwright.media.picture import eight_bits
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.titles.recipe import Recipe
from tests.support.aged_scenes import Codes, Numbers, corrected_level, corrections, shot
from tests.support.films import REAL, real_film

DEFLICKER = Recipe(deflicker="on")
FRAMES = 72
# Thousandths of a level, as in the look-ahead.
LEAST, LEVEL = 200, 100_000


def moving_pictures(name: str) -> tuple[Codes, tuple[int, ...]]:
    """Luma of a second of a real film, every second sample, and where its shots begin."""
    frames = list(islice(FrameReader(probe(str(real_film(name))), DEFLICKER), 24))
    luma = [eight_bits(each.picture.planes[0][::2, ::2], each.picture.format.depth) for each in frames]
    return np.stack(luma), tuple(index for index, each in enumerate(frames) if each.record.shot_start)


def changed(found: Numbers, reference: Numbers) -> float:
    """Root mean square of what the light's ratio to a reference changes from frame to frame."""
    return float(np.sqrt(np.square(np.diff(np.log(found / reference))).mean()))


@pytest.mark.parametrize("name", REAL)
def test_moving_pictures_without_flicker_are_not_corrected(name: str) -> None:
    """A real film keeps the light and the contrast of each frame exactly."""
    frames, cuts = moving_pictures(name)
    assert {(each.gain, each.offset) for each in corrections(frames, cuts, DEFLICKER)} == {(1.0, 0.0)}


@pytest.mark.parametrize("seed", [7, 8, 9])
def test_flicker_of_moving_pictures_goes(seed: int) -> None:
    """Of 3 % in a second of a real film less than a fifth is left from frame to frame."""
    frames, cuts = moving_pictures("bikes")
    light = 1 + 0.03 * np.random.default_rng(seed).standard_normal((len(frames), 1, 1))
    aged = np.clip(np.rint(frames * light), 0, 255).astype(np.uint8)
    means, reference = aged.mean(axis=(1, 2)), frames.mean(axis=(1, 2))
    evened = corrected_level(aged, corrections(aged, cuts, DEFLICKER))
    assert changed(evened, reference) < changed(means, reference) / 5


@pytest.mark.parametrize("pan", [1.5, 6.0, -4.0])
@pytest.mark.parametrize("grain", [0, 5])
def test_a_moving_camera_is_no_flicker(pan: float, grain: int) -> None:
    """A pan, even or back and forth, has exactly no correction."""
    for way in (np.clip(pan * (np.arange(FRAMES) - 16), -90, 90), 15 * pan * np.sin(np.arange(FRAMES) / 6)):
        found = corrections(shot(FRAMES, pan=way, grain=grain).frames, recipe=DEFLICKER)
        assert {(each.gain, each.offset) for each in found} == {(1.0, 0.0)}


def test_slow_flicker_beside_the_quick_goes_too() -> None:
    """Of a print's light, which is unsteady from frame to frame and over eight frames, less than an eighth is left."""
    rng = np.random.default_rng(8)
    slow = np.convolve(rng.standard_normal(FRAMES + 7), np.ones(8) / np.sqrt(8), "valid")
    light = 1 + 0.02 * (rng.standard_normal(FRAMES) + slow)
    aged = shot(FRAMES, light=light, grain=4).frames
    before, after = aged.mean(axis=(1, 2)), corrected_level(aged, corrections(aged, recipe=DEFLICKER))
    assert after.std() < before.std() / 8


@pytest.mark.parametrize("steps", [2, 3])
@pytest.mark.parametrize("trend", [False, True])
def test_animation_whose_drawings_last_has_no_evidence(steps: int, trend: bool) -> None:
    """Changes in every second or third frame alone are no flicker."""
    changes = np.where(np.arange(60) % steps == 0, 500, 0)
    assert evidence(changes, 1000, trend=trend).flicker == 0


def test_a_fade_hides_no_flicker() -> None:
    """Flicker beside and in a fade is found, and the fade alone has none."""
    fade = 1000 * np.clip(np.arange(100) - 40, 0, 24).astype(np.int64)
    flicker = np.rint(1000 * np.random.default_rng(5).standard_normal(100)).astype(np.int64)
    assert light_flicker(fade, (0, 40), LEAST, LEVEL).share == 0
    assert light_flicker(fade + flicker, (0, 40), LEAST, LEVEL).share > 0.9


@pytest.mark.parametrize(
    ("times", "least", "most"), [(0.5, 1, 1), (1.0, 1, 1), (1.35, 0.2, 0.8), (1.6, 0, 0), (5.0, 0, 0)]
)
def test_contrast_that_flickers_more_than_light_is_motion(times: float, least: float, most: float) -> None:
    """A gain changes both alike: contrast counts up to 1.2 times the light's flicker, and not from 1.5 times on."""
    flicker = np.rint(2000 * np.random.default_rng(5).standard_normal(100)).astype(np.int64)
    light = light_flicker(flicker, (0, 99), LEAST, LEVEL)
    light = light._replace(variance=light.variance / LEVEL**2)
    contrast = np.rint(times * flicker).astype(np.int64)
    share = contrast_flicker(contrast, (0, 99), LEAST, LEVEL, light=light)
    assert least <= share / light.share <= most


@given(st.lists(st.integers(-50_000, 50_000), min_size=1, max_size=193), st.floats(0, 1), st.data())
def test_a_share_is_a_share(path: list[int], light: float, data: st.DataObject) -> None:
    """Whatever the path, shares are within 0 and 1, and 0 for fewer than eight frames."""
    first = data.draw(st.integers(0, len(path) - 1))
    span = first, data.draw(st.integers(first, len(path) - 1))
    shares = (
        light_flicker(np.array(path, np.int64), span, LEAST, LEVEL).share,
        contrast_flicker(np.array(path, np.int64), span, LEAST, 100_000, light=Flicker(light, light)),
    )
    assert all(0 <= share <= 1 for share in shares)
    assert len(path) >= 8 or not any(shares)
