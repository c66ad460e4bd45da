"""Converts sound and text subtitles that the film's container cannot hold."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from typing import cast

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec import Codec
from av.container import OutputContainer
from av.filter import Graph
from av.packet import Packet
from av.stream import Stream
from av.subtitles.stream import SubtitleStream

from reelwright.media.profiles import ProfileSpec
from reelwright.media.stream_copy import Clock, StreamWriter, dressed, holds, lost
from reelwright.media.types import StreamOutcome

# Per channel: 256 kbit/s for stereo, where AAC is transparent to most listeners.
_AAC_BIT_RATE = 128_000
_COMMON_RATE = 48_000
# FFmpeg's defaults by number of channels (av_channel_layout_default).
_USUAL_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


def convert_audio(
    stream: AudioStream, film: OutputContainer, spec: ProfileSpec, about: StreamOutcome, clock: Clock
) -> StreamWriter | StreamOutcome:
    """Adds sound that the container cannot hold in the profile's own codec; left out where that takes no such sound."""
    own = _layout(stream)
    for layout in dict.fromkeys((own, "stereo")):
        add = partial(_add_audio, stream=stream, spec=spec, layout=layout)
        if holds(spec, add):
            mixed = "" if layout == own else ", mixed down to stereo"
            reason = f"{about.codec} does not play from {spec.suffix[1:]} files; now {spec.audio}{mixed}"
            target = cast("AudioStream", dressed(add(film), stream))
            return AudioConversion(about.model_copy(update={"reason": reason}), stream, target, clock)
    return about


def _layout(stream: AudioStream) -> str:
    """The stream's channel layout; the usual one where the container only counts channels."""
    name = stream.layout.name
    return _USUAL_LAYOUTS.get(stream.layout.nb_channels, "stereo") if name.endswith("channels") else name


def _add_audio(film: OutputContainer, stream: AudioStream, spec: ProfileSpec, layout: str) -> AudioStream:
    codec = Codec(spec.audio, "w")
    rate = stream.sample_rate
    if codec.audio_rates and rate not in codec.audio_rates:
        rate = _COMMON_RATE
    target = cast("AudioStream", film.add_stream(spec.audio, rate=rate))
    target.codec_context.layout = layout
    formats = [known.name for known in codec.audio_formats or ()]
    own = stream.format.packed.name
    target.codec_context.format = own if own in formats else formats[-1]
    if spec.audio == "aac":
        target.codec_context.bit_rate = _AAC_BIT_RATE * target.codec_context.channels
    return target


def convert_text(
    stream: SubtitleStream, film: OutputContainer, spec: ProfileSpec, about: StreamOutcome, clock: Clock
) -> StreamWriter:
    """Adds text subtitles that the container cannot hold as its own kind."""
    target = cast("SubtitleStream", film.add_stream(spec.subtitles))
    target.time_base = stream.time_base
    stream.codec_context.open(strict=False)
    # The encoders take the styles that the decoder found as an ASS header.
    target.codec_context.subtitle_header = stream.codec_context.subtitle_header
    reason = f"{spec.suffix[1:]} files hold no {about.codec}; now {spec.subtitles}"
    about = about.model_copy(update={"reason": reason})
    return TextConversion(about, stream, cast("SubtitleStream", dressed(target, stream)), clock)


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
        reason = self._about.reason + ("; " if self._lost else "") + lost(self._lost)
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
        reason = self._about.reason + ("; " if self._lost else "") + lost(self._lost)
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
