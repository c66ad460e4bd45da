"""Each frame of a batch gets its neighbours, and no frame of another shot."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.media.picture import Picture
from reelwright.restoration.frame_windows import FrameWindows, luma_codes
from reelwright.restoration.optical_flow import WindowMotion, flow_luma
from reelwright.restoration.window_network import FRAMES
from tests.support.scenes import scene


def numbered(number: int) -> Picture:
    """A picture whose samples are its number."""
    return Picture("gray", 32, 32, (np.full((32, 32), number, np.uint8),))


def numbers(windows: FrameWindows, frame: int) -> list[int]:
    """The numbers of the pictures in a frame's window."""
    return [int(codes[0, 0]) for codes in windows.window(frame).codes]


def test_the_nearest_frame_stands_in_at_a_cut_and_at_the_films_ends() -> None:
    """A shot of three frames, one of one frame and one of two."""
    windows = FrameWindows([numbered(i) for i in range(6)], 0, [True, False, False, True, True, False])
    assert [numbers(windows, frame) for frame in range(6)] == [
        [0, 0, 0, 1, 2],
        [0, 0, 1, 2, 2],
        [0, 1, 2, 2, 2],
        [3, 3, 3, 3, 3],
        [4, 4, 4, 5, 5],
        [4, 4, 5, 5, 5],
    ]


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.data())
def test_a_window_does_not_depend_on_the_borders_of_batches(cuts: list[bool], data: st.DataObject) -> None:
    """However a film is divided into batches with two halo frames, each frame has the same window."""
    starts = [index == 0 or cut for index, cut in enumerate(cuts)]
    whole = FrameWindows([numbered(i) for i in range(len(cuts))], 0, starts)
    wanted = [numbers(whole, frame) for frame in range(len(cuts))]
    borders = sorted(data.draw(st.sets(st.integers(1, max(1, len(cuts) - 1))))) if len(cuts) > 1 else []
    shots = np.cumsum(starts)
    found = []
    for first, end in pairwise([0, *borders, len(cuts)]):
        before = [i for i in range(max(0, first - 2), first) if shots[i] == shots[first]]
        after = [i for i in range(end, min(len(cuts), end + 2)) if shots[i] == shots[end - 1]]
        pictures = [numbered(i) for i in (*before, *range(first, end), *after)]
        windows = FrameWindows(pictures, len(before), starts[first:end])
        found += [numbers(windows, frame) for frame in range(end - first)]
    assert found == wanted


@pytest.mark.parametrize(("depth", "pix_fmt"), [(8, "gray"), (10, "gray10le"), (12, "yuv420p12le")])
def test_deep_samples_are_rounded_to_eight_bits(depth: int, pix_fmt: str) -> None:
    """Black and white stay black and white, and samples between are rounded."""
    top = (1 << depth) - 1
    layout = scene(0, pix_fmt, 64, 48)
    values = np.linspace(0, top, 64).round().astype(layout.planes[0].dtype)
    picture = Picture(pix_fmt, 64, 48, (np.tile(values, (48, 1)), *layout.planes[1:]))
    found = luma_codes(picture)
    assert found.dtype == np.uint8
    assert np.array_equal(found[0], np.rint(values.astype(np.float64) * 255 / top))


@pytest.mark.parametrize(("size", "extended"), [((33, 41), (34, 42)), ((17, 64), (32, 64)), ((64, 48), (64, 48))])
def test_small_and_odd_pictures_are_extended_by_their_last_rows_and_columns(
    size: tuple[int, int], extended: tuple[int, int]
) -> None:
    """The sides become even and at least 32, and the picture stays in the upper left corner."""
    rows, columns = size
    picture = scene(0, "gray", columns, rows)
    found = luma_codes(picture)
    assert found.shape == extended
    assert np.array_equal(found[:rows, :columns], picture.planes[0])
    assert (found[rows:, :columns] == picture.planes[0][-1]).all()
    window = FrameWindows([picture], 0, [True]).window(0)
    assert len(window.codes) == len(window.motion.small) == FRAMES
    pairs = zip(window.codes, window.motion.small, strict=True)
    assert all(np.array_equal(small, flow_luma(codes)) for codes, small in pairs)


def test_windows_of_a_batch_share_their_flows() -> None:
    """Each window moves as it does alone, and a flow between two frames is computed once."""
    pictures = [scene(index, "gray", 64, 48) for index in range(8)]
    windows = FrameWindows(pictures, 0, [True] + [False] * 4 + [True] + [False] * 2)
    found = [windows.window(index) for index in range(8)]
    for window in found:
        alone = WindowMotion.of(window.codes)
        for flow, expected in zip(window.motion.before + window.motion.after, alone.before + alone.after, strict=True):
            assert np.array_equal(flow, expected)
    assert found[1].motion.after[1] is found[2].motion.after[0]
    assert found[3].motion.before[0] is found[4].motion.before[1]
