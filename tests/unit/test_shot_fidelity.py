"""A shot's certificate follows from what was measured in its frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright.ledger.shot_fidelity import ShotFidelity, ShotFidelitySums, film_fidelity
from reelwright.media.frame_correction import FrameCorrection
from reelwright.media.frame_fidelity import CELL_COLUMNS, CELL_ROWS, SIXTEENTHS, FrameFidelity
from reelwright.media.light_field import gains, offsets
from tests.support.ledgers import fidelity_of

BLACK = 16


def shot(frames: list[FrameFidelity], corrections: list[FrameCorrection] | None = None, first: int = 0) -> ShotFidelity:
    sums = ShotFidelitySums(BLACK)
    for index, found in enumerate(frames):
        sums.add(first + index, found, corrections[index] if corrections else None)
    result = sums.shot()
    assert result is not None
    return result


def test_figures_are_means_and_the_worst_frame_is_named() -> None:
    """Means over the frames, the largest tint, and the first of the frames that depart most."""
    found = shot(
        [
            fidelity_of(difference=1, tint=2),
            fidelity_of(difference=4, unsupported=3, coarse_difference=4),
            fidelity_of(),
        ],
        first=7,
    )
    assert found.difference == pytest.approx(5 / 3)
    assert (found.tint, found.worst_frame, found.worst) == (2, 8, 5)
    assert shot([fidelity_of(unsupported=1), fidelity_of(unsupported=1)], first=3).worst_frame == 3


def test_a_shot_that_was_not_wholly_measured_has_no_figures() -> None:
    """A worker of an earlier version measured nothing in one of the frames."""
    sums = ShotFidelitySums(BLACK)
    sums.add(0, fidelity_of(), None)
    sums.add(1, None, None)
    assert sums.shot() is None
    assert ShotFidelitySums(BLACK).shot() is None


def test_flicker_of_a_known_size_is_found_before_and_after() -> None:
    """Levels that change by 4 % and 1 % from frame to frame, on a fade, have that flicker; the fade has none."""
    # At this frequency a sine differs from the mean of its neighbours as much as independent flicker does.
    waves = [2**0.5 * math.sin(2 * math.pi * 0.286 * index) for index in range(240)]
    frames = [
        fidelity_of(level_before=100 + 4 * wave + index / 24, level_after=100 + wave + index / 24)
        for index, wave in enumerate(waves)
    ]
    found = shot(frames)
    assert found.flicker_before == pytest.approx(4 * found.flicker_after, rel=0.01)
    assert found.flicker_before == pytest.approx(4 * 100 / 105, rel=0.1)
    fade = shot([fidelity_of(level_before=index, level_after=index) for index in range(200)])
    assert (fade.flicker_before, fade.flicker_after) == (0, 0)


def test_flicker_before_is_the_sources() -> None:
    """What deflickering corrected is counted as the source's flicker, and the mean brightness as the source's too."""
    corrections = [FrameCorrection(gain=2 if index % 2 else 1, offset=0.1 * (index % 2)) for index in range(40)]
    frames = [fidelity_of(level_before=60, level_after=61) for _ in corrections]
    found = shot(frames, corrections)
    assert found.flicker_after == 0
    # Levels alternate between 60 and (60 - 25.5) / 2.
    assert found.flicker_before == pytest.approx((60 - 17.25) / 1.5**0.5 / ((60 + 17.25) / 2) * 100, rel=0.01)
    assert found.brightness == pytest.approx(61 - (60 + 17.25) / 2, abs=0.01)


def test_short_and_black_shots_have_no_flicker() -> None:
    """A shot of two frames has none, and a level more in black film is little."""
    assert shot([fidelity_of(level_before=10), fidelity_of(level_before=90)]).flicker_before == 0
    black = shot([fidelity_of(level_before=index % 2) for index in range(40)])
    assert 0 < black.flicker_before < 15


def cells(light: Sequence[float] | NDArray[Any]) -> tuple[int, ...]:
    """Cells of a picture whose columns have this light above black, in levels."""
    return tuple(round(SIXTEENTHS * (BLACK + each)) for _ in range(CELL_ROWS) for each in light)


def one_sided(deviation: float, count: int = 200, seed: int = 3) -> list[tuple[int, ...]]:
    """Cells of frames whose sides flicker against each other by a share of their light, while a fade goes on."""
    place = np.linspace(-1, 1, CELL_COLUMNS)
    slope = place / np.sqrt(np.square(place).mean())
    steps = np.random.default_rng(seed).normal(0, deviation, count)
    return [cells((100 + index / 4) * np.exp(step * slope)) for index, step in enumerate(steps)]


def test_flicker_of_parts_of_a_known_size_is_found_before_and_after() -> None:
    """Sides that flicker by 3 % and 0.5 % against each other have that flicker of parts, and the whole has none."""
    before, after = one_sided(0.03), one_sided(0.005)
    frames = [
        fidelity_of(level_before=100, level_after=100, cells_before=one, cells_after=other)
        for one, other in zip(before, after, strict=True)
    ]
    found = shot(frames)
    assert found.local_flicker_before == pytest.approx(3, rel=0.1)
    assert found.local_flicker_after == pytest.approx(0.5, rel=0.1)
    assert (found.flicker_before, found.flicker_after) == (0, 0)


def test_what_moves_or_fades_is_no_flicker_of_parts() -> None:
    """An edge that wanders through the picture, a fade, and light that is switched on at one side once have none."""
    columns = np.arange(CELL_COLUMNS)
    wandering = [cells(60 + 50 * np.clip(index / 20 - columns, 0, 1)) for index in range(100)]
    fading = [cells([10 + index] * CELL_COLUMNS) for index in range(100)]
    switched = [cells(80 + 40 * (index > 30) * (columns > 2)) for index in range(100)]
    for each in (wandering, fading, switched):
        found = shot([fidelity_of(cells_before=one, cells_after=one) for one in each])
        assert found.local_flicker_before == found.local_flicker_after
        assert found.local_flicker_after is not None
        assert found.local_flicker_after < 0.05


@pytest.mark.parametrize("added", [False, True], ids=["local gains", "local offsets"])
def test_flicker_of_parts_before_is_the_sources(added: bool) -> None:
    """Cells that were measured after local gains or offsets, gain and offset give the figure of the source's cells."""
    rng = np.random.default_rng(4)
    source, evened, corrections = one_sided(0.02, 100), [], []
    for each in source:
        right, down, gain = rng.normal(0, 0.03, 3)
        even = FrameCorrection(gain=1 + gain, offset=rng.normal(0, 0.01))
        parts = {"local_offset": (right / 2, 0, 0, 0, down / 2)} if added else {"local_x": right, "local_yy": down}
        even = even.model_copy(update=parts)
        light = (np.array(each) / SIXTEENTHS - BLACK) * gains(even.local, (CELL_ROWS, CELL_COLUMNS)).ravel()
        light += 255 * offsets(even.local_offset, (CELL_ROWS, CELL_COLUMNS)).ravel()
        levels = even.gain * (light + BLACK) + 255 * even.offset
        evened.append(tuple(round(SIXTEENTHS * level) for level in levels))
        corrections.append(even)
    found = shot([fidelity_of(cells_before=each, cells_after=each) for each in evened], corrections)
    wanted = shot([fidelity_of(cells_before=each, cells_after=each) for each in source])
    assert found.local_flicker_before == pytest.approx(wanted.local_flicker_before, abs=0.01)
    assert found.local_flicker_after is not None
    assert found.local_flicker_after > 3


@pytest.mark.parametrize("count", [7, 8, 65, 66, 300])
def test_flicker_of_parts_needs_eight_frames(count: int) -> None:
    """Shorter shots have no figure, and shots of any greater length have one."""
    found = shot([fidelity_of(cells_before=one, cells_after=one) for one in one_sided(0.03, count)])
    assert (found.local_flicker_before is not None) == (count >= 8)


def test_a_frame_without_cells_leaves_its_shot_without_flicker_of_parts() -> None:
    """As one that a worker of an earlier version restored; the film has the mean of the other shots, by squares."""
    frames = [fidelity_of(cells_before=one, cells_after=one) for one in one_sided(0.03, 40)]
    whole, part = shot(frames), shot([*frames[:-1], fidelity_of()])
    assert (part.local_flicker_before, part.local_flicker_after) == (None, None)
    film = film_fidelity([(whole, 40), (part, 40)])
    assert film is not None
    assert film.local_flicker_before == whole.local_flicker_before
    nothing = film_fidelity([(part, 40)])
    assert nothing is not None
    assert nothing.local_flicker_before is None
