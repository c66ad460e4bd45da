"""A frame that is processed in tiles equals a frame processed at once."""

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
    extra=st.integers(-10, 100).map(lambda n: 2 * n),
)
def test_tiles_supply_every_sample_once_and_contain_its_halo(length: int, halo: int, extra: int) -> None:
    """Tiles have one size and aligned starts, supply each sample once, and read the halo around what they supply."""
    found = spans(length, max(2, 2 * halo + extra), halo, 2)
    # Where the largest tile would supply nothing, tiles supply as little as they can.
    largest = 2 * halo + max(2, extra)
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
def test_a_tiled_frame_equals_the_untiled_frame(size: tuple[int, int]) -> None:
    """With a network that reads exactly its halo, tiles change no sample."""
    luma = np.random.default_rng(1).random(size, np.float32)
    tiled = run_tiled([luma[None]], sum_at_distance_12, scale=2, halo=12, multiple=2, largest=(50, 60))
    assert tiled.shape == (size[0] * 2, size[1] * 2)
    assert np.array_equal(
        tiled, run_tiled([luma[None]], sum_at_distance_12, scale=2, halo=12, multiple=2, largest=(4000, 4000))
    )


@pytest.mark.parametrize("columns", [[0], [150], [639], [100, 101, 102, 500], range(640)])
def test_wanted_columns_are_those_of_the_whole_frame(columns: list[int]) -> None:
    """Columns that are wanted are exactly those of the whole result, and tiles without any are not computed."""
    luma = np.random.default_rng(1).random((50, 640), np.float32)
    wanted = np.zeros(640, np.bool_)
    wanted[list(columns)] = True
    computed = []

    def counted(tile: list[NDArray[np.generic]]) -> Luma:
        computed.append(tile[0].shape[2])
        return sum_at_distance_12(tile)

    few = run_tiled([luma[None]], counted, scale=2, halo=12, multiple=2, wanted=wanted)
    whole = run_tiled([luma[None]], sum_at_distance_12, scale=2, halo=12, multiple=2)
    assert np.array_equal(few[:, wanted.repeat(2)], whole[:, wanted.repeat(2)])
    assert len(computed) <= min(2 * len(columns), 7)
    assert max(computed) <= 128


def test_few_columns_are_computed_with_a_halo_of_any_size() -> None:
    """A network that reads further than the usual tile for few columns has a wider tile."""
    luma, wanted = np.ones((8, 900), np.float32), np.arange(900) == 400

    def same(tile: list[NDArray[np.generic]]) -> Luma:
        assert tile[0].shape[2] <= 4 * 80
        return np.asarray(tile[0][0], np.float32)

    assert run_tiled([luma[None]], same, scale=1, halo=80, multiple=2, wanted=wanted)[:, 400].all()


def test_a_halo_that_is_too_small_changes_samples() -> None:
    """With half the needed halo the tiled frame differs, so the test above can fail."""
    luma = np.random.default_rng(1).random((150, 151), np.float32)
    tiled = run_tiled([luma[None]], sum_at_distance_12, scale=2, halo=6, multiple=2, largest=(50, 60))
    assert not np.array_equal(
        tiled, run_tiled([luma[None]], sum_at_distance_12, scale=2, halo=6, multiple=2, largest=(4000, 4000))
    )


@pytest.mark.parametrize("size", [(60, 90), (200, 34), (150, 152)])
def test_maps_at_half_size_are_cut_with_the_frame(size: tuple[int, int]) -> None:
    """A map of half the frame's sides is extended and cut so that each tile gets the part that lies over it."""
    rows, columns = size
    half = np.random.default_rng(2).integers(0, 9, (1, rows // 2, columns // 2)).astype(np.uint8)
    luma = half.repeat(2, 1).repeat(2, 2).astype(np.float32)

    def agree(tile: list[NDArray[np.generic]]) -> Luma:
        inner = np.s_[16:-16, 16:-16]
        assert np.array_equal(tile[0][0][inner], tile[1][0].repeat(2, 0).repeat(2, 1)[inner])
        return np.asarray(tile[0][0], np.float32)

    assert np.array_equal(run_tiled([luma, half], agree, scale=1, halo=4, multiple=2, largest=(50, 60)), luma[0])


def sum_at_distance_12(tile: list[NDArray[np.generic]]) -> Luma:
    """Adds to each sample its four neighbours at distance 12, in integers, which sum exactly in any order."""
    codes = np.rint(np.asarray(tile[0][0], np.float32) * 1000)
    padded = np.pad(codes, 12)
    rows, columns = codes.shape
    reach = padded[:rows, 12:-12] + padded[24:, 12:-12] + padded[12:-12, :columns] + padded[12:-12, 24:]
    total = np.asarray(codes + 3 * reach, np.float32)
    return np.asarray(cv2.resize(total, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST), np.float32)
