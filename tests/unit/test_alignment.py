"""Neighbours of a frame warped onto it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from reelwright.restoration.alignment import AlignedWindow, align
from reelwright.restoration.optical_flow import Codes, half_flow
from reelwright.restoration.window_network import MIDDLE
from tests.support.windows import codes, decibels, grainy, panned


def gated_mean(aligned: AlignedWindow) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """The frames' mean, each neighbour weighted by its agreement."""
    rows, columns = aligned.frames.shape[1:]
    weights = [cv2.resize(m.astype(np.float32) / 255, (columns, rows)) for m in aligned.agreement]
    weights.insert(MIDDLE, np.ones((rows, columns), np.float32))
    stack = np.stack(weights)
    return np.asarray((stack * aligned.frames).sum(axis=0) / stack.sum(axis=0), np.float32)


@pytest.mark.parametrize("pan", [(3.0, 0.0), (-2.6, 1.4), (0.3, -0.7)])
def test_flow_finds_a_known_pan(pan: tuple[float, float]) -> None:
    """The displacement of a panned texture is right to a quarter of a pixel."""
    window = codes(panned(pan))
    half = [cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for frame in window[2:4]]
    found = 2 * half_flow(np.asarray(half[0], np.uint8), np.asarray(half[1], np.uint8))
    inside = found[8:-8, 8:-8].reshape(-1, 2)
    assert np.allclose(np.median(inside, axis=0), pan, atol=0.25)


@pytest.mark.parametrize("pan", [(4.0, 1.0), (-2.5, 2.5)])
def test_aligned_neighbours_average_the_grain_away(pan: tuple[float, float]) -> None:
    """The gated mean of a grainy pan is at least 4 dB nearer to the truth than its middle frame."""
    truth = panned(pan)
    window = codes(grainy(truth, 8))
    aligned = align(window)
    noisy = decibels(window[MIDDLE], truth[MIDDLE])
    assert decibels(window.mean(axis=0), truth[MIDDLE]) < noisy
    assert decibels(gated_mean(aligned), truth[MIDDLE]) > noisy + 4


def test_the_middle_frame_is_untouched() -> None:
    """Alignment moves the neighbours alone."""
    window = codes(grainy(panned((2, 1)), 5))
    assert np.array_equal(align(window).frames[MIDDLE], window[MIDDLE])


def in_new_thread(window: Codes) -> AlignedWindow:
    """The window aligned by a thread that has aligned nothing before."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(align, window).result()


def assert_same(found: AlignedWindow, expected: AlignedWindow) -> None:
    """Two aligned windows are the same bytes."""
    assert np.array_equal(found.frames, expected.frames)
    assert np.array_equal(found.agreement, expected.agreement)


@pytest.mark.parametrize("rows", [32, 48, 64, 66, 90])
def test_a_window_is_aligned_the_same_after_a_small_one(rows: int) -> None:
    """A thread that has aligned small windows gives the same bytes as one that has aligned none."""
    window, small = codes(grainy(panned((3, -2)), 8)), codes(grainy(panned((1, 1), rows, rows), 8))
    first = align(small)
    assert_same(align(window), in_new_thread(window))
    assert_same(align(small), first)
    assert_same(first, in_new_thread(small))


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_a_window_is_aligned_the_same_by_any_number_of_threads(threads: int) -> None:
    """The bytes depend neither on the number of OpenCV threads nor on other threads that are busy in OpenCV."""
    window, other = codes(grainy(panned((3, -2)), 8)), codes(grainy(panned((-4, 1), 320, 240), 8))
    expected = in_new_thread(window)
    done, before = threading.Event(), cv2.getNumThreads()

    def keep_busy() -> None:
        while not done.is_set():
            align(other)

    with ThreadPoolExecutor(2) as pool:
        busy = [pool.submit(keep_busy) for _ in range(2)]
        cv2.setNumThreads(threads)
        try:
            for _ in range(10):
                assert_same(align(window), expected)
        finally:
            done.set()
            cv2.setNumThreads(before)
        for each in busy:
            each.result()


def test_a_stand_in_agrees_everywhere() -> None:
    """Where a shot ends, copies of the middle frame stay as they are."""
    window = codes(grainy(panned((3, 0)), 8))
    window[3] = window[4] = window[2]
    aligned = align(window)
    assert np.array_equal(aligned.frames[4], window[2])
    assert aligned.agreement[2:].min() == 255


def test_the_last_frame_of_a_shot_stands_in_for_the_one_beyond() -> None:
    """It is aligned as the neighbour that it is."""
    window = codes(grainy(panned((3, 0)), 8))
    window[4] = window[3]
    aligned = align(window)
    assert np.array_equal(aligned.frames[4], aligned.frames[3])
    assert np.array_equal(aligned.agreement[3], aligned.agreement[2])
    assert np.array_equal(aligned.flows[3], aligned.flows[2])


@pytest.mark.parametrize("pan", [(6.0, -3.0), (-1.7, 0.6)])
def test_the_frame_after_next_is_aligned_as_well_as_the_next(pan: tuple[float, float]) -> None:
    """Its flow, put together from two, is right to a quarter of a pixel."""
    flows = align(codes(grainy(panned(pan), 4))).flows
    for slot, distance in enumerate((-2, -1, 1, 2)):
        inside = 2 * flows[slot][10:-10, 10:-10].reshape(-1, 2)
        assert np.allclose(np.median(inside, axis=0), np.multiply(distance, pan), atol=0.25)


def test_agreement_falls_where_an_object_covers_the_scene() -> None:
    """A neighbour agrees with nothing that it does not show."""
    window = codes(panned((1, 0)))
    window[3, 60:90, 80:110] = 255
    agreement = align(window).agreement[2]
    assert agreement[33:42, 43:52].max() < 64
    assert np.median(agreement) > 200
