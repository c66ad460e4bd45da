"""Copies subtitles in order, and gives those without an end one: the next subtitle's start or the film's end."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from av.packet import Packet
from av.stream import Stream
from typing_extensions import override

from reelwright.media.stream_copy import PayloadDigest, StreamClock, StreamWriter, copied
from reelwright.media.stream_outcome import StreamOutcome
from reelwright.media.stream_times import is_empty_text

# Two Matroska blocks that follow one another have no more bytes than this between their payloads.
_BLOCK_HEADERS = 64


class SubtitleEnds:
    """Puts subtitles in the order of their starts, and bounds the duration of those that have none, or an endless one.

    A subtitle without an end is held back until a later one starts; several that start together end together.

    libavformat guesses the times of subtitles without a duration that start together at the beginning of a stream: it
    gives each the first duration it finds, and shows them one after the other (update_initial_durations in demux.c).
    Subtitles behind them in the file may start earlier, so the guessed ones are held back too.

    Args:
        longest: seconds; a longer duration is an endless one.

    Attributes:
        timeless: packets that the source gives no time, so that no film can show them.
    """

    def __init__(self, longest: Fraction) -> None:
        self._longest = longest
        self.timeless = 0
        self._held: list[Packet[Stream]] = []
        self._reached: int | None = None
        self._guess_after: _PacketPosition | None = None

    def bounded(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        """The packets whose ends are known now, in order. An edit list's cut is applied.

        Args:
            packet: the stream's next one, with the source's times.
        """
        start = packet.pts if packet.pts is not None else packet.dts
        if start is None:
            self.timeless += 1
            return
        packet.pts, packet.dts = start, start
        if packet.is_discard and not _trim_to_zero(packet):
            return
        insort(self._held, packet, key=_start)
        reached = self._read_up_to(packet)
        while self._held and _start(self._held[0]) <= reached:
            if self._is_open(self._held[0]) and _start(self._held[0]) == reached:
                break
            yield self._first_held(reached)

    def flush(self, end: Fraction) -> Iterator[Packet[Stream]]:
        """The packets held back; those without an end last until `end`, in seconds on the source's clock."""
        while self._held:
            first = self._held[0]
            yield self._first_held(max(round(end / first.time_base), _start(first) + 1))

    def _read_up_to(self, packet: Packet[Stream]) -> int:
        """The time before which no later packet starts. A packet whose time may be guessed does not move it."""
        position = _PacketPosition.of(packet)
        if self._reached is None:
            self._reached, self._guess_after = _start(packet), position
        elif self._guess_after is not None and self._guess_after.may_guess(position):
            self._guess_after = position
        else:
            self._reached, self._guess_after = max(self._reached, _start(packet)), None
        return self._reached

    def _first_held(self, end: int) -> Packet[Stream]:
        """Takes the first packet; one without an end lasts until a later one starts, or else until `end`."""
        packet = self._held.pop(0)
        if self._is_open(packet):
            later = bisect_right(self._held, _start(packet), key=_start)
            packet.duration = (_start(self._held[later]) if later < len(self._held) else end) - _start(packet)
        return packet

    def _is_open(self, packet: Packet[Stream]) -> bool:
        return not packet.duration or packet.duration * packet.time_base > self._longest


@dataclass(frozen=True, slots=True)
class _PacketPosition:
    """Where a packet lies in time and in the file.

    Attributes:
        start: in the stream's unit.
        duration: the same; 0 if unknown.
        position: offset in the file, in bytes; -1 if unknown.
        size: in bytes.
    """

    start: int
    duration: int
    position: int
    size: int

    @classmethod
    def of(cls, packet: Packet[Stream]) -> _PacketPosition:
        return cls(_start(packet), packet.duration or 0, -1 if packet.pos is None else packet.pos, packet.size)

    def may_guess(self, following: _PacketPosition) -> bool:
        """Whether the time of the packet that follows this one may be guessed.

        It then has the same duration, starts where this one ends, and lies right behind it in the file; between two
        subtitles that really follow one another lie the pictures of that time.
        """
        if not self.duration or self.position < 0 or following.position < 0:
            return False
        adjacent = following.position - self.position <= self.size + _BLOCK_HEADERS
        return adjacent and following.duration == self.duration and following.start == self.start + self.duration


class SubtitleCopy(StreamWriter):
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

    @override
    def packets(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        # The muxer writes the empty samples of an MP4 text track itself.
        if is_empty_text(packet, self._outcome.codec):
            return
        for part in self._ends.bounded(packet):
            yield self._stamped(part)

    @override
    def flush(self, end: Fraction) -> Iterator[Packet[Stream]]:
        for part in self._ends.flush(end - self._shift):
            yield self._stamped(part)

    @override
    def outcome(self) -> StreamOutcome:
        outcome = copied(self._outcome, self._digest, 0)
        return outcome.model_copy(update={"reason": without_time(self._ends.timeless)})

    def _stamped(self, packet: Packet[Stream]) -> Packet[Stream]:
        self._clock.stamp(packet)
        self._digest.add(packet)
        return packet


def without_time(packets: int) -> str:
    """How many subtitles are missing because the source gives them no time, for an outcome's reason; empty for none."""
    return f"{packets} subtitles without a time left out" if packets else ""


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
