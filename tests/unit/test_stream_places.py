"""A film whose streams are far from their places is not delivered."""

from __future__ import annotations

from fractions import Fraction

import pytest

from reelwright.media.stream_outcome import StreamOutcome, StreamTimes
from reelwright.media.stream_times import check_places
from reelwright.titles.errors import InternalError


def _outcome(error: float) -> StreamOutcome:
    """Sound of two seconds that is off by this."""
    start, end = Fraction(0), Fraction(2)
    times = StreamTimes(
        source_first=start,
        source_last=end,
        film_first=start + Fraction(error),
        film_last=end + Fraction(error),
        error=error,
        tolerance=0.01,
        packets=50,
        sha256="",
    )
    return StreamOutcome(index=1, kind="audio", codec="mp2", outcome="copied", packets=50, times=times)


def test_sound_a_day_away_is_an_error() -> None:
    """Sound that is further away than film and sound last together ends the restoration with one line."""
    with pytest.raises(InternalError, match="audio stream 1 is 95444 s from its place in the film"):
        check_places([_outcome(0), _outcome(95443.742)], Fraction(2))


def test_sound_that_is_off_by_less_is_for_verify() -> None:
    """Damage within a stream may move its ends by as much as it lasts; `verify` says so."""
    check_places([_outcome(3.5), _outcome(0).model_copy(update={"times": None})], Fraction(2))
