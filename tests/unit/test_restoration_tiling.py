from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.restoration.tiling import run_tiled, spans

HALO = 4


def _local(window: np.ndarray) -> np.ndarray:
    """A stand-in with a network's geometry: it looks 4 pixels far, in folded pixels of 2, and enlarges by 2."""
    folded = window.reshape(window.shape[0] // 2, 2, window.shape[1] // 2, 2).max(axis=(1, 3))
    local = cv2.dilate(folded, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT)
    return np.repeat(np.repeat(local, 4, axis=0), 4, axis=1) + np.repeat(np.repeat(window, 2, axis=0), 2, axis=1)


@given(
    length=st.integers(1, 600).map(lambda half: 2 * half),
    largest=st.integers(40, 120).map(lambda half: 2 * half),
    halo=st.integers(0, 12).map(lambda half: 2 * half),
)
def test_windows_cover_everything_once(length: int, largest: int, halo: int) -> None:
    """Each sample is given by one window, which holds `halo` samples on each side of it or the picture's end."""
    windows = spans(length, largest, halo, 2)
    assert [w.first for w in windows] == [0, *(w.last for w in windows[:-1])]
    assert windows[-1].last == length
    for window in windows:
        assert window.start % 2 == window.size % 2 == 0
        assert window.size <= largest
        assert window.first - window.start >= min(halo, window.first)
        assert window.start + window.size - window.last >= min(halo, length - window.last)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (37, 41), (96, 128), (101, 203)])
def test_tiles_change_no_pixel(shape: tuple[int, int]) -> None:
    """A frame run in many small windows equals the frame run in one, odd sizes and tiny ones included."""
    luma = np.random.default_rng(0).random(shape, np.float32)
    whole = run_tiled(luma, _local, 2, HALO, 2)
    tiled = run_tiled(luma, _local, 2, HALO, 2, largest=(30, 38))
    assert whole.shape == (2 * shape[0], 2 * shape[1])
    assert np.array_equal(whole, tiled)


def test_all_windows_of_a_frame_have_one_shape() -> None:
    """An engine compiles its network once for a frame, however many windows the frame takes."""
    shapes = set()

    def run(window: np.ndarray) -> np.ndarray:
        shapes.add(window.shape)
        return _local(window)

    run_tiled(np.zeros((333, 777), np.float32), run, 2, HALO, 2, largest=(64, 96))
    assert len(shapes) == 1
