"""Copied sound keeps rising in time, in the film's units too, however the source's clock stumbles."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import floor

from av.packet import Packet
from hypothesis import given
from hypothesis import strategies as st

from reelwright.media.stream_copy import Clock


@given(
    times=st.lists(st.integers(0, 4000), min_size=2, max_size=40),
    source=st.sampled_from([1_000, 48_000, 90_000, 1_000_000]),
    film=st.sampled_from([8_000, 44_100, 48_000]),
)
def test_sound_never_stands_still_in_the_film(times: list[int], source: int, film: int) -> None:
    """Packets at one time, or going back, get DTS that rise in samples of the film's sound, and PTS not before."""
    clock, found = Clock(Fraction(1, 3)), []
    for time in times:
        packet = Packet(1)
        packet.time_base, packet.pts, packet.dts = Fraction(1, source), time, time
        clock.stamp(packet)
        assert packet.pts is not None
        assert packet.dts is not None
        assert packet.pts >= packet.dts
        # FFmpeg rounds halves up.
        found.append(floor(Fraction(packet.dts * film, source) + Fraction(1, 2)))
    assert all(before < after for before, after in pairwise(found))
