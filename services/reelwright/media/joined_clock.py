"""Continues the clock of a file of several recordings, whose joins are known (`media.clock_joins`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from av.packet import Packet

from reelwright.media.container import StreamT
from reelwright.media.source_info import ClockJoin
from reelwright.media.timestamp import timestamp

STEP_BACK = Fraction(1, 10)
"""Seconds. Decoding times rise within a recording; FFmpeg allows for the same error."""
STEP_AHEAD = 3600
"""Seconds. A shorter step ahead is a gap in one recording: its pictures keep their times."""
WRAP = 1 << 33
"""The clock of ISO/IEC 13818-1 has 33 bits."""
WRAP_UNIT = Fraction(1, 90_000)
"""Seconds per unit of that clock."""
WRAP_MARGIN = 60
"""Seconds. libavformat continues a clock that wraps from this long before the file's first time on."""
_MOST_NOTES = 20


class JoinedClock:
    """Puts the packets of a file on the continued clock.

    Args:
        joins: the file's.
        main: index of the stream of the picture.
    """

    def __init__(self, joins: Sequence[ClockJoin], main: int) -> None:
        self._joins, self._main = joins, main
        self._reached: dict[int, int] = {}

    def place(self, packet: Packet[StreamT]) -> bool:
        """Sets a packet's times; the packets of a stream come in the file's order.

        A packet without a position follows the one before: it began inside that one's bytes.

        Returns:
            Whether the packet is its stream's first of another recording.
        """
        if not self._joins:
            return False
        index = packet.stream.index
        before = reached = self._reached.get(index, 0)
        if packet.pos is not None:
            for number in range(reached, len(self._joins)):
                positions = self._joins[number].positions
                if packet.pos >= positions.get(index, positions[self._main]):
                    reached = number + 1
            self._reached[index] = reached
        if not reached:
            return False
        join, unit = self._joins[reached - 1], packet.time_base
        offset, start = round(join.offset / unit), round(join.clock / unit)
        if packet.dts is not None:
            packet.dts = unwrapped(decoding_time(packet), start, unit) + offset
        if packet.pts is not None:
            packet.pts = unwrapped(packet.pts, start, unit) + offset
        return reached != before and not join.at_start


def decoding_time(packet: Packet[StreamT]) -> int:
    """When a packet is decoded; its PTS where it has no DTS, or one that cannot belong to it; 0 for no time.

    Where a stream states PTS alone, libavformat takes DTS from the packets before, in front of a join too. A wrap of
    the clock may lie between DTS and PTS.
    """
    pts, dts = packet.pts, packet.dts
    if pts is None or dts is None:
        return (pts if dts is None else dts) or 0
    if packet.time_base == WRAP_UNIT:
        dts += round((pts - dts) / WRAP) * WRAP
    return dts if -STEP_BACK <= (pts - dts) * packet.time_base <= STEP_AHEAD else pts


def unwrapped(time: int, start: int, unit: Fraction) -> int:
    """A time of the 33-bit clock, on a clock that goes on from a little before a recording's start; others as they are.

    Args:
        time: as the file states it, in `unit`.
        start: of the recording's picture, likewise.
        unit: of the stream, in seconds.
    """
    least = start - WRAP_MARGIN * WRAP_UNIT.denominator
    return least + (time - least) % WRAP if unit == WRAP_UNIT else time


def join_notes(joins: Sequence[ClockJoin], start: Fraction) -> Iterator[str]:
    """A sentence for each join.

    Args:
        joins: of a file.
        start: time of its first picture, from which people count.
    """
    joins = [join for join in joins if not join.at_start]
    for join in joins[:_MOST_NOTES]:
        yield (
            f"another recording begins at {timestamp(join.time - start)}, where the clock goes to "
            f"{timestamp(join.clock)}: picture, sound and subtitles go on behind what was before"
        )
    if len(joins) > _MOST_NOTES:
        yield f"{len(joins) - _MOST_NOTES} more recordings follow in the same way"
