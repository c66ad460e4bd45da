"""The packets of a source's sound, subtitles and data, as they are put into the film."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Stream

from reelwright.media.container_integrity import ContainerWalk
from reelwright.media.continued_clock import ContinuedClock
from reelwright.media.joined_clock import JoinedClock
from reelwright.media.source_file import open_file
from reelwright.media.source_info import SourceInfo
from reelwright.media.stream_outcome import StreamOutcome
from reelwright.media.stream_times import PacketTimes, TimedStream
from reelwright.media.streams import OtherStreams, codec_name
from reelwright.media.tags import disposition_names


class OtherPackets:
    """Iterates once over the packets for the film, in decoding order.

    Args:
        container: the source, from its start.
        source: what probe found in it.
        streams: what becomes of each of its streams.
        picture: index of the picture's stream.

    Attributes:
        timed: sound and subtitles as they were read, by index; empty before the iteration.
        notes: sentences for the person: what could not be read.
    """

    def __init__(self, container: InputContainer, source: SourceInfo, streams: OtherStreams, picture: int) -> None:
        self._container, self._source, self._streams, self._picture = container, source, streams, picture
        self.timed: dict[int, TimedStream] = {}
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[Packet[Stream]]:
        wanted = [stream for stream in self._container.streams if stream.index in self._streams.writers]
        for stream in self._container.streams:
            if stream.index not in self._streams.writers:
                stream.discard = Discard.all
        self.timed = {
            stream.index: TimedStream(
                kind=stream.type,
                times=PacketTimes(stream, codec_name(stream)),
                tags=dict(stream.metadata),
                dispositions=disposition_names(stream.disposition),
            )
            for stream in wanted
            if stream.type in {"audio", "subtitle"}
        }
        clocks = {stream.index: ContinuedClock(stream) for stream in wanted if stream.type == "audio"}
        joined = JoinedClock(self._source.joins or (), self._picture)
        for packet in self._read(wanted):
            index = packet.stream.index
            joined.place(packet)
            for placed in clocks[index].placed(packet) if index in clocks else (packet,):
                yield from self._written(placed, index)
        for index, clock in clocks.items():
            for placed in clock.flush():
                yield from self._written(placed, index)
            self.timed[index].times.continued = clock.moved
        # A subtitle may last until the film's end, which is not known yet.
        for stream in wanted:
            if stream.type != "subtitle":
                yield from self._streams.writers[stream.index].flush(Fraction(0))

    def last_subtitles(self, end: Fraction) -> Iterator[Packet[Stream]]:
        """The subtitles that last until the film's end, in seconds."""
        for index, writer in self._streams.writers.items():
            if self._container.streams[index].type == "subtitle":
                yield from writer.flush(end)

    def outcomes(self) -> tuple[StreamOutcome, ...]:
        """What became of every stream, in the source's order."""
        return self._streams.outcomes()

    def _read(self, wanted: list[Stream]) -> Iterator[Packet[Stream]]:
        if not wanted:
            return
        position = 0
        try:
            for packet in self._container.demux(wanted):
                if packet.size:
                    position = packet.pos or position
                    yield packet
        except av.FFmpegError as error:
            with open_file(self._source.location) as handle:
                if not ContainerWalk(handle).film_follows(position):
                    return
            self.notes.append(f"the source's other streams could not be read to their end: {error.strerror}")

    def _written(self, packet: Packet[Stream], index: int) -> Iterator[Packet[Stream]]:
        if index in self.timed:
            self.timed[index].times.add(packet)
        return self._streams.writers[index].packets(packet)
