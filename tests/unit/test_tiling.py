"""Windows over a frame."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from reelwright.restoration.tiling import run_tiled, spans

Luma = NDArray[np.float32]


@given(
    length=st.integers(1, 2000).map(lambda n: 2 * n),
    halo=st.integers(1, 20).map(lambda n: 2 * n),
    room=st.integers(1, 100).map(lambda n: 2 * n),
)
def test_windows_give_every_sample_once_with_all_that_it_needs(length: int, halo: int, room: int) -> None:
    """Spans of one size, on multiples, join without gap or overlap and hold the halo of what they give."""
    largest = 2 * halo + room
    found = spans(length, largest, halo, 2)
    assert [span.first for span in found] == [0, *(span.last for span in found[:-1])]
    assert found[-1].last == length
    assert len({span.size for span in found}) == 1
    for span in found:
        assert span.first < span.last
        assert span.start % 2 == span.size % 2 == 0
        assert span.size <= largest
        assert 0 <= span.start <= max(0, span.first - halo if span.first else 0)
        assert span.start + span.size >= min(length, span.last + halo)


@pytest.mark.parametrize("size", [(61, 90), (200, 33), (150, 151), (1, 1), (7, 300)])
def test_a_tiled_frame_is_the_untiled_one(size: tuple[int, int]) -> None:
    """With a network that reaches exactly its halo, no window shows in any sample."""
    luma = np.random.default_rng(1).random(size, np.float32)
    tiled = run_tiled(luma, far_looking, 2, 12, 2, largest=(50, 60))
    assert tiled.shape == (size[0] * 2, size[1] * 2)
    assert np.array_equal(tiled, run_tiled(luma, far_looking, 2, 12, 2, largest=(4000, 4000)))


def test_a_halo_too_small_would_show() -> None:
    """The check above can fail: with half the halo the windows are visible."""
    luma = np.random.default_rng(1).random((150, 151), np.float32)
    tiled = run_tiled(luma, far_looking, 2, 6, 2, largest=(50, 60))
    assert not np.array_equal(tiled, run_tiled(luma, far_looking, 2, 6, 2, largest=(4000, 4000)))


def far_looking(window: Luma) -> Luma:
    """Adds to each sample those 12 away, as an integer so that no order of summation matters."""
    codes = np.rint(window * 1000)
    padded = np.pad(codes, 12)
    rows, columns = codes.shape
    reach = padded[:rows, 12:-12] + padded[24:, 12:-12] + padded[12:-12, :columns] + padded[12:-12, 24:]
    total = np.asarray(codes + 3 * reach, np.float32)
    return np.asarray(cv2.resize(total, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST), np.float32)
