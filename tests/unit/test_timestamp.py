"""Times are written in one form everywhere."""

from __future__ import annotations

from fractions import Fraction

import pytest

from reelwright.media.timestamp import time_span, timestamp


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (Fraction(0), "00:00:00.000"),
        (Fraction(3723, 1) + Fraction(1, 25), "01:02:03.040"),
        (Fraction(-1, 5), "-00:00:00.200"),
        (Fraction(1001, 24000), "00:00:00.042"),
        (Fraction(599_996, 10_000), "00:01:00.000"),
        (Fraction(35_999_999, 10_000), "01:00:00.000"),
        (Fraction(36_061), "10:01:01.000"),
    ],
)
def test_times_read_as_a_player_shows_them(seconds: Fraction, text: str) -> None:
    """Hours, minutes, seconds and milliseconds are rounded, and rounding never shows a sixtieth second."""
    assert timestamp(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (4.25, "4.2 s"),
        (9.97, "10 s"),
        (59.6, "1 min"),
        (725, "12 min 05 s"),
        (3 * 3600, "3 h"),
        (3 * 3600 + 61, "3 h 01 min"),
        (2 * 86_400 + 4 * 3600, "2 d 04 h"),
    ],
)
def test_a_time_span_has_its_largest_units(seconds: float, text: str) -> None:
    """A span is written in one or two units, and rounding never gives sixty of one."""
    assert time_span(seconds) == text
