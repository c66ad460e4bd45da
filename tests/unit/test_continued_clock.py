"""Sound whose clock starts over or jumps is placed behind the sound before it."""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO
from typing import Any

import av
import pytest
from av.packet import Packet

from reelwright.media.continued_clock import ContinuedClock

STEP = 20
SECONDS = range(0, 1500, STEP)


def placed(times: list[int | None]) -> tuple[list[int | None], int]:
    """Times of packets of 20 ms after the clock placed them, and how many it moved. All in milliseconds."""
    steps, moved = released(times)
    return [time for step in steps for time in step], moved


def released(times: list[int | None]) -> tuple[list[list[int | None]], int]:
    """As `placed`; the times of the packets that came out for each packet, and at the end."""
    with av.open(BytesIO(), "w", format="matroska") as film:
        stream = film.add_stream("pcm_s16le", rate=48_000)
        stream.time_base = Fraction(1, 1000)
        clock = ContinuedClock(stream)
        found: list[list[Packet[Any]]] = []
        for time in times:
            packet: Packet[Any] = Packet(1)
            packet.time_base, packet.pts, packet.dts, packet.duration = stream.time_base, time, time, STEP
            found.append(list(clock.placed(packet)))
        found.append(list(clock.flush()))
        return [[packet.pts for packet in step] for step in found], clock.moved


def test_packets_without_times_are_not_held_without_bound() -> None:
    """A track whose packets have no times but the first one's passes on."""
    times: list[int | None] = [0, *[None] * 5000]
    steps, moved = released(times)
    assert max(map(len, steps)) <= 2500
    assert ([time for step in steps for time in step], moved) == (times, 0)


def test_a_clock_that_goes_on_is_left_as_it_is() -> None:
    """Gaps, small steps back and packets without a time change nothing."""
    times: list[int | None] = [*SECONDS, None, 1500, 1480, *range(9000, 9500, STEP)]
    assert placed(times) == (times, 0)


@pytest.mark.parametrize("start", [0, -7000, 100])
def test_a_clock_that_starts_over_is_continued(start: int) -> None:
    """A second recording follows the first one at its own distances, its gap of half a second included."""
    second = [*range(start, start + 600, STEP), *range(start + 1100, start + 1500, STEP)]
    found, moved = placed([*range(10_000, 12_000, STEP), *second])
    assert found[100:] == [12_000 + time - start for time in second]
    assert moved == len(second)


def test_a_piece_that_is_in_the_file_twice() -> None:
    """What comes behind it has its own times again."""
    found, moved = placed([*range(5000, 8000, STEP), 5000, 5020, *range(8000, 9000, STEP)])
    assert found[150:] == [8000, 8020, *range(8000, 9000, STEP)]
    assert moved == 2


@pytest.mark.parametrize("damaged", [90_000_000, 7000])
def test_a_damaged_time_ahead_does_not_take_the_rest_along(damaged: int) -> None:
    """Packets with it follow the ones before, and those behind have their own times."""
    found, moved = placed([*SECONDS, damaged, damaged + STEP, *range(1540, 2500, STEP)])
    assert found == list(range(0, 2500, STEP))
    assert moved == 2


def test_a_damaged_time_at_the_beginning() -> None:
    """Packets with it come right before the next one."""
    found, moved = placed([90_000, 90_020, *range(3000, 6000, STEP)])
    assert found == list(range(2960, 6000, STEP))
    assert moved == 2


def test_a_film_without_sound_for_a_while() -> None:
    """Sound that goes on for a second further ahead is there because nothing is before it."""
    times: list[int | None] = [*SECONDS, *range(20_000, 22_000, STEP)]
    assert placed(times) == (times, 0)
