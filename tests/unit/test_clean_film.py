"""What the dust repair changes on film without dust: the windows that are tried, and the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.support.clips import clip
from training import material
from training.film_windows import middles, spread, windows
from training.quality.clean_film import FILMS, TREATMENTS, Changed, Film, changed_of, holds, table


def test_no_window_holds_a_cut() -> None:
    """Of a film with a cut at frame 24, the two frames on each side of it have none, nor the two at each end."""
    path = clip("mjpeg_avi")
    found = middles(path)
    assert found[-1] > 26
    assert found == [*range(2, 22), *range(26, found[-1] + 1)]
    first, second = windows(path, found[:2])
    assert first.shape[0] == 5
    assert np.array_equal(first[1:], second[:-1])


def test_frames_are_spread_evenly() -> None:
    """The first and the last are among them; all are taken where there are no more."""
    assert spread(range(10, 110), 3) == [10, 60, 109]
    assert spread([4, 5], 60) == [4, 5]
    assert spread([], 60) == []


def test_a_film_that_is_not_here_is_left_out(tmp_path: Path) -> None:
    """No figures are made up for it."""
    assert changed_of(Film("none", "none.mp4", None), (tmp_path,), 3) is None


def test_shares_are_measured_for_each_treatment() -> None:
    """Each treatment has a mean and a worst frame, which is no less."""
    path = clip("mjpeg_avi")
    found = changed_of(Film("film", path.name, None), (path.parent,), 2)
    assert found is not None
    assert found.frames == 2
    assert list(found.mean) == list(found.worst) == list(TREATMENTS)
    assert all(0 <= found.mean[name] <= found.worst[name] <= 1 for name in TREATMENTS)


def test_the_limits_are_for_the_mean_and_for_the_worst_film() -> None:
    """One film in twenty may change by a little more than the mean, and no film by more than ten times of it."""

    def of(*shares: float) -> dict[str, Changed]:
        each = [dict.fromkeys(TREATMENTS, share) for share in shares]
        return {str(number): Changed(1, share, share) for number, share in enumerate(each)}

    assert holds(of(0.0009, *[0.0] * 19))
    assert not holds(of(0.0011, *[0.0] * 19))
    assert not holds(of(0.0009, 0.0))


def test_the_table_ends_with_the_mean_and_the_worst_film() -> None:
    """Means and worst frames are in percent."""
    found = {
        name: Changed(2, dict.fromkeys(TREATMENTS, share), dict.fromkeys(TREATMENTS, 2 * share))
        for name, share in (("one", 0.001), ("two", 0.003))
    }
    lines = list(table(found))
    assert lines[2].startswith("| one | 2 | 0.100% (0.20%) |")
    assert lines[-2].startswith("| mean | 4 | 0.2000% |")
    assert lines[-1].startswith("| worst film | | 0.300% |")


def test_the_pieces_are_tried_with_what_is_around_them() -> None:
    """Every piece of docs/quality.md is among the films."""
    assert {piece.name for piece in material.PIECES} <= {film.name for film in FILMS}
