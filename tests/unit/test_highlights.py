"""Detail of the frames around is put back where a flare blew a frame out, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import pytest

from reelwright.media.frame_correction import FrameTone, ToneChange
from reelwright.media.picture import Picture
from reelwright.media.tone_measurement import level_range
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.frame_windows import FrameWindows
from reelwright.restoration.highlights import blown_white, put_back, recovered_detail
from reelwright.restoration.models import resolve_model
from reelwright.restoration.optical_flow import flow_luma
from reelwright.restoration.restore import Restorer
from tests.support.films import small_network
from tests.support.veiled_scenes import Codes, before_sky, flared, pulsing, with_ball

ROWS, COLUMNS, MIDDLE = 240, 320, 4
GLARE = FrameTone(highlights=0.5, veil=0.2)


def wall(count: int = 9) -> Codes:
    """A pan over a rough wall without anything white, in studio range."""
    noise = np.random.default_rng(5).standard_normal((ROWS + 20, COLUMNS + 40)).astype(np.float32)
    rough = cv2.GaussianBlur(noise, (0, 0), 1.5)
    frames = []
    for index in range(count):
        move = np.array([[1, 0, 1.5 * index - 30], [0, 1, 0.5 * index - 10]])
        frames.append(cv2.warpAffine(rough, move, (COLUMNS, ROWS), flags=cv2.INTER_CUBIC))
    return np.asarray(np.clip(np.rint(100 + 30 / rough.std() * np.stack(frames)), 20, 200), np.uint8)


def found(frames: Codes, middle: int = MIDDLE) -> np.ndarray | None:
    """What is added to a frame of a shot."""
    window = list(frames[middle - 2 : middle + 3])
    return recovered_detail(window, [flow_luma(frame) for frame in window], 235.0)


def fine(levels: np.ndarray) -> np.ndarray:
    """Detail of levels as players show them."""
    shown = np.clip(levels, 16, 235).astype(np.float32)
    return np.asarray(shown - cv2.GaussianBlur(shown, (0, 0), 4))


def test_a_flare_gets_its_detail_back() -> None:
    """Where it is put back the error of the detail falls by a twentieth, and the light stays."""
    truth = wall()
    damaged = flared(truth, speed=0.06)
    added = found(damaged)
    assert added is not None
    changed = np.abs(added) >= 1
    assert np.count_nonzero(changed) > 100
    before, after = (fine(each) - fine(truth[MIDDLE]) for each in (damaged[MIDDLE], damaged[MIDDLE] + added))
    assert np.square(after[changed]).mean() < 0.95**2 * np.square(before[changed]).mean()
    assert abs(float(added.mean())) < 0.05


@pytest.mark.parametrize(
    "damage",
    [
        lambda truth: truth,
        pulsing,
        lambda truth: np.concatenate([truth[:MIDDLE] // 2 + 8, pulsing(truth[MIDDLE:], 3.0)]),
        with_ball,
        partial(with_ball, blur=0.012),
        before_sky,
        partial(flared, speed=0.0),
        lambda truth: np.full_like(truth, 235),
        lambda truth: np.full_like(truth, 16),
    ],
    ids=["clean", "pulses", "flash", "ball", "soft ball", "sky", "standing flare", "white", "black"],
)
def test_nothing_is_put_back_elsewhere(damage: Callable[[Codes], Codes]) -> None:
    """Shots whose white belongs to the scene, or whose neighbours hold nothing, are left to the bit."""
    frames = damage(wall())
    assert all(found(frames, middle) is None for middle in range(2, len(frames) - 2))


def test_copies_of_one_neighbour_are_one_witness() -> None:
    """At the end of a shot, and where frames are doubled, a neighbour does not agree with itself."""
    damaged = flared(wall(), speed=0.06)
    assert found(damaged) is not None
    assert found(damaged[[2, 2, 2, 2, 4, 2, 2]]) is None


def test_the_place_in_a_batch_does_not_matter() -> None:
    """A frame gets the same detail whatever other frames its batch has."""
    damaged = flared(wall(12), speed=0.05)
    pictures = [Picture("gray", COLUMNS, ROWS, (np.ascontiguousarray(frame),)) for frame in damaged]
    whole = FrameWindows(pictures, 0, [True] + [False] * 11)
    part = FrameWindows(pictures[3:10], 2, [False] * 3)
    for number in range(12):
        window = whole.window(number)
        if 5 <= number < 8:
            same = part.window(number - 5)
            one, other = (recovered_detail(each.codes, each.motion.small, 235.0) for each in (window, same))
            assert one is not None
            assert other is not None
            assert np.array_equal(one, other)


def test_only_a_tone_that_takes_glare_off_puts_detail_back() -> None:
    """With open shadows alone, or where a shot has no glare, frames stay as they are."""
    levels = level_range(10, full_range=False)
    assert blown_white(FrameTone(shadows=1.5), levels) is None
    assert blown_white(GLARE, levels) == pytest.approx(255 * 940 / 1023)


def test_luma_is_at_most_white() -> None:
    """What is put back makes nothing brighter than the largest code, and codes beyond it stay."""
    luma = np.array([[0.5, 0.99, 1.2]], np.float32)
    added = np.full((2, 4), 25.5, np.float32)
    assert put_back(luma, added) == pytest.approx(np.array([[0.6, 1.0, 1.2]]))


@pytest.mark.parametrize(("rows", "columns"), [(32, 32), (34, 200), (200, 34)])
def test_small_pictures_are_looked_at(rows: int, columns: int) -> None:
    """A small picture with something white in it does not fail, and nothing is put back beyond the codes."""
    frames = np.random.default_rng(1).integers(16, 200, (5, rows, columns), np.uint8)
    frames[2, 8:24, 8:24] = 235
    added = found(frames, 2)
    assert added is None or (np.isfinite(added).all() and np.abs(added).max() <= 255)


def test_the_restored_frame_says_what_was_put_back() -> None:
    """The share of the picture is written into the frame's record, and the picture has the detail."""
    pictures = [Picture("gray", COLUMNS, ROWS, (np.ascontiguousarray(frame),)) for frame in flared(wall(), speed=0.06)]
    window = FrameWindows(pictures, MIDDLE, [False]).window(0)
    restorer = Restorer(create_engine("openvino", resolve_model(str(small_network())), precision="fp32"), 2, 0.4)
    opened = restorer.restore(pictures[MIDDLE], "gray", window=window, tone=GLARE)
    left = restorer.restore(pictures[MIDDLE], "gray", window=window, tone=FrameTone(shadows=0.5))
    assert isinstance(opened.tone_change, ToneChange)
    assert opened.tone_change.recovered > 0.001
    assert left.tone_change is not None
    assert left.tone_change.recovered == 0
