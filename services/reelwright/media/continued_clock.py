"""Continues the clock of sound that starts over or jumps in mid-film, where the clock of the pictures goes on."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from av.packet import Packet
from av.stream import Stream

# Seconds. A shorter step is jitter, a gap or a damaged packet; as for pictures (frame_times.py).
_STEP = 1
# More than a second of any codec: TrueHD has 1,200 packets in one. Bounds what is held of packets without times.
_MOST_HELD = 2000


class ContinuedClock:
    """Places packets of a clock that starts over behind the packets before, at their own distances.

    No container holds sound that goes back in time, and a converter would cut it off. A player plays packets in their
    order, so that is where they belong. Where a stream returns to its former clock, as behind a piece that is in the
    file twice, packets have their own times again.

    The first packets, and those that are further ahead, are held back for a second of sound. If the clock then goes
    back, their times were damaged; otherwise the film has no sound in front of them.

    Args:
        stream: the stream that the packets are of.

    Attributes:
        moved: packets that have no time of their own in the film.
    """

    def __init__(self, stream: Stream) -> None:
        self._step = round(_STEP / Fraction(stream.time_base or 1))
        self._held: list[Packet[Stream]] = []
        self._end: int | None = None
        self._offset = 0
        self.moved = 0

    def placed(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        """The packets whose times are known now.

        Args:
            packet: the stream's next one. Without a time, or cut out by an edit list, it keeps what it has.
        """
        start = None if packet.is_discard else _start(packet)
        if start is None:
            if self._held:
                yield from self._hold(packet)
            else:
                yield packet
            return
        if self._held:
            ahead = start - (_start(self._held[0]) or 0)
            if abs(ahead) <= self._step:
                yield from self._hold(packet)
                return
            yield from self._released(start if ahead < 0 else None)
        end = self._end
        if end is None:
            self._held = [packet]
            return
        # The clock that brings it nearer to the packet before: its own, or the continued one.
        self._offset = min(0, self._offset, key=lambda offset: abs(start + offset - end))
        if start + self._offset > end + self._step:
            self._held = [packet]
            return
        if start + self._offset < end - self._step:
            self._offset = end - start
        yield self._place(packet)

    def flush(self) -> Iterator[Packet[Stream]]:
        """The packets that are still held back."""
        return self._released(None)

    def _hold(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        self._held.append(packet)
        if len(self._held) > _MOST_HELD:
            yield from self._released(None)

    def _released(self, back_at: int | None) -> Iterator[Packet[Stream]]:
        """The packets that were held back.

        Args:
            back_at: the earlier time of the packet behind them, which proves theirs damaged; None for none.
        """
        held, self._held = self._held, []
        if held and back_at is not None:
            first = _start(held[0]) or 0
            length = max((_start(packet) or first) + (packet.duration or 0) for packet in held) - first
            self._offset = (back_at - length if self._end is None else self._end) - first
        for packet in held:
            yield self._place(packet)

    def _place(self, packet: Packet[Stream]) -> Packet[Stream]:
        start = None if packet.is_discard else _start(packet)
        if start is None:
            return packet
        if self._offset:
            self.moved += 1
            packet.pts = None if packet.pts is None else packet.pts + self._offset
            packet.dts = None if packet.dts is None else packet.dts + self._offset
        self._end = start + self._offset + (packet.duration or 0)
        return packet


def _start(packet: Packet[Stream]) -> int | None:
    return packet.pts if packet.pts is not None else packet.dts
