"""The film-damage simulator."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from reelwright.aging import PRESETS, AgePreset, Ager, GrainStock, age_preset, effects
from reelwright.titles.errors import RecipeError
from tests.support.scenes import scene

NOTHING = AgePreset(name="nothing", grain=GrainStock(0, 0.5), blur=0, dust=0, hairs=0, scratches=0, flicker=0, weave=0)
ROWS, COLUMNS = 90, 120

# One kind of damage each, strong enough to appear within a few frames.
DAMAGES: dict[str, dict[str, Any]] = {
    "grain": {"grain": GrainStock(0.05, 0.6)},
    "blur": {"blur": 2.0},
    "dust": {"dust": 200.0},
    "hairs": {"hairs": 60.0},
    "scratches": {"scratches": 8.0},
    "flicker": {"flicker": 0.1},
    "weave": {"weave": 2.0},
    "black": {"black": 0.1},
    "white": {"white": 0.8},
    "vignette": {"vignette": 0.4},
}


def planes() -> tuple[np.ndarray, ...]:
    """The planes of a textured 4:2:0 frame with colour."""
    return tuple(np.asarray(plane, np.uint8) for plane in scene(0, "yuv420p", COLUMNS, ROWS).planes)


def ager(preset: AgePreset | str, seed: int = 1) -> Ager:
    """The simulator for frames of this size."""
    return Ager(age_preset(preset) if isinstance(preset, str) else preset, seed, COLUMNS, ROWS)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_frame_is_aged_the_same_in_any_order_and_from_any_thread(preset: str) -> None:
    """An aged frame depends on preset, seed, size and index only."""
    frame, film = planes(), ager(preset)
    forward = [film.age(index, frame) for index in range(50)]
    with ThreadPoolExecutor(4) as pool:
        backward = list(pool.map(lambda index: ager(preset).age(index, frame), reversed(range(50))))
    for one, other in zip(forward, reversed(backward), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_another_seed_is_another_copy_of_the_film() -> None:
    """Two seeds give different damage, and so do two frames of one seed."""
    frame = planes()
    first = ager("print-1940").age(3, frame)[0]
    assert not np.array_equal(first, ager("print-1940", seed=2).age(3, frame)[0])
    assert not np.array_equal(first, ager("print-1940").age(4, frame)[0])


def test_an_undamaged_film_stays_as_it_is() -> None:
    """A preset without damage does not change the luma."""
    frame = planes()
    assert np.array_equal(ager(NOTHING).age(5, frame)[0], frame[0])


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_does_something(damage: str) -> None:
    """Each value of a preset changes the picture when all others are 0."""
    frame = planes()
    film = ager(dataclasses.replace(NOTHING, **DAMAGES[damage]))
    assert any(not np.array_equal(film.age(index, frame)[0], frame[0]) for index in range(8))


@pytest.mark.parametrize("preset", PRESETS)
def test_black_and_white_stays_without_tint(preset: str) -> None:
    """Chroma is exactly neutral, or unchanged if the preset keeps colour."""
    frame = planes()
    _, *chroma = ager(preset).age(0, frame)
    wanted = frame[1:] if PRESETS[preset].colour else [np.full_like(plane, 128) for plane in frame[1:]]
    assert all(np.array_equal(a, b) for a, b in zip(chroma, wanted, strict=True))


def test_the_source_is_never_written_to() -> None:
    """Ageing returns new planes and does not change its input."""
    frame = planes()
    before = [plane.copy() for plane in frame]
    aged = ager("print-1910").age(0, frame)
    assert all(np.array_equal(a, b) for a, b in zip(frame, before, strict=True))
    assert not any(np.shares_memory(a, b) for a, b in zip(frame, aged, strict=True))


def test_grain_is_as_strong_as_its_stock_says_and_strongest_in_mid_grey() -> None:
    """The standard deviation is the stock's strength in mid-gray, and strength times toe in black."""
    stock, rng = GrainStock(0.05, 0.7, clumping=0.3, toe=0.25), np.random.default_rng(0)
    for level, wanted in ((0.5, 0.05), (0.0, 0.25 * 0.05)):
        flat = np.full((400, 400), level, np.float32)
        assert float((effects.grain(flat, stock, rng, 1.0) - flat).std()) == pytest.approx(wanted, rel=0.05)


def test_a_scratch_stays_where_it_is_for_a_while() -> None:
    """The scratched columns of one frame are those of the frame before, within two columns."""
    flat = np.full((120, 160), 0.5, np.float32)
    now, then = (
        np.flatnonzero(
            np.abs(effects.scratches(flat, mean=2, seed=3, purpose=7, index=index, unit=1.0) - flat).max(axis=0) > 0.02
        )
        for index in (10, 11)
    )
    assert 0 < now.size < 40
    assert all(np.abs(then - column).min() <= 2 for column in now)


def test_a_frame_of_another_size_is_refused() -> None:
    """A simulator accepts only frames of its size."""
    with pytest.raises(ValueError, match="expected"):
        ager("tv-1970").age(0, (np.zeros((10, 10), np.uint8),))


def test_an_unknown_preset_names_the_known_ones() -> None:
    """An unknown preset raises an error that lists the known ones."""
    with pytest.raises(RecipeError, match="print-1940, print-1910, tv-1970"):
        age_preset("print-1490")
