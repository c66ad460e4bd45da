"""Copies a source's other streams into the film, packet by packet, each packet at its own time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from typing import Protocol

import av
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.packet import Packet
from av.stream import Stream
from typing_extensions import override

from reelwright.media.stream_outcome import StreamOutcome
from reelwright.media.stream_times import is_empty_text

# Decoders need the packets just before the first one that is heard: Opus 80 ms (RFC 7845, 4.6), AAC one frame.
PREROLL_SECONDS = Fraction(1, 10)


class StreamWriter(Protocol):
    """Writes the packets of one source stream into the film."""

    def packets(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        """The film's packets for the source's next one."""

    def flush(self, end: Fraction) -> Iterator[Packet[Stream]]:
        """The film's packets that are still held back after the source's last one.

        Args:
            end: when the film ends, in seconds on the film's clock.
        """

    def outcome(self) -> StreamOutcome:
        """What became of the stream so far."""


class PayloadDigest:
    """Counts packets and digests their payloads.

    The digest runs over all payloads as one, since MP4 regroups uncompressed sound. Empty text samples are no content.

    Attributes:
        packets: how many were added.
    """

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._sha = hashlib.sha256()
        self.packets = 0

    def add(self, packet: Packet[Stream]) -> None:
        """Adds a packet's payload."""
        if is_empty_text(packet, self._codec):
            return
        self.packets += 1
        self._sha.update(memoryview(packet))

    def hexdigest(self) -> str:
        """SHA-256 so far, as hex."""
        return self._sha.hexdigest()


class StreamClock:
    """Puts a stream's packets on the film's clock.

    Each time is rounded by itself to the film's unit. A packet is moved because of its neighbour only where the muxer
    refuses it otherwise, by the least unit; the next packet is again placed by its own time.

    Args:
        shift: seconds from the source's time to the film's.
        target: the film's stream; its unit is read when the first packet comes, after the header was written.
        strict: DTS must rise; otherwise they must not fall.
    """

    def __init__(self, shift: Fraction, target: Stream, *, strict: bool) -> None:
        self._shift, self._target, self._strict = shift, target, strict
        self._last: int | None = None

    def stamp(self, packet: Packet[Stream]) -> None:
        """Sets a packet's stream, unit, times and duration.

        A packet without any time follows the one before.
        """
        unit = Fraction(self._target.time_base or 1)
        scale, offset = packet.time_base / unit, self._shift / unit
        start = packet.pts if packet.pts is not None else packet.dts
        decoded = packet.dts if packet.dts is not None else packet.pts
        least = None if self._last is None else self._last + self._strict
        if start is None or decoded is None:
            dts = pts = least or 0
        else:
            pts, dts = round(start * scale + offset), round(decoded * scale + offset)
        dts = min(dts, pts)
        if least is not None and dts < least:
            dts, pts = least, max(pts, least)
        duration = round(packet.duration * scale) if packet.duration else 0
        packet.stream, packet.time_base = self._target, unit
        packet.pts, packet.dts, packet.duration = pts, dts, duration
        self._last = dts


class StreamCopy(StreamWriter):
    """Copies the packets of sound and data as they are.

    Packets that an edit list cuts out in front are left out, except the last ones before the first that is heard:
    a decoder needs them, and the film's container keeps them in front of its own start.

    Args:
        outcome: the stream's, yet to be filled in.
        stream: the source's.
        clock: puts packets on the film's clock.
        heard_from: when the first packet starts that is heard, in the stream's unit.
        ends_at: when an edit list ends the sound, in seconds; None for the last packet's end.
    """

    def __init__(
        self,
        outcome: StreamOutcome,
        stream: Stream,
        *,
        clock: StreamClock,
        heard_from: int = 0,
        ends_at: Fraction | None = None,
    ) -> None:
        self._outcome, self._clock, self._ends_at = outcome, clock, ends_at
        preroll = round(PREROLL_SECONDS / Fraction(stream.time_base or 1))
        self._preroll = range(heard_from - preroll, heard_from)
        self._digest = PayloadDigest(outcome.codec)
        self._filter = _aac_unwrapper(stream)
        self._lost = 0
        self._usual = _frame_ticks(stream)
        self._last: int | None = None

    @override
    def packets(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        if packet.is_discard and packet.pts not in self._preroll:
            return
        self._complete_duration(packet)
        if self._ends_at is not None and packet.pts is not None and packet.duration:
            # The container then ends the track there.
            rest = round(self._ends_at / packet.time_base) - packet.pts
            packet.duration = min(packet.duration, rest) if rest > 0 else packet.duration
        try:
            parts = self._filter.filter(packet) if self._filter else [packet]
        except av.FFmpegError:
            self._lost += 1
            return
        for part in parts:
            self._clock.stamp(part)
            self._digest.add(part)
            yield part

    def _complete_duration(self, packet: Packet[Stream]) -> None:
        """Gives a packet without a duration the usual one: MP4 does not play a last packet that lasts no time."""
        if packet.pts is not None and self._last is not None and packet.pts > self._last:
            self._usual = self._usual or packet.pts - self._last
        self._last = packet.pts
        packet.duration = packet.duration or self._usual

    @override
    def flush(self, end: Fraction) -> Iterator[Packet[Stream]]:
        # No packet is ever held back.
        return iter(())

    @override
    def outcome(self) -> StreamOutcome:
        return copied(self._outcome, self._digest, self._lost)


def _frame_ticks(stream: Stream) -> int:
    """How long a packet of a codec with frames of one length lasts, in the stream's unit; 0 where that is not known."""
    if not isinstance(stream, AudioStream) or not stream.codec_context.frame_size or not stream.sample_rate:
        return 0
    return round(Fraction(stream.codec_context.frame_size, stream.sample_rate) / Fraction(stream.time_base or 1))


def copied(outcome: StreamOutcome, digest: PayloadDigest, lost_packets: int) -> StreamOutcome:
    """The outcome of a stream that was copied."""
    update = {"outcome": "copied", "reason": lost(lost_packets), "damaged": lost_packets}
    return outcome.model_copy(update={**update, "packets": digest.packets, "sha256": digest.hexdigest()})


def lost(packets: int) -> str:
    """How many damaged packets are missing, for an outcome's reason; empty for none."""
    return f"{packets} damaged packets left out" if packets else ""


def _aac_unwrapper(stream: Stream) -> BitStreamFilterContext | None:
    """Broadcast AAC repeats its setup before each frame (ADTS); files keep it once.

    The muxers would unwrap it too, but then the digest would be of other bytes than the film holds.
    """
    context: object | None = stream.codec_context
    if context is None or stream.codec_context.name != "aac" or stream.codec_context.extradata:
        return None
    return BitStreamFilterContext("aac_adtstoasc", stream)
