"""The decoder's look-ahead steadies what the film does, and leaves what scene and camera do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import pytest

from reelwright.decoder.look_ahead import look_ahead
from reelwright.media.frame_record import DecodedFrame
from reelwright.titles.recipe import Recipe
from tests.support.aged_scenes import (
    COLUMNS,
    ROWS,
    Codes,
    Numbers,
    corrected_level,
    corrections,
    decoded,
    moves,
    shot,
)

FRAMES = 72
PAN = np.clip((np.arange(FRAMES) - 16) * 1.5, 0, 60)
FADE = np.clip((np.arange(FRAMES) - 16) / 24, 0, 1)


def assert_untouched(frames: Codes, least_move: float = 0.02, cuts: tuple[int, ...] = (0,)) -> None:
    """The corrections of frames are nearly none: light within 1 %, place within `least_move` pixels."""
    found = corrections(frames, cuts)
    assert len(found) == len(frames)
    before = frames.reshape(len(frames), -1).mean(axis=1)
    assert np.abs(corrected_level(frames, found) - before).max() <= max(1.0, 0.01 * before.max())
    assert np.abs(moves(found)).max() <= least_move


def test_flicker_goes_and_the_shots_light_stays() -> None:
    """Flicker of 4 % is a tenth afterwards, and the mean of the shot moves by less than half a per cent."""
    aged = shot(FRAMES, flicker=0.04, grain=4)
    before, after = aged.frames.mean(axis=(1, 2)), corrected_level(aged.frames, corrections(aged.frames))
    assert after.std() < before.std() / 10
    assert abs(after.mean() / before.mean() - 1) < 0.005


def test_weave_goes() -> None:
    """A still scene that weaves by half a pixel stands still to a tenth of a pixel."""
    aged = shot(FRAMES, weave=0.5, grain=4)
    left = aged.weave + moves(corrections(aged.frames))
    assert left.std(axis=0).max() < aged.weave.std(axis=0).min() / 5


@pytest.mark.parametrize(
    "light",
    [
        FADE,
        [0.5] * 30 + [1.0] * 42,
        [1.0, 1.0, 0.4] * 24,
        [0.6] * 30 + [1.2, 1.4, 1.2, 1.0, 0.8] + [0.6] * 37,
        [0.6] * 30 + [1.5] + [0.6] * 41,
    ],
    ids=["fade", "lights on", "strobe", "explosion", "flash of one frame"],
)
def test_light_that_is_the_scenes_own_is_kept(light: Sequence[float] | Numbers) -> None:
    """Fades, switched lights, stroboscopes and explosions stay as they are."""
    assert_untouched(shot(FRAMES, light=light).frames, 0.1)


def test_a_pan_is_kept() -> None:
    """A pan of 60 pixels stays within 2 % of its length."""
    assert_untouched(shot(FRAMES, pan=PAN).frames, 0.02 * 60)


def test_a_pan_and_a_fade_keep_their_course_in_unsteady_film() -> None:
    """Where weave and flicker are removed, the pan stays within 2 % of its length and the fade within 3 % of white."""
    aged = shot(FRAMES, pan=PAN, light=FADE, weave=0.4, flicker=0.02, grain=3)
    found = corrections(aged.frames)
    lit = FADE > 0.2
    steadied = (aged.camera + aged.weave + moves(found))[lit]
    assert np.abs(steadied - steadied.mean(axis=0) - aged.camera[lit] + aged.camera[lit].mean(axis=0)).max() < 1.2
    level = corrected_level(aged.frames, found)
    assert np.abs(level - aged.light * level[FADE == 1].mean()).max() < 0.03 * 255


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((30, ROWS, COLUMNS), np.uint8),
        np.full((30, ROWS, COLUMNS), 255, np.uint8),
        np.zeros((1, ROWS, COLUMNS), np.uint8),
        shot(1).frames,
        np.zeros((12, 2, 2), np.uint8),
        np.random.default_rng(1).integers(0, 256, (20, 40, 70), np.uint8),
    ],
    ids=["black", "white", "one black frame", "one frame", "tiny", "noise"],
)
def test_pictures_without_a_scene_are_left_alone(frames: Codes) -> None:
    """Black, white, noise, tiny pictures and shots of one frame have corrections that change nothing."""
    assert_untouched(frames)


def test_a_title_card_is_left_alone() -> None:
    """Fine white lines on black, still but for grain, are not moved and not dimmed."""
    card = np.zeros((40, ROWS, COLUMNS), np.float64)
    card[:, 60:64, 40:200] = card[:, 90:91, 40:200] = card[:, 50:120, 100:101] = 230
    grain = np.random.default_rng(2).normal(12, 3, card.shape)
    assert_untouched(np.clip(card + grain, 0, 255).astype(np.uint8), 0.1)


def test_a_camera_in_the_hand_is_followed() -> None:
    """A camera that wanders by many pixels keeps its course: no frame is moved by more than weave could be."""
    wander = np.cumsum(np.random.default_rng(4).normal(0, 2.5, FRAMES))
    found = moves(corrections(shot(FRAMES, pan=np.clip(wander, -90, 90)).frames))
    assert np.abs(found).max() <= 0.01 * ROWS + 0.001


def test_shots_are_steadied_by_themselves() -> None:
    """A shot's corrections are the same whatever the shots before and after it are."""
    first, second = shot(30, flicker=0.03, weave=0.3), shot(25, pan=list(range(25)), flicker=0.02)
    together = corrections(np.concatenate([first.frames, second.frames]), (0, 30))
    assert together == [*corrections(first.frames), *corrections(second.frames)]


def test_a_correction_depends_on_a_bounded_number_of_later_frames() -> None:
    """Frames are yielded while the shot goes on, and what comes much later changes none of them."""
    aged, recipe = shot(90, flicker=0.03, weave=0.3).frames, Recipe(deflicker="on")
    # Of frames so large 16 are looked ahead, and 8 for the light of parts of the picture.
    frame_bytes = (192 << 20) // 20
    stream = iter(decoded(aged))
    taken = 0

    def counted() -> Iterator[DecodedFrame]:
        nonlocal taken
        for frame in stream:
            taken += 1
            yield frame

    steadied = look_ahead(counted(), recipe, frame_bytes, full_range=True)
    first = [next(steadied).record.correction for _ in range(40)]
    assert taken <= 40 + 16 + 8 + 8
    alone = look_ahead(decoded(aged[:taken]), recipe, frame_bytes, full_range=True)
    assert first == [frame.record.correction for frame in islice(alone, 40)]


def test_each_step_corrects_its_own_damage_alone() -> None:
    """Deflicker moves nothing, stabilise lights nothing, and without both the frames have no correction."""
    aged = shot(40, flicker=0.03, weave=0.4).frames
    lit, still = corrections(aged, recipe=Recipe(deflicker="on")), corrections(aged, recipe=Recipe(stabilise="on"))
    assert not moves(lit).any()
    assert {each.gain for each in lit} != {1.0}
    assert {(each.gain, each.offset) for each in still} == {(1.0, 0.0)}
    assert moves(still).any()
    assert corrections(aged, recipe=Recipe()) == []
