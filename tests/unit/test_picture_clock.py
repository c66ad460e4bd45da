"""The picture's clock: every packet at its planned time, decoded in order and never too late."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import pytest
from av.packet import Packet
from hypothesis import given
from hypothesis import strategies as st

from reelwright.media.frame_record import FrameRecord
from reelwright.media.picture_clock import PictureClock, SegmentInput, film_shift, timescale
from reelwright.titles.errors import InternalError

GAPS = st.lists(st.integers(1, 5000), min_size=1, max_size=60)


def plan(times: list[int]) -> SegmentInput:
    """A segment of frames at these times."""
    return SegmentInput(Path("segment.mkv"), [FrameRecord(pts=time, duration=0) for time in times])


def decoding_order(count: int) -> list[int]:
    """Display indices as x264 codes them with a B-frame pyramid of depth two: 0, then 4 2 1 3, 8 6 5 7 ..."""
    order = [0] if count else []
    for start in range(0, count - 1, 4):
        order += [i for i in (start + 4, start + 2, start + 1, start + 3) if i < count]
    return order


@given(start=st.integers(-9000, 9000), gaps=GAPS, length=st.integers(1, 13), shift=st.integers(0, 9000))
def test_times(start: int, gaps: list[int], length: int, shift: int) -> None:
    """For any frame times and segment lengths PTS are the plan's, DTS rise strictly and none lies after its PTS."""
    times = [start + sum(gaps[:i]) for i in range(len(gaps))]
    clock = PictureClock(2, shift)
    shown: list[int] = []
    dts: list[int] = []
    for first in range(0, len(times), length):
        part = times[first : first + length]
        clock.begin(plan(part))
        for index in decoding_order(len(part)):
            packet = Packet(b"x")
            clock.stamp(packet, index)
            assert packet.pts == part[index] + shift
            assert packet.dts is not None
            assert packet.dts <= packet.pts
            shown.append(packet.pts)
            dts.append(packet.dts)
        clock.end()
    assert sorted(shown) == [time + shift for time in times]
    assert all(a < b for a, b in itertools.pairwise(dts))


def test_a_missing_frame_is_noticed() -> None:
    """A segment file with a frame less than planned fails, and so does one with a frame twice or too many."""
    clock = PictureClock(0, 0)
    clock.begin(plan([0, 1, 2]))
    clock.stamp(Packet(b"x"), 0)
    with pytest.raises(InternalError, match="twice"):
        clock.stamp(Packet(b"x"), 0)
    with pytest.raises(InternalError, match="not planned"):
        clock.stamp(Packet(b"x"), 3)
    with pytest.raises(InternalError, match="2 of its frames are missing"):
        clock.end()


def test_more_reordering_than_known_is_noticed() -> None:
    """A packet that would be decoded after it is shown fails instead of being shown late."""
    clock = PictureClock(0, 0)
    clock.begin(plan([0, 1, 2]))
    clock.stamp(Packet(b"x"), 2)
    with pytest.raises(InternalError, match="decoded after"):
        clock.stamp(Packet(b"x"), 0)


@pytest.mark.parametrize("unit", [Fraction(1, 25), Fraction(1001, 30000), Fraction(1, 90000), Fraction(1, 1000)])
def test_timescale_holds_the_unit(unit: Fraction) -> None:
    """MP4's units hold the source's exactly and are fine enough for sound."""
    scale = timescale(unit)
    assert (unit * scale).denominator == 1
    assert scale >= 10_000


def test_timescale_is_bounded() -> None:
    """A nanosecond clock does not overflow MP4's 32-bit durations."""
    assert timescale(Fraction(1, 10**9)) == 10**8


@pytest.mark.parametrize(
    ("start", "earliest", "shift"),
    [
        (0, 0, 0),
        (5, 5, 0),
        (-1, -1, 1),
        (-1, -3, 3),
        (1, -3, 3),
        (-1, 0, 1),
        (-1, None, 1),
        (100, 0, 0),
        (7200, 7199, -7199),
        (7200, None, -7200),
        (61, 59, 0),
    ],
)
def test_the_film_keeps_the_sources_clock(start: int, earliest: int | None, shift: int) -> None:
    """Only times below zero and hours of nothing move a film, and then no stream is moved below zero by it."""
    assert film_shift(Fraction(start), None if earliest is None else Fraction(earliest)) == shift
