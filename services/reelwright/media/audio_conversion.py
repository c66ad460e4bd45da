"""Converts sound that the film's container cannot hold, or whose edits a copy cannot express."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
from typing_extensions import override

from reelwright.media.container_support import container_holds
from reelwright.media.edited_sound import EditedSound
from reelwright.media.profiles import ProfileSpec
from reelwright.media.stream_copy import StreamWriter, lost
from reelwright.media.stream_outcome import StreamOutcome

# Per channel: 256 kbit/s for stereo, where AAC is transparent to most listeners.
_AAC_BIT_RATE = 128_000
_COMMON_RATE = 48_000
# FFmpeg's defaults by number of channels (av_channel_layout_default).
_USUAL_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
# Gaps and overlaps from here on are filled or cut, in seconds. Clocks of whole milliseconds jitter; the parts of an
# edit list are placed to the sample.
_GAP, _GAP_BETWEEN_EDITS = 0.1, 0.001


def convert_audio(
    stream: AudioStream,
    film: OutputContainer,
    *,
    spec: ProfileSpec,
    outcome: StreamOutcome,
    shift: Fraction,
    edited: EditedSound | None,
) -> AudioConversion | None:
    """Adds sound to the film in the profile's own codec.

    Args:
        stream: the source's.
        film: the film; its header is not written yet.
        spec: its profile.
        outcome: the stream's, with the reason why it is converted.
        shift: seconds from the source's time to the film's.
        edited: reads the sound in place of `stream` where an edit list cuts it; None for no edit list.

    Returns:
        The conversion; None where the codec takes no such sound.
    """
    own = _layout(stream)
    for layout in dict.fromkeys((own, "stereo")):
        add = partial(_add_audio, stream=stream, spec=spec, layout=layout)
        if container_holds(spec, add):
            mixed = "" if layout == own else ", mixed down to stereo"
            reason = f"{outcome.reason}; now {spec.audio}{mixed}"
            return AudioConversion(
                outcome.model_copy(update={"reason": reason}), stream, target=add(film), shift=shift, edited=edited
            )
    return None


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


class AudioConversion(StreamWriter):
    """Decodes sound and encodes it anew; gaps become silence, so that what follows stays in sync.

    Args:
        outcome: the stream's; its reason says why it is converted and into what.
        stream: the source's.
        target: the film's, with an encoder; also an attribute.
        shift: seconds from the source's time to the film's.
        edited: see `convert_audio`.
    """

    def __init__(
        self,
        outcome: StreamOutcome,
        stream: AudioStream,
        *,
        target: AudioStream,
        shift: Fraction,
        edited: EditedSound | None,
    ) -> None:
        self._outcome, self._stream, self.target = outcome, stream, target
        self._shift, self._edited = shift, edited
        self._graph: Graph | None = None
        self._format = ("", "", 0)
        self._packets = self._lost = self._following = 0

    @override
    def packets(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        for frame in self._decoded(packet):
            yield from self._resampled(frame)

    @override
    def flush(self, end: Fraction) -> Iterator[Packet[Stream]]:
        # Sound ends by itself, whatever `end` is.
        for frame in self._edited.until(None) if self._edited else self._stream.decode(None):
            yield from self._resampled(frame)
        yield from self._drained()
        yield from self._encoded(None)

    @override
    def outcome(self) -> StreamOutcome:
        missing = self._edited.lost if self._edited else self._lost
        reason = self._outcome.reason + ("; " if missing else "") + lost(missing)
        update = {"outcome": "converted", "reason": reason, "packets": self._packets, "damaged": missing}
        return self._outcome.model_copy(update=update)

    def _decoded(self, packet: Packet[Stream]) -> Iterable[AudioFrame]:
        if self._edited is not None:
            # Read as far as the source is, so that the film's muxer need not hold one stream back.
            time = packet.pts if packet.pts is not None else packet.dts
            return () if time is None else self._edited.until(time * packet.time_base)
        try:
            return self._stream.decode(packet)
        except av.FFmpegError:
            self._lost += 1
            return ()

    def _resampled(self, frame: AudioFrame) -> Iterator[Packet[Stream]]:
        sound = (frame.format.name, frame.layout.name, frame.sample_rate)
        if sound != self._format:
            yield from self._drained()
            gap = _GAP_BETWEEN_EDITS if self._edited else _GAP
            self._graph, self._format = _gap_filler(frame, gap), sound
        assert self._graph is not None
        self._graph.push(frame)
        yield from self._filtered(self._graph)

    def _drained(self) -> Iterator[Packet[Stream]]:
        if self._graph is not None:
            self._graph.push(None)
            yield from self._filtered(self._graph)

    def _filtered(self, graph: Graph) -> Iterator[Packet[Stream]]:
        while True:
            try:
                frame = graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            assert isinstance(frame, AudioFrame)
            assert frame.time_base is not None, "the filter counts in samples"
            # What a decoder still held at the end has no time of its own and follows what it gave before.
            shift = round(self._shift / frame.time_base)
            frame.pts = self._following if frame.pts is None else frame.pts + shift
            self._following = frame.pts + frame.samples
            yield from self._encoded(frame)

    def _encoded(self, frame: AudioFrame | None) -> Iterator[Packet[Stream]]:
        for packet in self.target.encode(frame):
            # The FLAC encoder's last packet is empty: it has the stream's checksum beside it.
            self._packets += bool(packet.size)
            yield packet


def _gap_filler(frame: AudioFrame, gap: float) -> Graph:
    graph = Graph()
    source = graph.add_abuffer(
        sample_rate=frame.sample_rate,
        format=frame.format.name,
        layout=frame.layout.name,
        time_base=frame.time_base or Fraction(1, frame.sample_rate),
    )
    # No stretching: only what is longer than the gap is filled with silence or cut.
    resampler = graph.add("aresample", f"async=1:min_hard_comp={gap}")
    graph.link_nodes(source, resampler, graph.add("abuffersink")).configure()
    return graph
