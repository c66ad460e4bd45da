"""Where scratches run."""

from __future__ import annotations

import numpy as np
import pytest

from reelwright.restoration.scratch_lines import scratch_lines
from reelwright.restoration.window import prepare
from tests.support.windows import Field, codes, grainy, panned

ROWS, COLUMNS = 160, 192


def scratched(frames: Field, levels: float, *, slope: float = 0.0, first: int = 0, last: int = ROWS) -> Field:
    """With a scratch in column 100, three pixels wide, from one row to another."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS].astype(np.float32)
    line = np.exp(-0.5 * np.square(columns - 100 - slope * (rows - ROWS / 2)))
    return np.asarray(frames + levels * line * ((rows >= first) & (rows < last)), np.float32)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("levels", [-70.0, 70.0])
def test_a_scratch_is_found_in_a_scene_that_moves(levels: float, seed: int) -> None:
    """A bright or dark line through the whole frame is found in its columns, and nothing is 40 columns from it."""
    found = scratch_lines(codes(scratched(panned((2, 0.5), seed=seed), levels, slope=0.01)))
    assert found is not None
    assert found.shape == (6, COLUMNS)
    assert found[:, 100].min() > 0.8
    assert found[:, :60].max() == found[:, 140:].max() == 0


@pytest.mark.parametrize("pan", [(0.0, 0.0), (3.0, 1.0)])
@pytest.mark.parametrize("seed", range(4))
def test_film_without_scratches_has_no_lines(pan: tuple[float, float], seed: int) -> None:
    """In a scene, still or moving, nothing is found."""
    assert scratch_lines(codes(panned(pan, seed=seed))) is None


def test_an_edge_is_no_line() -> None:
    """The border of a bright wall over the whole height stands out from one side only."""
    frames = panned((0, 0))
    frames[:, :, 100:] += 40
    assert scratch_lines(codes(frames)) is None


def test_a_short_line_is_none() -> None:
    """A line over a third of the height belongs to the scene: a post, or a lamp."""
    assert scratch_lines(codes(scratched(panned((2, 0.5)), 70, first=50, last=100))) is None


def test_lines_are_looked_for_in_film_with_little_grain_alone() -> None:
    """Film with much grain is restored by the set for damaged film as a whole, so no line is looked for there."""
    film = scratched(panned((2, 0.5)), 70)
    assert prepare(codes(film)).network_input().lines is not None
    assert prepare(codes(grainy(film, 8))).network_input().lines is None


def test_a_black_frame_has_no_lines() -> None:
    """Frames of one level have no noise to stand out from."""
    assert scratch_lines(codes(np.zeros((5, ROWS, COLUMNS), np.float32))) is None


def test_certainty_grows_with_the_scratch() -> None:
    """From too weak to be told to strong, how surely a line is found never falls, and passes through values between."""
    frames = panned((2, 0.5))
    certain = []
    for levels in np.arange(0.0, 80.0, 1.0):
        found = scratch_lines(codes(scratched(frames, float(levels))))
        certain.append(0.0 if found is None else float(found[3, 100]))
    assert certain[0] == 0
    assert certain[-1] == pytest.approx(1)
    assert sum(0.02 < share < 0.98 for share in certain) >= 3
    assert min(np.diff(certain)) > -0.02


@pytest.mark.parametrize(("rows", "columns"), [(119, 200), (120, 200), (721, 33)])
def test_pictures_of_any_size_are_measured(rows: int, columns: int) -> None:
    """Small pictures and odd ones give as many columns as they have, and those of fewer than 120 rows none."""
    frames = panned((1, 0), rows=rows, columns=columns)
    frames[:, :, columns // 2] += 100
    found = scratch_lines(codes(frames))
    assert (found is None) == (rows < 120)
    if found is None:
        return
    assert found.shape == (6, columns)
    assert found[:, columns // 2].min() > 0.5
