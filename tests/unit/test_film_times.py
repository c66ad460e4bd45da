"""How far the times of a film's frames are off those of its source."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from reelwright.ledger.film_times import worst_time_error


@given(
    steps=st.lists(st.integers(1, 5000), min_size=1, max_size=50),
    start=st.integers(-10_000, 10_000),
    unit=st.sampled_from([Fraction(1, 1000), Fraction(1, 90_000), Fraction(1, 16_000), Fraction(1001, 24_000)]),
)
def test_rounding_to_a_container_is_no_error_and_more_is(steps: list[int], start: int, unit: Fraction) -> None:
    """Times rounded to the container's unit are accepted, and a time moved by two units is not."""
    source = [start + sum(steps[:i]) for i in range(len(steps) + 1)]
    tick = Fraction(1, 600)
    film = [round(pts * tick / unit) + 77 for pts in source]
    assert worst_time_error(film, unit, source, tick) <= 1
    film[-1] += 2
    assert worst_time_error(film, unit, source, tick) >= 1
    film[-1] += 1
    assert worst_time_error(film, unit, source, tick) > 1
