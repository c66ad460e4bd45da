"""A stream's packets are placed by their own times, and moved only where a muxer refuses them otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
from av.packet import Packet
from hypothesis import given
from hypothesis import strategies as st

from reelwright.media.stream_copy import StreamClock, StreamCopy
from reelwright.media.stream_outcome import StreamOutcome
from tests.support.stream_clips import write_film

UNITS = st.sampled_from([1_000, 8_000, 44_100, 48_000, 90_000])


@contextmanager
def film_stream(unit: int) -> Iterator[Any]:
    """A stream of a film that counts in 1/unit seconds."""
    with av.open(BytesIO(), "w", format="matroska") as film:
        stream = film.add_stream("pcm_s16le", rate=48_000)
        stream.time_base = Fraction(1, unit)
        yield stream


def stamped(times: list[int], source: int, film: int, *, strict: bool) -> list[Packet[Any]]:
    """Packets of a source that counts in 1/source seconds, after a clock put them into a film."""
    packets = []
    with film_stream(film) as target:
        clock = StreamClock(Fraction(1, 3), target, strict=strict)
        for time in times:
            packet: Packet[Any] = Packet(1)
            packet.time_base, packet.pts, packet.dts = Fraction(1, source), time, time
            clock.stamp(packet)
            packets.append(packet)
    return packets


def rounded(time: int, source: int, film: int) -> int:
    """Where a packet belongs by itself."""
    return round((Fraction(time, source) + Fraction(1, 3)) * film)


@given(times=st.lists(st.integers(0, 4000), min_size=2, max_size=40).map(sorted), source=UNITS, film=UNITS)
def test_a_packet_is_placed_by_its_own_time(times: list[int], source: int, film: int) -> None:
    """However many packets share a time, each is at its own time, rounded once."""
    found = [packet.pts for packet in stamped(times, source, film, strict=False)]
    assert found == [rounded(time, source, film) for time in times]


@given(times=st.lists(st.integers(0, 4000), min_size=2, max_size=40).map(sorted), source=UNITS, film=UNITS)
def test_a_strict_muxer_gets_rising_times(times: list[int], source: int, film: int) -> None:
    """A packet is moved by the least unit past the one before, and only as long as packets crowd."""
    packets = stamped(times, source, film, strict=True)
    dts = [packet.dts for packet in packets if packet.dts is not None]
    assert all(before < after for before, after in pairwise(dts))
    expected = [rounded(times[0], source, film)]
    for time in times[1:]:
        expected.append(max(expected[-1] + 1, rounded(time, source, film)))
    assert [packet.pts for packet in packets] == dts == expected


@given(times=st.lists(st.integers(0, 4000), min_size=2, max_size=40), source=UNITS, film=UNITS)
def test_a_clock_that_goes_back_is_still_muxed(times: list[int], source: int, film: int) -> None:
    """Whatever a source's clock does, DTS never fall and no packet is decoded after it is shown."""
    packets = stamped(times, source, film, strict=False)
    dts = [packet.dts for packet in packets if packet.dts is not None]
    assert all(before <= after for before, after in pairwise(dts))
    assert all(packet.pts is not None and packet.dts is not None and packet.pts >= packet.dts for packet in packets)


def test_a_packet_without_a_time_follows_the_one_before() -> None:
    """It is not lost, and not put at the film's start."""
    with film_stream(1000) as target:
        clock = StreamClock(Fraction(0), target, strict=True)
        first: Packet[Any] = Packet(1)
        first.time_base, first.pts, first.dts = Fraction(1, 1000), 500, 500
        clock.stamp(first)
        second: Packet[Any] = Packet(1)
        second.time_base = Fraction(1, 1000)
        clock.stamp(second)
    assert second.pts == 501


def test_a_packet_without_a_duration_gets_the_usual_one(tmp_path: Path) -> None:
    """MP4 does not play a last packet that lasts no time; AAC has 1024 samples in each."""
    clip = write_film(tmp_path / "clip.mkv", "aac")
    outcome = StreamOutcome(index=1, kind="audio", codec="aac", outcome="left out")
    with av.open(str(clip)) as source, av.open(BytesIO(), "w", format="matroska") as film:
        stream: Any = source.streams.audio[0]
        target: Any = film.add_stream_from_template(stream, opaque=True)
        target.time_base = Fraction(1, 48_000)
        copy = StreamCopy(outcome, stream, clock=StreamClock(Fraction(0), target, strict=True))
        written: list[Packet[Any]] = []
        for packet in source.demux(stream):
            if packet.size:
                packet.duration = 0
                written += copy.packets(packet)
    assert len(written) > 2
    assert {packet.duration for packet in written} == {21 * 48}
