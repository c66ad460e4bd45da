"""Closed captions inside the picture's stream (EIA-608 and CTA-708): found in the source, and put into the film's.

They travel as ATSC A/53 user data, part 4, 6.2.3: in MPEG-2 behind the picture header, in H.264, HEVC and AV1 as a
registered ITU-T T.35 message. Each message belongs to the picture whose packet holds it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import cast

import av
from av.packet import Packet
from av.sidedata.sidedata import SideData
from av.stream import Discard
from av.video.stream import VideoStream

from reelwright.media.container import open_source, packets
from reelwright.media.joined_clock import JoinedClock
from reelwright.media.source_info import ClockJoin
from reelwright.media.stream_choice import video_stream

_ATSC = b"\xb5\x00\x31GA94"
_CAPTIONS, _BARS = b"\x03", b"\x06"
_ACTIVE_FORMAT = b"DTG1"
_CODECS = {"mpeg2video", "h264", "hevc"}
# No codec reorders more pictures; captions older than that found no picture.
_REORDERED = 64
_SEI_T35 = 4
_H264_SEI, _HEVC_SEI = b"\x06", b"\x4e\x01"
_AV1_METADATA, _AV1_T35 = 0x2A, b"\x04"
_AV1_BEFORE = {1, 2}
# 31 triplets and what is around them.
_LONGEST = 128


def caption_data(payload: bytes, codec: str) -> bytes:
    """The caption bytes that a packet holds, three for each pair of characters; empty for none.

    Args:
        payload: the packet's.
        codec: of the stream, FFmpeg's name.
    """
    found = b""
    for message in _messages(payload, codec):
        count = message[1] & 0x1F if message[:1] == _CAPTIONS and len(message) > 3 else 0
        # Bit 6 says that the data are to be processed; byte 2 is reserved.
        if count and message[1] & 0x40:
            found += message[3 : 3 + 3 * count]
    return found


def other_user_data(payload: bytes, codec: str) -> set[str]:
    """What else of A/53's user data a packet holds, which no film carries: active format description, bar data."""
    found = {"bar data" for message in _messages(payload, codec) if message[:1] == _BARS}
    return found | ({"active format description"} if codec in _CODECS and _ACTIVE_FORMAT in payload else set())


def with_captions(payload: bytes, codec: str, captions: bytes) -> bytes:
    """A packet of the film with a message of captions before its picture.

    Args:
        payload: the packet's: H.264 or HEVC in units with lengths of 4 bytes, or AV1 in units with sizes.
        codec: of the film.
        captions: as `caption_data` gives them, at most 31 triplets.
    """
    count = len(captions) // 3
    message = _ATSC + _CAPTIONS + bytes([0x40 | count, 0xFF]) + captions + b"\xff"
    if codec == "av1":
        unit = _AV1_T35 + message + b"\x80"
        at = _first_av1_picture(payload)
        return payload[:at] + bytes([_AV1_METADATA]) + _leb128(len(unit)) + unit + payload[at:]
    header = _H264_SEI if codec == "h264" else _HEVC_SEI
    body = bytes([_SEI_T35]) + b"\xff" * (len(message) // 255) + bytes([len(message) % 255]) + message + b"\x80"
    unit = header + _escaped(body)
    at = _first_picture(payload, codec)
    return payload[:at] + len(unit).to_bytes(4, "big") + unit + payload[at:]


class CaptionReader(AbstractContextManager["CaptionReader"]):
    """Reads the captions of a source beside its other streams, as far as the film has been written.

    Args:
        location: of the source.
        joins: where it goes on with another recording.

    Attributes:
        found: pictures with captions so far.
        named: other user data that was seen and is not carried.
    """

    def __init__(self, location: str, joins: Sequence[ClockJoin] = ()) -> None:
        self._open = ExitStack()
        container = self._open.enter_context(open_source(location))
        stream = video_stream(container, location)
        self._codec = stream.codec_context.codec.canonical_name
        self._clock = JoinedClock(joins, stream.index)
        self._packets = self._read(packets(container, stream)) if self._codec in _CODECS else iter(())
        self._held: dict[int, bytes] = {}
        self._read_to: int | None = None
        self.found = 0
        self.named: set[str] = set()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    def of_picture(self, pts: int) -> bytes:
        """The captions of the picture with this time in the source's unit; empty for none.

        Called in the film's decoding order; what lies far behind is forgotten.
        """
        while pts not in self._held and (self._read_to is None or self._read_to <= pts):
            if not next(self._packets, False):
                break
        captions = self._held.pop(pts, b"")
        while len(self._held) > 2 * _REORDERED:
            del self._held[min(self._held)]
        return captions

    def _read(self, source: Iterator[Packet[VideoStream]]) -> Iterator[bool]:
        try:
            for packet in source:
                self._clock.place(packet)
                payload = bytes(packet)
                self.named |= other_user_data(payload, self._codec)
                captions = caption_data(payload, self._codec)
                if captions and packet.pts is not None and not packet.is_discard:
                    self._held[packet.pts] = captions
                    self.found += 1
                self._read_to = packet.dts if packet.dts is not None else packet.pts
                yield True
        except av.FFmpegError:
            # Damage is the decoder's to report.
            return


def caption_digest(path: str) -> tuple[int, str]:
    """Pictures with captions in a film, and SHA-256 over all of them in decoding order, as hex."""
    sha, count = hashlib.sha256(), 0
    with open_source(path) as container:
        stream = video_stream(container, path)
        codec = stream.codec_context.codec.canonical_name
        for packet in packets(container, stream):
            if captions := caption_data(bytes(packet), codec):
                sha.update(captions)
                count += 1
    return count, sha.hexdigest()


def has_captions(location: str) -> bool:
    """Whether a source's picture holds captions: a message in one of its packets, text or none.

    A source without captions is read to its end: a broadcast may begin without them.
    """
    with open_source(location) as container:
        stream = video_stream(container, location)
        codec = stream.codec_context.codec.canonical_name
        if codec not in _CODECS:
            return False
        for other in container.streams:
            other.discard = Discard.default if other.index == stream.index else Discard.all
        try:
            return any(caption_data(bytes(packet), codec) for packet in packets(container, stream))
        except av.FFmpegError:
            return False


def has_caption_data(frame: av.VideoFrame) -> bool:
    """Whether a decoded picture comes with caption data."""
    return any(data.type.name == "A53_CC" for data in cast("Iterable[SideData]", frame.side_data))


def holds_captions(codec: str) -> bool:
    """Whether captions can be put into a film of this codec."""
    return codec in {"h264", "hevc", "av1"}


def _messages(payload: bytes, codec: str) -> Iterator[bytes]:
    """The A/53 messages of a packet, from the byte that gives their kind."""
    if b"GA94" not in payload:
        return
    if codec == "mpeg2video":
        at = payload.find(b"\0\0\1\xb2GA94")
        while at >= 0:
            yield payload[at + 8 : at + 8 + _LONGEST]
            at = payload.find(b"\0\0\1\xb2GA94", at + 8)
        return
    plain = payload if codec == "av1" else payload.replace(b"\0\0\3", b"\0\0")
    at = plain.find(_ATSC)
    while at >= 0:
        yield plain[at + len(_ATSC) : at + len(_ATSC) + _LONGEST]
        at = plain.find(_ATSC, at + len(_ATSC))


def _first_picture(payload: bytes, codec: str) -> int:
    """Where the first unit that codes a picture begins."""
    at = 0
    while at + 5 <= len(payload):
        kind = payload[at + 4] & 0x1F if codec == "h264" else payload[at + 4] >> 1 & 0x3F
        if 1 <= kind <= 5 if codec == "h264" else kind < 32:
            return at
        at += 4 + int.from_bytes(payload[at : at + 4], "big")
    return 0


def _first_av1_picture(payload: bytes) -> int:
    at = 0
    while at < len(payload) and (payload[at] >> 3 & 15) in _AV1_BEFORE and payload[at] & 2:
        cursor = at + (2 if payload[at] & 4 else 1)
        size = shift = 0
        while True:
            size |= (payload[cursor] & 0x7F) << shift
            shift += 7
            cursor += 1
            if not payload[cursor - 1] & 0x80:
                break
        at = cursor + size
    return at


def _escaped(body: bytes) -> bytes:
    """With emulation prevention bytes (ISO/IEC 14496-10, 7.4.1)."""
    out, zeros = bytearray(), 0
    for byte in body:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


def _leb128(value: int) -> bytes:
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        out.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(out)
