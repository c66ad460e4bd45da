"""Times are written in one form everywhere."""

from __future__ import annotations

from fractions import Fraction

import pytest

from reelwright.media.timestamp import timestamp


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
