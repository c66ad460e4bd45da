"""The ways a source's other streams travel into the film: as they are, as converted sound, as converted text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from typing import Protocol

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.filter import Graph
from av.packet import Packet
from av.stream import Stream
from av.subtitles.stream import SubtitleStream

from reelwright.media.types import StreamOutcome


class Carrier(Protocol):
    """Takes one source stream's packets into the film."""

    def packets(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        """The film's packets for the source's next one."""

    def flush(self) -> Iterator[Packet[Stream]]:
        """What is left after the last one."""

    def outcome(self) -> StreamOutcome:
        """What became of the stream so far."""


class PayloadDigest:
    """Counts packets and digests what they hold.

    The digest runs over the payloads as one, since MP4 regroups uncompressed sound. The empty text samples that MP4
    puts between subtitles are no content.
    """

    def __init__(self, codec: str) -> None:
        self._text = codec == "mov_text"
        self._sha = hashlib.sha256()
        self.packets = 0

    def add(self, packet: Packet[Stream]) -> None:
        """Takes a packet's payload in."""
        payload = memoryview(packet)
        if self._text and bytes(payload[:2]) == b"\0\0":
            return
        self.packets += 1
        self._sha.update(payload)

    def hexdigest(self) -> str:
        """SHA-256 so far, as hex."""
        return self._sha.hexdigest()


class Clock:
    """Moves a stream's packets to the film's time and keeps their DTS rising, as muxers demand.

    Args:
        shift: seconds from the source's time to the film's.
    """

    def __init__(self, shift: Fraction) -> None:
        self._shift = shift
        self._last: int | None = None

    def stamp(self, packet: Packet[Stream]) -> None:
        """Sets a packet's times, in its own time base."""
        ticks = round(self._shift / packet.time_base)
        known = packet.pts if packet.dts is None else packet.dts
        dts = (known or 0) + ticks
        if self._last is not None and dts <= self._last:
            dts = self._last + 1
        pts = dts if packet.pts is None else max(packet.pts + ticks, dts)
        packet.pts, packet.dts, self._last = pts, dts, dts


class Copy:
    """Copies packets as they are.

    Args:
        about: the stream's outcome, yet to be filled in.
        stream: the source's.
        target: the film's.
        clock: the film's time.
    """

    def __init__(self, about: StreamOutcome, stream: Stream, target: Stream, clock: Clock) -> None:
        self._about, self._target, self._clock = about, target, clock
        self._digest = PayloadDigest(about.codec)
        self._filter = _unwrapped_aac(stream)
        self._lost = 0

    def packets(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        """See Carrier."""
        try:
            parts = self._filter.filter(packet) if self._filter else [packet]
        except av.FFmpegError:
            self._lost += 1
            return
        for part in parts:
            self._clock.stamp(part)
            self._digest.add(part)
            part.stream = self._target
            yield part

    def flush(self) -> Iterator[Packet[Stream]]:
        """See Carrier."""
        return iter(())

    def outcome(self) -> StreamOutcome:
        """See Carrier."""
        update = {"outcome": "copied", "reason": _lost(self._lost), "packets": self._digest.packets}
        return self._about.model_copy(update={**update, "sha256": self._digest.hexdigest()})


class AudioConversion:
    """Decodes sound and encodes it anew; gaps become silence, so that what follows stays in sync.

    Args:
        about: the stream's outcome; its reason says why and into what.
        stream: the source's.
        target: the film's, with an encoder.
        clock: the film's time.
    """

    def __init__(self, about: StreamOutcome, stream: AudioStream, target: AudioStream, clock: Clock) -> None:
        self._about, self._stream, self._target, self._clock = about, stream, target, clock
        self._graph: Graph | None = None
        self._layout = ("", "", 0)
        self._packets = self._lost = 0

    def packets(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        """See Carrier."""
        self._clock.stamp(packet)
        try:
            frames = self._stream.decode(packet)
        except av.FFmpegError:
            self._lost += 1
            return
        for frame in frames:
            yield from self._frame(frame)

    def flush(self) -> Iterator[Packet[Stream]]:
        """See Carrier."""
        for frame in self._stream.decode(None):
            yield from self._frame(frame)
        yield from self._drain()
        yield from self._encode(None)

    def outcome(self) -> StreamOutcome:
        """See Carrier."""
        reason = self._about.reason + ("; " if self._lost else "") + _lost(self._lost)
        return self._about.model_copy(update={"outcome": "converted", "reason": reason, "packets": self._packets})

    def _frame(self, frame: AudioFrame) -> Iterator[Packet[Stream]]:
        layout = (frame.format.name, frame.layout.name, frame.sample_rate)
        if layout != self._layout:
            yield from self._drain()
            self._graph, self._layout = _gap_filler(frame), layout
        assert self._graph is not None
        self._graph.push(frame)
        yield from self._pull(self._graph)

    def _drain(self) -> Iterator[Packet[Stream]]:
        if self._graph is not None:
            self._graph.push(None)
            yield from self._pull(self._graph)

    def _pull(self, graph: Graph) -> Iterator[Packet[Stream]]:
        while True:
            try:
                frame = graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            assert isinstance(frame, AudioFrame)
            yield from self._encode(frame)

    def _encode(self, frame: AudioFrame | None) -> Iterator[Packet[Stream]]:
        for packet in self._target.encode(frame):
            self._packets += 1
            yield packet


class TextConversion:
    """Decodes text subtitles and writes them as the film's kind, with each one's own time.

    Args:
        about: the stream's outcome; its reason says why and into what.
        stream: the source's.
        target: the film's, with an encoder.
        clock: the film's time.
    """

    def __init__(self, about: StreamOutcome, stream: SubtitleStream, target: SubtitleStream, clock: Clock) -> None:
        self._about, self._stream, self._target, self._clock = about, stream, target, clock
        self._packets = self._lost = 0

    def packets(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        """See Carrier."""
        try:
            text = self._stream.codec_context.decode2(packet)
        except av.FFmpegError:
            self._lost += 1
            return
        if text is None or not len(text):
            return
        coded = self._target.codec_context.encode_subtitle(text)
        coded.time_base = packet.time_base
        coded.pts, coded.dts, coded.duration = packet.pts, packet.dts, packet.duration
        coded.stream = self._target
        self._clock.stamp(coded)
        self._packets += 1
        yield coded

    def flush(self) -> Iterator[Packet[Stream]]:
        """See Carrier."""
        return iter(())

    def outcome(self) -> StreamOutcome:
        """See Carrier."""
        reason = self._about.reason + ("; " if self._lost else "") + _lost(self._lost)
        return self._about.model_copy(update={"outcome": "converted", "reason": reason, "packets": self._packets})


def _gap_filler(frame: AudioFrame) -> Graph:
    graph = Graph()
    source = graph.add_abuffer(
        sample_rate=frame.sample_rate,
        format=frame.format.name,
        layout=frame.layout.name,
        time_base=frame.time_base or Fraction(1, frame.sample_rate),
    )
    # One sample per second of stretching is none; only gaps and overlaps beyond 0.1 s are filled or cut.
    graph.link_nodes(source, graph.add("aresample", "async=1"), graph.add("abuffersink")).configure()
    return graph


def _unwrapped_aac(stream: Stream) -> BitStreamFilterContext | None:
    """Broadcast AAC repeats its setup before each frame (ADTS), which files keep once.

    The muxers would unwrap it too, but then the digest would be of other bytes than the film holds.
    """
    context: object | None = stream.codec_context
    if context is None or stream.codec_context.name != "aac" or stream.codec_context.extradata:
        return None
    return BitStreamFilterContext("aac_adtstoasc", stream)


def _lost(packets: int) -> str:
    return f"{packets} damaged packets left out" if packets else ""
