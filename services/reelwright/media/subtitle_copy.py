"""Copies subtitles, and gives those without an end one: the next subtitle's start or the film's end."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from av.packet import Packet
from av.stream import Stream

from reelwright.media.stream_copy import PayloadDigest, StreamClock, copied
from reelwright.media.stream_times import is_empty_text
from reelwright.media.types import StreamOutcome


class SubtitleEnds:
    """Bounds the duration of subtitles that have none, or an endless one.

    Such a subtitle is held back until a later one starts; several that start together end together.

    Args:
        longest: seconds; a longer duration is an endless one. It is the length of the film.
    """

    def __init__(self, longest: Fraction) -> None:
        self._longest = longest
        self._held: list[Packet[Stream]] = []

    def bounded(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        """The packets whose ends are known now, in order. An edit list's cut is applied.

        Args:
            packet: the stream's next one, with the source's times.
        """
        start = packet.pts if packet.pts is not None else packet.dts
        if start is None:
            return
        packet.pts, packet.dts = start, start
        if packet.is_discard and not _trim_to_zero(packet):
            return
        while self._held and _start(self._held[0]) < _start(packet):
            yield self._ended(self._held.pop(0), _start(packet))
        if self._held or self._is_open(packet):
            self._held.append(packet)
        else:
            yield packet

    def flush(self, end: Fraction) -> Iterator[Packet[Stream]]:
        """The packets held back; those without an end last until `end`, in seconds on the source's clock."""
        for packet in self._held:
            yield self._ended(packet, max(round(end / packet.time_base), _start(packet) + 1))
        self._held = []

    def _is_open(self, packet: Packet[Stream]) -> bool:
        return not packet.duration or packet.duration * packet.time_base > self._longest

    def _ended(self, packet: Packet[Stream], end: int) -> Packet[Stream]:
        if self._is_open(packet):
            packet.duration = end - _start(packet)
        return packet


class SubtitleCopy:
    """Copies the packets of subtitles, each with its own start and with an end.

    Args:
        outcome: the stream's, yet to be filled in.
        clock: puts packets on the film's clock.
        shift: seconds from the source's time to the film's.
        longest: seconds; a longer duration is an endless one.
    """

    def __init__(self, outcome: StreamOutcome, clock: StreamClock, shift: Fraction, longest: Fraction) -> None:
        self._outcome, self._clock, self._shift = outcome, clock, shift
        self._ends = SubtitleEnds(longest)
        self._digest = PayloadDigest(outcome.codec)

    def packets(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        """See StreamWriter."""
        # The muxer writes the empty samples of an MP4 text track itself.
        if is_empty_text(packet, self._outcome.codec):
            return
        for part in self._ends.bounded(packet):
            yield self._stamped(part)

    def flush(self, end: Fraction) -> Iterator[Packet[Stream]]:
        """See StreamWriter."""
        for part in self._ends.flush(end - self._shift):
            yield self._stamped(part)

    def outcome(self) -> StreamOutcome:
        """See StreamWriter."""
        return copied(self._outcome, self._digest, 0)

    def _stamped(self, packet: Packet[Stream]) -> Packet[Stream]:
        self._clock.stamp(packet)
        self._digest.add(packet)
        return packet


def _start(packet: Packet[Stream]) -> int:
    assert packet.pts is not None, "every packet was given a time"
    return packet.pts


def _trim_to_zero(packet: Packet[Stream]) -> bool:
    """Shortens a subtitle that an edit list cuts in front; False when nothing of it is left."""
    end = _start(packet) + (packet.duration or 0)
    if not _start(packet) < 0 < end:
        return False
    packet.pts = packet.dts = 0
    packet.duration = end
    return True
