"""How a source's other streams travel into the film, and what their copies are told by."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from fractions import Fraction
from math import ceil
from typing import Protocol

import av
from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from reelwright.media.profiles import ProfileSpec
from reelwright.media.types import StreamOutcome

# Tags that describe the old file and not the film in it.
_OF_THE_FILE = {
    "major_brand",
    "minor_version",
    "compatible_brands",
    "encoder",
    "duration",
    "bps",
    "number_of_frames",
    "number_of_bytes",
    "vendor_id",
    "timecode",
}
# MP4 counts sound in samples. Times closer than one of the slowest sound's would be one time there, which it refuses.
_LEAST_STEP = Fraction(1, 8000)


class StreamWriter(Protocol):
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
        if self._last is not None:
            dts = max(dts, self._last + ceil(_LEAST_STEP / packet.time_base))
        pts = dts if packet.pts is None else max(packet.pts + ticks, dts)
        packet.pts, packet.dts, self._last = pts, dts, dts


class StreamCopy:
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
        update = {"outcome": "copied", "reason": lost(self._lost), "packets": self._digest.packets}
        return self._about.model_copy(update={**update, "sha256": self._digest.hexdigest()})


def _unwrapped_aac(stream: Stream) -> BitStreamFilterContext | None:
    """Broadcast AAC repeats its setup before each frame (ADTS), which files keep once.

    The muxers would unwrap it too, but then the digest would be of other bytes than the film holds.
    """
    context: object | None = stream.codec_context
    if context is None or stream.codec_context.name != "aac" or stream.codec_context.extradata:
        return None
    return BitStreamFilterContext("aac_adtstoasc", stream)


def lost(packets: int) -> str:
    """How many damaged packets are missing, for an outcome's reason; empty for none."""
    return f"{packets} damaged packets left out" if packets else ""


def holds(spec: ProfileSpec, add: Callable[[OutputContainer], object]) -> bool:
    """Whether libavformat writes a header of this container with the stream that `add` adds."""
    trial = av.open(io.BytesIO(), "w", format=spec.container)
    try:
        add(trial)
        trial.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    finally:
        with suppress(av.FFmpegError, ValueError):
            trial.close()
    return True


def dressed(target: Stream, stream: Stream) -> Stream:
    """Gives the film's stream the source stream's language, title and role."""
    target.disposition = stream.disposition
    target.metadata.update(kept_metadata(stream.metadata))
    return target


def kept_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Tags that are about the film, not about the file that held it."""
    return {
        key: value
        for key, value in metadata.items()
        if key.lower() not in _OF_THE_FILE
        and not key.startswith("_STATISTICS")
        and not (key.lower() == "handler_name" and value.endswith("Handler"))
    }
