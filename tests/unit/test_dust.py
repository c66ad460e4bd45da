"""Specks of one frame, on scenes whose motion is known."""

from __future__ import annotations

import cv2
import numpy as np

from reelwright.restoration.alignment import align
from reelwright.restoration.dust import CERTAIN_DUST, Dust, find_dust
from reelwright.restoration.measurement import GrainMeasurement
from reelwright.restoration.optical_flow import flow_luma
from reelwright.restoration.realignment import REACH, realign
from reelwright.restoration.specks import RankedFrames, find_specks
from reelwright.restoration.window_network import MIDDLE
from tests.support.windows import Codes, codes, decibels, grainy, panned

_SPECK = np.s_[70:96, 80:104]


def dust_of(window: Codes, grain: float = 0.0) -> Dust:
    """What is found in a window whose grain is known and white."""
    smooth = GrainMeasurement(grain, 0.0).smooth
    return find_dust(window, align(window), [flow_luma(frame) for frame in window], smooth)


def speckled(seed: int = 0) -> tuple[Codes, Codes]:
    """A moving scene with a large black speck on its middle frame, and its clean middle frame."""
    window = codes(panned((5.0, -2.0), seed=seed))
    clean = window[MIDDLE].copy()
    window[MIDDLE][_SPECK] = 5
    return window, clean


def test_neighbours_are_aligned_again_by_the_motion_beside_a_speck() -> None:
    """Beneath a speck that pulled the flow the neighbours then show the scene 6 dB closer; elsewhere they stay."""
    before = after = 0.0
    for seed in range(4):
        window, clean = speckled(seed)
        aligned, mask = align(window), np.zeros_like(clean)
        mask[_SPECK] = 255
        frames = realign(window, aligned, mask)
        away = cv2.dilate(mask, np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)) == 0
        assert np.array_equal(frames[:, away], aligned.frames[:, away])
        assert np.array_equal(frames[MIDDLE], window[MIDDLE])
        neighbours = [index for index in range(5) if index != MIDDLE]
        before += float(np.mean([decibels(aligned.frames[i][_SPECK], clean[_SPECK], rim=1) for i in neighbours])) / 4
        after += float(np.mean([decibels(frames[i][_SPECK], clean[_SPECK], rim=1) for i in neighbours])) / 4
    assert after > before + 6


def test_without_specks_nothing_is_aligned_again() -> None:
    """The aligned frames are returned as they are."""
    window = codes(panned((2.0, 1.0)))
    aligned = align(window)
    assert np.array_equal(realign(window, aligned, np.zeros_like(window[0])), aligned.frames)


def test_a_pixel_stands_out_from_three_of_four_neighbours() -> None:
    """The spike is measured from the second of the neighbours in the order of their values, so one may be dusty too."""
    frames = np.stack([np.full((32, 32), value, np.uint8) for value in (100, 104, 150, 103, 149)])
    ranked = RankedFrames.of(frames)
    assert (ranked.spike() == 150 - 104).all()
    assert (ranked.apart() == 104 - 100).all()
    assert np.isin(ranked.scene(), (103, 104)).all()


def test_specks_are_connected_places_that_pass_the_threshold() -> None:
    """A place whose greatest value is under the threshold is none; a speck keeps its weaker rim and its own means."""
    spike = np.zeros((32, 40), np.uint8)
    spike[4:8, 4:8], spike[5, 5] = 12, 30
    spike[20:22, 20:30] = 12
    specks = find_specks(spike, 20.0)
    assert len(specks.boxes) == 1
    assert np.count_nonzero(specks.mask()) == 16
    assert specks.top() == [30]
    assert specks.height() == [(15 * 12 + 30) / 16]
    field = np.full((32, 40), 7, np.uint8)
    field[4:8, 4:8] = 9
    assert (specks.means(field)[0], specks.means_around(field)[0]) == (9, 7)
    assert specks.only(np.array([False])).pixels.size == 0


def test_a_speck_is_found_although_a_neighbour_has_one_there_too() -> None:
    """On moving film with grain nine tenths of a speck are certain dust, and away from both specks nothing is."""
    film = grainy(panned((5.0, -2.0)), 3)
    film[MIDDLE][_SPECK], film[MIDDLE + 1][72:90, 84:100] = 5, 250
    found = dust_of(codes(film), 3).map >= CERTAIN_DUST
    assert found[_SPECK].mean() > 0.9
    found[66:100, 76:108] = False
    assert not found.any()


def test_a_thing_that_jumps_across_a_still_scene_is_no_dust() -> None:
    """A disc that moves by more than its width from frame to frame stands out in each of them, and stays."""
    film = panned((0, 0))
    for index, frame in enumerate(film):
        cv2.circle(frame, (26 + 34 * index, 80), 12, (235.0,), -1)
    assert not dust_of(codes(film)).map.any()


def test_at_the_end_of_a_shot_nothing_is_dust() -> None:
    """Where copies of the frame stand in for both neighbours of one side, a speck stays."""
    window, _ = speckled()
    window[MIDDLE + 1 :] = window[MIDDLE]
    assert not dust_of(window).map.any()


def test_what_two_neighbours_have_outside_of_the_picture_is_no_dust() -> None:
    """A speck of a plain scene is dust while three neighbours show its place, and stays where only two of them do."""
    window = np.full((5, 96, 128), 120, np.uint8)
    window[MIDDLE][40:48, 6:14] = 20
    small = [flow_luma(frame) for frame in window]
    found = []
    for outside in (1, 2):
        aligned = align(window)
        # Half-size pixels to the left: the border of the picture stands in for what lies beyond it.
        aligned.flows[:outside, ..., 0] = -20
        found.append(find_dust(window, aligned, small, GrainMeasurement(0.0, 0.0).smooth).map)
    assert found[0][40:48, 6:14].mean() > 200
    assert not found[1].any()
