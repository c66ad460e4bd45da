"""Damage measured on an aligned window."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from reelwright.restoration.measurement import Measurement
from reelwright.restoration.window import prepare
from reelwright.restoration.window_network import MIDDLE
from tests.support.windows import Codes, Field, codes, grainy, panned
from training import artefacts


def measured(window: Codes) -> Measurement:
    """What is measured on a window."""
    return prepare(window).measurement


@pytest.mark.parametrize("sigma", [2.0, 5.0, 10.0])
@pytest.mark.parametrize("pan", [(0.0, 0.0), (3.3, -1.6)])
def test_grain_is_measured_whether_or_not_the_scene_moves(sigma: float, pan: tuple[float, float]) -> None:
    """Grain sigma is right to a fifth in moving film and to a twentieth in still film."""
    found = measured(codes(grainy(panned(pan), sigma, 0.5))).grain
    assert found == pytest.approx(sigma, rel=0.2 if any(pan) else 0.05)


def test_undamaged_film_has_no_grain() -> None:
    """Less than a level where there is none."""
    assert measured(codes(panned((2.4, 0.8)))).grain < 1


def test_coarse_grain_is_told_from_fine() -> None:
    """The correlation of grain between pixels grows with its size."""
    sizes = [measured(codes(grainy(panned((0, 0)), 8, size))).grain_size for size in (0.0, 0.5, 1.0)]
    assert sizes[0] < 0.05
    assert sizes[0] + 0.1 < sizes[1] < sizes[2] - 0.2


def test_blocks_of_a_codec_show() -> None:
    """Blockiness grows as JPEG gets worse, wherever the blocks lie."""
    clean = codes(panned((0, 0)))
    found = []
    for quality in (95, 40, 15):
        coded = cv2.imdecode(cv2.imencode(".jpg", clean[2], [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 0)
        found.append(measured(np.stack([np.asarray(coded, np.uint8)] * 5)[:, :, 6:-10]).blockiness)
    assert found[0] < found[1] < found[2]


def test_blur_lowers_sharpness() -> None:
    """The more fine detail is blurred, the less sharp it reads."""
    fine = grainy(panned((0, 0)), 12)[:1].repeat(5, axis=0)
    soft = [np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in fine]) for sigma in (0.3, 0.8, 1.3)]
    found = [measured(codes(np.asarray(film, np.float32))).sharpness for film in soft]
    assert found[0] - 0.08 > found[1] > found[2] + 0.08


@pytest.mark.parametrize("sigma", [0.0, 6.0])
def test_dust_of_one_frame_is_found_and_repaired(sigma: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """At least nine tenths of the damage of one-frame artefacts is gone after repair."""
    # The same artefacts on every machine, whether or not the sprites are there.
    drawn = artefacts.sprites(Path("absent"))
    monkeypatch.setattr(artefacts, "sprites", lambda: drawn)
    before = after = 0.0
    for seed in range(6):
        film = grainy(panned((2.2, -1.1), seed=seed), sigma, 0.5)
        clean, dirty = codes(film)[MIDDLE].astype(np.float32), film / 255
        artefacts.dust(dirty[MIDDLE], np.random.default_rng(seed), 5)
        window = codes(np.asarray(dirty * 255, np.float32))
        repaired = prepare(window).frames[MIDDLE]
        hit = np.abs(window[MIDDLE] - clean) > 12
        before += float(np.square(window[MIDDLE] - clean)[hit].sum())
        after += float(np.square(repaired - clean)[hit].sum())
    assert after < 0.1 * before


def moving_object(film: Field) -> Field:
    """With a bright disc that crosses the scene at six pixels a frame."""
    crossed = film.copy()
    for index, frame in enumerate(crossed):
        cv2.circle(frame, (60 + 6 * index, 80), 14, (235.0,), -1)
    return crossed


@pytest.mark.parametrize("sigma", [0.0, 8.0])
def test_clean_moving_scenes_are_left_alone(sigma: float) -> None:
    """Without dust, at most one pixel in a thousand changes by more than four levels."""
    changed = []
    for seed in range(6):
        window = codes(grainy(moving_object(panned((3.1, 1.2), seed=seed)), sigma, 0.5))
        repaired = prepare(window).frames[MIDDLE]
        changed.append((np.abs(repaired.astype(np.int16) - window[MIDDLE]) > 4).mean())
    assert np.mean(changed) <= 0.001


def test_a_lasting_scratch_stands_out_of_the_map() -> None:
    """A thin line that stays while the scene moves is the brightest column of the map."""
    film = grainy(panned((3.0, 0.5)), 3)
    film[:, :, 100] += 25
    found = measured(codes(film)).scratch.astype(np.float32).mean(axis=0)
    assert int(found.argmax()) == 100
    assert found[100] > 128 + 3 * np.abs(np.delete(found, range(94, 107)) - 128).max()
