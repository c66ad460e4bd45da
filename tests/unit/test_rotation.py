"""The decoder measures how the film turned in the gate, and the worker turns it back; what the camera turns stays."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
import pytest

from reelwright.media.frame_correction import Move
from reelwright.media.picture import Picture, pixel_format
from reelwright.media.scene_tracker import SceneTracker
from reelwright.restoration.chroma import enlarge_chroma
from reelwright.restoration.stabilise import Luma, move
from reelwright.titles.recipe import Recipe
from tests.support.aged_scenes import COLUMNS, ROWS, UPRIGHT, Codes, Numbers, corrections, moves, shot, turning, turns

FRAMES = 60
STEPS = np.clip(np.arange(FRAMES, dtype=np.float64) - 16, 0, 30)
PAN: Numbers = np.multiply(2.0, STEPS)
ROLL: Numbers = np.multiply(0.3, STEPS)


def turned(frames: Codes, cuts: tuple[int, ...] = (0,)) -> Numbers:
    """By how many degrees the frames are turned."""
    return turns(corrections(frames, cuts, UPRIGHT))


@pytest.mark.parametrize("degrees", [-0.5, 0.05, 0.2, 1.0])
@pytest.mark.parametrize("pan", [0.0, 23.4])
def test_rotation_and_shift_of_the_centre_are_measured_together(degrees: float, pan: float) -> None:
    """In grainy pictures the rotation is found within 0.025 degrees or 10 %, the shift within a tenth of a pixel."""
    frames = shot(2, pan=[0, pan], roll=[0, degrees], grain=4).frames
    before, after = (Picture("gray", COLUMNS, ROWS, (np.ascontiguousarray(each),)) for each in frames)
    tracker = SceneTracker(rotation=True)
    tracker.place(before, shot_start=True)
    found = tracker.place(after, shot_start=False)
    assert found.rotation == pytest.approx(degrees, rel=0.1, abs=0.025)
    assert (found.right, found.down) == pytest.approx((pan, 0), abs=0.1)
    assert abs(found.rotation_error) < 0.02


@pytest.mark.parametrize(("rotation", "grain"), [(0.05, 4), (0.1, 14), (0.15, 4)])
def test_rotation_goes(rotation: float, grain: float) -> None:
    """Of the rotation of a still scene that weaves as well, a fifth is left at most."""
    aged = shot(FRAMES, rotation=rotation, weave=0.4, grain=grain)
    assert (aged.rotation + turned(aged.frames)).std() < aged.rotation.std() / 5


@pytest.mark.parametrize(
    "frames",
    [
        shot(FRAMES, weave=0.4, flicker=0.02, grain=5).frames,
        shot(FRAMES, weave=0.4, grain=14, pan=PAN).frames,
        shot(FRAMES, roll=ROLL).frames,
        shot(FRAMES, roll=ROLL, weave=0.4, grain=5).frames,
        shot(1).frames,
        np.zeros((12, 2, 2), np.uint8),
        np.zeros((30, ROWS, COLUMNS), np.uint8),
        np.random.default_rng(1).integers(0, 256, (20, 40, 70), np.uint8),
    ],
    ids=["still", "pan", "roll", "roll of grainy film", "one frame", "tiny", "black", "noise"],
)
def test_what_does_not_turn_in_the_gate_is_not_turned(frames: Codes) -> None:
    """Film that only weaves, and a camera that rolls, are turned by exactly 0."""
    assert not turned(frames).any()


def test_a_roll_keeps_its_course_where_the_film_turns() -> None:
    """No frame of a roll by 9 degrees leaves its course by more than 2 % of it through the correction of the rest."""
    aged = shot(FRAMES, roll=ROLL, rotation=0.05, weave=0.4, grain=5)
    found = turned(aged.frames)
    assert found.any()
    assert np.abs(aged.rotation + found).max() < max(0.02 * 9, np.abs(aged.rotation).max())


def test_no_frame_is_turned_far() -> None:
    """What turns by more than half a degree is not the film in the gate."""
    assert 0.3 < np.abs(turned(shot(FRAMES, rotation=0.2, weave=0.4, grain=4).frames)).max() <= 0.5


def test_shots_are_turned_by_themselves() -> None:
    """A shot's corrections are the same whatever the shots before and after it are."""
    first, second = shot(40, rotation=0.1, weave=0.3), shot(36, rotation=0.2, pan=list(range(36)))
    together = turned(np.concatenate([first.frames, second.frames]), (0, 40))
    assert np.array_equal(together, np.concatenate([turned(first.frames), turned(second.frames)]))


def test_rotation_alone_moves_and_lights_nothing() -> None:
    """With `stabilise_rotation` as the only step, place and light stay; without it nothing is turned or measured."""
    aged = shot(48, rotation=0.1, weave=0.4, flicker=0.03).frames
    found = corrections(aged, recipe=Recipe(stabilise_rotation="on"))
    assert turns(found).any()
    assert not moves(found).any()
    assert {(each.gain, each.offset) for each in found} == {(1.0, 0.0)}
    assert {(each.move_rotation, each.rotation) for each in corrections(aged)} == {(0.0, 0.0)}


@pytest.mark.parametrize("by", [Move(rotation=0.05), Move(0.7, -1.2, 0.5), Move(-2.4, 4.25, -0.3)])
def test_a_picture_is_turned_clockwise_about_its_centre_and_moved(by: Move) -> None:
    """A turned wave is the wave that was drawn at the other angle, and one that is turned by nothing is only moved."""

    def wave(by: Move) -> Luma:
        rows, columns = np.indices((120, 160))
        angle = np.radians(by.rotation)
        x, y = columns - 79.5 - by.right, rows - 59.5 - by.down
        beside, below = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        return np.asarray(0.5 + 0.2 * np.sin(beside / 3) + 0.2 * np.sin(below / 4), np.float32)

    still = wave(Move())
    assert np.abs(move(still, by) - wave(by))[16:-16, 16:-16].max() < 0.005
    almost = move(still, Move(by.right, by.down, 1e-9)) - move(still, Move(by.right, by.down))
    assert np.abs(almost)[16:-16, 16:-16].max() < 1e-6


def test_what_a_turned_picture_uncovers_is_filled_with_its_rim() -> None:
    """No black border comes in: the outermost samples go on."""
    assert np.abs(move(np.full((90, 120), 0.5, np.float32), Move(3.3, -7.6, 0.5)) - 0.5).max() < 1e-6


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p10le", "yuv444p"])
def test_chroma_is_turned_with_luma(name: str) -> None:
    """Enlarged chroma is turned about the same centre by the same angle, whatever its subsampling is."""
    source = pixel_format(name)
    rows, columns = 96 >> source.chroma_height_shift, 128 >> source.chroma_width_shift
    y, x = np.indices((rows, columns))
    drawn = np.sin(x * (1 << source.chroma_width_shift) / 9) + np.sin(y * (1 << source.chroma_height_shift) / 7)
    plane = np.rint(source.neutral * (1 + 0.4 * drawn))
    codes = plane.astype(np.uint16) if source.depth > 8 else plane.astype(np.uint8)
    enlarged = partial(enlarge_chroma, codes, source=source, target=pixel_format("yuv444p"), size=(256, 192), scale=2)
    gain = 1 / (1 << (source.depth - 8))
    still, found = (enlarged(gain=gain, moved=Move(rotation=degrees)).astype(np.float32) for degrees in (0, 0.9))
    # It is 4:4:4 afterwards, so the picture's centre is the plane's.
    wanted = cv2.warpAffine(still, turning(0.9, (256, 192)), (256, 192), flags=cv2.INTER_CUBIC)
    wrong, changed = (np.abs(found - other)[12:-12, 12:-12].mean() for other in (wanted, still))
    assert wrong < changed / 4
