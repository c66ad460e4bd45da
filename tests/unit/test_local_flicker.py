"""Flicker of parts of the picture goes; what scene and camera do stays, and without such flicker nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright.decoder.local_flicker import correction, local_flicker
from reelwright.decoder.look_ahead import look_ahead
from reelwright.media.frame_correction import FrameCorrection
from reelwright.titles.recipe import Recipe
from tests.support.aged_scenes import (
    COLUMNS,
    Codes,
    Numbers,
    Shot,
    corrections,
    decoded,
    evened,
    local_light,
    shot,
    uneven_light,
    unsteady,
)

FRAMES = 72
DEFLICKER = Recipe(deflicker="on")
PAN = np.clip((np.arange(FRAMES) - 16) * 1.5, 0, 60)
HAND = np.clip(np.cumsum(np.random.default_rng(4).normal(0, 2.5, FRAMES)), -90, 90)
FADE = np.clip((np.arange(FRAMES) - 16) / 24, 0.1, 1)


def grainy(light: Codes | Numbers, deviation: float = 5.0, seed: int = 2) -> Codes:
    """Levels with grain."""
    grain = deviation * np.random.default_rng(seed).standard_normal(light.shape)
    return np.clip(np.rint(light + grain), 0, 255).astype(np.uint8)


def found_in(frames: Codes, cuts: tuple[int, ...] = (0,)) -> list[FrameCorrection]:
    """The corrections with deflicker alone."""
    return corrections(frames, cuts, DEFLICKER)


@pytest.mark.parametrize("pan", [[], PAN, HAND], ids=["still", "pan", "hand"])
@pytest.mark.parametrize("flicker", [0.0, 0.03], ids=["parts", "parts and whole"])
def test_flicker_of_parts_goes(pan: Sequence[float], flicker: float) -> None:
    """Of 3 % less than 1.2 % are left, mostly slow: from frame to frame the light changes by a fifth of what it did."""
    scene = shot(FRAMES, pan=pan, flicker=flicker).frames
    aged, reference = grainy(scene * uneven_light(FRAMES, 0.03)), grainy(scene)
    found = found_in(aged)
    before = unsteady(local_light(aged, reference))
    after = unsteady(local_light(evened(aged, found), reference))
    assert before[0] > 0.028
    assert after[0] < 0.012
    assert after[1] < before[1] / 5
    assert not any(each.local_offset for each in found)


@pytest.mark.parametrize("pan", [[], PAN, HAND], ids=["still", "pan", "hand"])
@pytest.mark.parametrize("flicker", [0.0, 0.03], ids=["parts", "parts and whole"])
def test_light_that_is_added_to_parts_goes(pan: Sequence[float], flicker: float) -> None:
    """Of a veil of 3 levels a fourth is left from frame to frame, and its luma was added to."""
    scene = shot(FRAMES, pan=pan, flicker=flicker).frames
    aged, reference = grainy(scene + 100 * (uneven_light(FRAMES, 0.03) - 1)), grainy(scene)
    found = found_in(aged)
    before = unsteady(local_light(aged, reference))
    after = unsteady(local_light(evened(aged, found), reference))
    assert after[1] < before[1] / 4
    assert all(each.local_offset and not any(each.local) for each in found)


@pytest.mark.parametrize("pan", [[], HAND], ids=["still", "hand"])
def test_light_that_is_added_to_the_whole_is_left_to_its_step(pan: Sequence[float]) -> None:
    """No part is corrected, though a gain would have to differ with the scene's light."""
    levels = 3 * np.random.default_rng(5).standard_normal((FRAMES, 1, 1))
    found = found_in(grainy(shot(FRAMES, pan=pan).frames + levels))
    assert {(each.local, each.local_offset) for each in found} == {((0.0,) * 5, ())}


@pytest.mark.parametrize(
    "scene",
    [
        shot(FRAMES, grain=5),
        shot(FRAMES, flicker=0.03, weave=0.4, grain=5),
        shot(FRAMES, pan=PAN, grain=5),
        shot(FRAMES, pan=HAND, flicker=0.02, grain=3),
        shot(FRAMES, light=FADE),
        shot(FRAMES, light=[0.5] * 30 + [1.0] * 42),
        shot(FRAMES, light=[1.0, 1.0, 0.4] * 24),
        shot(FRAMES, light=[0.6] * 30 + [1.2, 1.4, 1.2, 1.0, 0.8] + [0.6] * 37),
        shot(FRAMES, light=[0.6] * 30 + [1.5] + [0.6] * 41),
    ],
    ids=["grain", "flicker of the whole", "pan", "hand", "fade", "lights on", "strobe", "explosion", "flash"],
)
def test_without_flicker_of_parts_nothing_is_corrected(scene: Shot) -> None:
    """All terms are exactly 0, so that the codes are those of the whole picture's correction alone."""
    assert {(each.local, each.local_offset) for each in found_in(scene.frames)} == {((0.0,) * 5, ())}


def test_in_the_dark_grain_is_hardly_taken_for_flicker() -> None:
    """Where a grainy scene fades in from a tenth of its light, no part is changed by 0.5 %, or by half a level."""
    found = found_in(shot(FRAMES, light=FADE, flicker=0.02, grain=3).frames)
    assert max(np.hypot.reduce(each.local) for each in found) < 0.005
    assert max(255 * np.hypot.reduce([0.0, *each.local_offset]) for each in found) < 0.5


def lamp(count: int, share: float) -> Numbers:
    """Factors of the light, by which a lamp is switched on halfway at the right side."""
    switched = (np.arange(count) >= count // 2)[:, None, None]
    return np.asarray(1 + share * switched * np.clip(np.linspace(-1, 1, COLUMNS) + 0.5, 0, 1))


def right_to_left(frames: Codes | Numbers) -> Numbers:
    """How many times the light of its left quarter the right quarter of each frame has."""
    right, left = frames[:, :, COLUMNS * 3 // 4 :], frames[:, :, : COLUMNS // 4]
    return np.asarray(right.mean(axis=(1, 2)) / left.mean(axis=(1, 2)))


@pytest.mark.parametrize("flicker", [0.0, 0.03], ids=["steady", "flickering"])
def test_a_lamp_that_is_switched_on_at_one_side_is_kept(flicker: float) -> None:
    """The light on that side is as far above the other as in the scene, also in the frames beside the switch."""
    scene = shot(FRAMES).frames * 0.7 * lamp(FRAMES, 0.4)
    aged = grainy(scene * uneven_light(FRAMES, flicker))
    found = found_in(aged)
    true, before, after = (right_to_left(frames) for frames in (scene, aged, evened(aged, found)))
    half = FRAMES // 2
    assert true[half] / true[half - 1] > 1.3
    assert np.abs(after / true - 1)[half - 3 : half + 3].max() < 0.07
    if flicker:
        # The mean of a half is no flicker.
        left = [np.std((ratios / true).reshape(2, half), axis=1) for ratios in (before, after)]
        assert (left[1] < left[0] * 2 / 3).all()
    else:
        assert {(each.local, each.local_offset) for each in found} == {((0.0,) * 5, ())}


@pytest.mark.parametrize("added", [False, True], ids=["gains", "offsets"])
def test_terms_depend_on_a_bounded_number_of_later_frames(added: bool) -> None:
    """Of large frames 8 are read ahead, and what comes later changes nothing."""
    still, light = shot(60).frames, uneven_light(60, 0.03)
    # From the middle on light is multiplied or added to the other way.
    other = np.arange(60)[:, None, None] >= 34
    aged = grainy(np.where(other == added, still * light, still + 100 * (light - 1)))
    # Eight of these frames are more than may be held.
    whole = list(islice(local_flicker(decoded(aged), 64 << 20, black=0), 30))
    cut = list(islice(local_flicker(decoded(aged[:38]), 64 << 20, black=0), 30))
    assert [(each.gains, each.offsets) for each in whole] == [(each.gains, each.offsets) for each in cut]
    assert any(any(each.offsets if added else each.gains) for each in whole)


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 1000), st.integers(8, 30), st.booleans())
def test_a_reading_that_begins_at_a_shot_finds_the_same(seed: int, first: int, added: bool) -> None:
    """The terms of a shot are the same whatever was read before it."""
    before = grainy(shot(first).frames * uneven_light(first, 0.02, seed), seed=seed)
    scene, light = shot(24, pan=list(range(24))).frames, uneven_light(24, 0.03, seed + 1)
    after = grainy(scene + 100 * (light - 1) if added else scene * light, seed=seed)
    together = found_in(np.concatenate([before, after]), (0, first))
    assert together == [*found_in(before), *found_in(after)]
    assert any(any(each.local_offset if added else each.local) for each in together[first:])


changes_of_a_path = st.lists(st.integers(-200_000, 200_000), min_size=7, max_size=73)


@given(changes_of_a_path, st.data())
def test_a_correction_is_no_larger_than_the_path_around_it(changes: list[int], data: st.DataObject) -> None:
    """It leads to a mean of the path, and is 15 % at most."""
    at = data.draw(st.integers(0, len(changes)))
    path = np.concatenate([[0], np.cumsum(changes)])
    found = 1_000_000 * correction(np.array(changes, np.int64), at, 0.0)
    assert abs(found) <= 150_000
    assert path.min() - path[at] - 10 <= found <= path.max() - path[at] + 10


@given(st.lists(st.integers(0, 200_000), min_size=7, max_size=73), st.sampled_from([1, -1]), st.data())
def test_light_that_changes_one_way_is_never_corrected(changes: list[int], sign: int, data: st.DataObject) -> None:
    """A path that only rises or only falls has no flicker, however uneven it is."""
    at = data.draw(st.integers(0, len(changes)))
    assert correction(sign * np.array(changes, np.int64), at, 0.0) == 0


def test_without_deflicker_no_light_is_corrected() -> None:
    """Film whose parts flicker has no terms with stabilise alone, and no correction without both steps."""
    aged = grainy(shot(30).frames * uneven_light(30, 0.03))
    still = corrections(aged, recipe=Recipe(stabilise="on"))
    assert {(each.gain, each.offset, each.local_lift, *each.local) for each in still} == {(1.0, *(0.0,) * 7)}
    assert not any(each.local_offset for each in still)
    steady = look_ahead(decoded(aged), Recipe(), aged[0].size, full_range=True)
    assert all(frame.record.correction is None for frame in steady)


@pytest.mark.parametrize("added", [False, True], ids=["gains", "offsets"])
def test_light_before_the_correction_is_that_of_the_source(added: bool) -> None:
    """The measured light is that of the source's mean: by gains the parts' mean is lifted, by offsets it is not."""
    scene, light = shot(FRAMES).frames, uneven_light(FRAMES, 0.03)
    aged = grainy(scene + 100 * (light - 1) if added else scene * light, 0)
    found = found_in(aged)
    light, means = np.array([each.light for each in found]), aged.mean(axis=(1, 2))
    assert any(each.local_lift for each in found) != added
    assert any(each.local_offset for each in found) == added
    assert np.abs(light - light.mean() - means + means.mean()).max() < 0.5
