"""Finds where a file goes on with another recording, and continues the clock there.

Transport and program streams have no header, so a file may hold several recordings one behind the other, each with its
own clock. Players play them through. As FFmpeg does (`ts_discontinuity_detect` in fftools/ffmpeg_demux.c), all streams
get one offset from the join on, so that they stay in step. Other than there, the joins are found before anything else
is read: a packet belongs to the recording in which it lies in the file, in whatever order the demuxer gives packets.

The 33-bit clock of a recording may wrap. libavformat continues it by the file's first packet; where that lies behind
the wrap, the times of other streams in front of it are far ahead, and are put right here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.stream import Stream

from reelwright.media.container import open_source, packets
from reelwright.media.joined_clock import (
    STEP_AHEAD,
    STEP_BACK,
    WRAP,
    WRAP_MARGIN,
    WRAP_UNIT,
    decoding_time,
    join_notes,
    unwrapped,
)
from reelwright.media.programmes import other_programmes, read_programmes
from reelwright.media.source_info import ClockJoin, SourceInfo
from reelwright.media.stream_choice import video_stream
from reelwright.telemetry.watchdog import heartbeat

# Seconds. Shorter than any recording: a clock that is back by then had damaged times.
_DAMAGED = 1
# Packets among which a recording's first picture is: more than any codec reorders.
_REORDERED = 32


@dataclass(frozen=True, slots=True)
class Recordings:
    """The recordings in a file.

    Attributes:
        joins: where those behind the first one begin, and first of all the file's start if its clock wraps there.
        duration: of all pictures on the continued clock, in seconds; 0 without a join.
    """

    joins: tuple[ClockJoin, ...] = ()
    duration: Fraction = Fraction(0)


def may_be_joined(container: InputContainer) -> bool:
    """Whether the container is one whose clock may start over within a file."""
    return bool(Flags(container.format.flags) & Flags.ts_discont)


def read_recordings(location: str, size: int) -> Recordings:
    """Reads a file to its end, in which there may be several recordings.

    Args:
        location: of the file.
        size: in bytes.

    Raises:
        InputError: the file cannot be read.
    """
    with open_source(location) as container:
        picture, sound = _clocks(container, location)
    joins = tuple(_joins(picture, sound, size))
    if not joins:
        return Recordings()
    return Recordings(joins, picture.end * picture.unit + joins[-1].offset - picture.start * picture.unit)


def with_recordings(info: SourceInfo) -> SourceInfo:
    """What `probe` found, and the joins of a file that was too large for it.

    Raises:
        InputError: the file cannot be read.
    """
    if info.joins is not None:
        return info
    found = read_recordings(info.location, info.size)
    if not found.joins:
        return info.model_copy(update={"joins": ()})
    video = info.video
    start, frames = video.start_pts, round(found.duration * video.average_rate)
    if found.joins[0].at_start:
        start = unwrapped(start, round(found.joins[0].clock / video.time_base), video.time_base)
    update = {
        "duration": float(found.duration),
        "video": video.model_copy(update={"frames_estimate": frames, "start_pts": start}),
    }
    notes = (*info.notes, *join_notes(found.joins, start * video.time_base))
    return info.model_copy(update={**update, "joins": found.joins, "notes": notes})


@dataclass(slots=True)
class _Jump:
    """Where a stream's clock jumps, in the stream's unit.

    Attributes:
        position: of the first packet behind it, in bytes.
        last: decoding time of the last packet before it.
        first: decoding time of the first packet behind it.
        end: when what was before it ends.
        start: when what is behind it starts.
    """

    position: int
    last: int
    first: int
    end: int
    start: int


class _StreamClock:
    """Follows the times of a stream's packets and notes where they jump."""

    def __init__(self, stream: Stream) -> None:
        self.index, self.unit = stream.index, Fraction(stream.time_base or 1)
        self.jumps: list[_Jump] = []
        # Time of the first packet behind each jump of the picture, by the jump's number.
        self.behind: dict[int, int] = {}
        self.start = self.end = 0
        # Whether the clock of the first recording wraps as libavformat gives it.
        self.wraps = False
        self._last: int | None = None
        self._wrapped = self._packets = 0

    def add(self, packet: Packet[Stream]) -> None:
        if packet.pts is None and packet.dts is None:
            return
        decoded = decoding_time(packet)
        shown = packet.pts if packet.pts is not None else decoded
        if self._last is None:
            self.start = self.end = shown
        else:
            decoded, shown = self._followed(packet, decoded, shown, self._last)
        self._last = decoded
        self._packets += 1
        if self._packets < _REORDERED:
            if self.jumps:
                self.jumps[-1].start = min(self.jumps[-1].start, shown)
            else:
                self.start = min(self.start, shown)
        self.end = max(self.end, shown + (packet.duration or 0))

    def _followed(self, packet: Packet[Stream], decoded: int, shown: int, last: int) -> tuple[int, int]:
        """The packet's times without a wrap of the clock; notes a jump."""
        near = unwrapped(decoded, self.jumps[-1].start if self.jumps else self.start, self.unit)
        if abs(near - last) * self.unit < WRAP_MARGIN:
            self._wrapped = near - decoded
            self.wraps |= near != decoded and not self.jumps
        continued = decoded + self._wrapped
        if -STEP_BACK <= (continued - last) * self.unit <= STEP_AHEAD:
            return continued, shown + self._wrapped
        self._wrapped = self._packets = 0
        if self.jumps and self._returns(self.jumps[-1], decoded, last):
            self.end = self.jumps.pop().end
        else:
            self.jumps.append(_Jump(packet.pos or 0, last=last, first=decoded, end=self.end, start=shown))
            self.end = shown
        return decoded, shown

    def turns_to(self, start: int) -> int:
        """Wraps of the clock between the first recording's start and a time of another stream, in the stream's unit."""
        began = self.unit == WRAP_UNIT and self._last is not None
        return round((start - self.start) / WRAP) if began else 0

    def align(self, start: int) -> None:
        """Brings the times of the first recording to the side of a wrap on which `start` is."""
        wraps = self.turns_to(start) * WRAP
        self.start += wraps
        if self.jumps:
            self.jumps[0].last += wraps
            self.jumps[0].end += wraps
        else:
            self.end += wraps
            self.behind = {number: time + wraps for number, time in self.behind.items()}

    @property
    def wrapped(self) -> int:
        """What the last packet's times were moved by, for a wrap."""
        return self._wrapped

    def _returns(self, jump: _Jump, decoded: int, last: int) -> bool:
        """Whether the clock is back where it was before the last jump: the times in between are damaged."""
        between = last - jump.first
        away = abs(decoded - jump.last - between)
        return between * self.unit < _DAMAGED and away * self.unit < _DAMAGED and away < abs(jump.first - jump.last) / 2


def _clocks(container: InputContainer, location: str) -> tuple[_StreamClock, list[_StreamClock]]:
    """Reads a file to its end: the clocks of the picture and of the sound that belongs to it."""
    main = video_stream(container, location)
    programmes = read_programmes(location) if container.format.name == "mpegts" else {}
    foreign = {pid for pids in other_programmes(programmes, main.id).values() for pid in pids}
    streams = [main, *(stream for stream in container.streams.audio if stream.id not in foreign)]
    clocks = {stream.index: _StreamClock(stream) for stream in streams}
    picture = clocks[main.index]
    # Damage is the decoder's to report.
    with suppress(av.FFmpegError, OSError):
        for packet in packets(container, *streams):
            heartbeat()
            clock = clocks[packet.stream.index]
            clock.add(packet)
            if clock is not picture and picture.jumps and (packet.pos or 0) > picture.jumps[-1].position:
                time = packet.pts if packet.pts is not None else packet.dts
                clock.behind.setdefault(len(picture.jumps) - 1, (time or 0) + clock.wrapped)
    return picture, [clock for clock in clocks.values() if clock is not picture]


def _joins(picture: _StreamClock, sound: Sequence[_StreamClock], size: int) -> Iterator[ClockJoin]:
    clocks = (picture, *sound)
    if any(clock.wraps or clock.turns_to(picture.start) for clock in clocks):
        # Near zero, as libavformat counts where a file's first packet lies in front of the wrap.
        near = picture.start - round(picture.start / WRAP) * WRAP
        for clock in clocks:
            clock.align(near)
        begin = near * picture.unit
        yield ClockJoin(time=begin, clock=begin, offset=Fraction(0), positions={picture.index: 0})
    offset = Fraction(0)
    for number, jump in enumerate(picture.jumps):
        positions = {picture.index: jump.position}
        # Behind the stream that ends last, so that none overlaps with what was before.
        overlaps = [(jump.end - jump.start) * picture.unit]
        for clock in sound:
            own = _own_jump(clock, picture, number)
            if own is not None:
                positions[clock.index] = own.position
                overlaps.append((own.end - own.start) * clock.unit)
            elif _goes_on(clock, picture, number):
                positions[clock.index] = size
        offset += max(overlaps)
        start = jump.start * picture.unit
        yield ClockJoin(time=start + offset, clock=start, offset=offset, positions=positions)


def _own_jump(clock: _StreamClock, picture: _StreamClock, number: int) -> _Jump | None:
    """The jump of a stream's clock that belongs to a jump of the picture's: about as long, and nearest in the file."""
    jump = picture.jumps[number]
    before = picture.jumps[number - 1].position if number else 0
    after = picture.jumps[number + 1].position if number + 1 < len(picture.jumps) else None
    length = (jump.first - jump.last) * picture.unit
    matching = [
        own
        for own in clock.jumps
        if before < own.position
        and (after is None or own.position < after)
        and abs((own.first - own.last) * clock.unit - length) < abs(length) / 2
    ]
    return min(matching, key=lambda own: abs(own.position - jump.position), default=None)


def _goes_on(clock: _StreamClock, picture: _StreamClock, number: int) -> bool:
    """Whether a stream without a jump is nearer to the picture's clock before a jump than to that behind it."""
    if number not in clock.behind:
        return False
    jump, time = picture.jumps[number], clock.behind[number] * clock.unit
    return abs(time - jump.end * picture.unit) < abs(time - jump.start * picture.unit)
