"""Begins to read a film in the middle, where that gives the same frames as reading it from the start.

Nothing of what the pipeline finds in a shot depends on the shots before it (`media.shots` says why cuts do not). So
what a reading needs to know where it begins is the number of the frame. The rest is the decoder's: its pictures must
not depend on packets before a key frame, and nothing in the file may have been repaired or left out, because what is
repaired depends on the frames before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from reelwright.media.container import packets
from reelwright.titles.errors import InternalError

# Seconds. Encoders set a key frame every ten seconds or more often; a reading cannot be stopped on the way from it.
_MOST_SKIPPED = 30
_MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
_CONTAINERS = {_MP4, "matroska,webm"}
# Whose key frames need nothing of the packets before them. FFV1 sets its statistics back there (RFC 9043, 3.8.1.3), and
# in the others each packet stands alone.
_RESET = {"ffv1", "prores", "mjpeg", "dnxhd"}
# FFmpeg decodes streams of x264 up to this version by a message that is in the first packet alone (h264_direct.c).
_SEI, _EARLY_X264, _X264 = 6, 33, re.compile(rb"x264 - core (\d{1,9})")
# NAL unit types of pictures that no later one looks behind (IDR), and of parameter sets: Rec. ITU-T H.264, table 7-1;
# Rec. ITU-T H.265, table 7-1. Then where the header states how long the lengths of units are: ISO/IEC 14496-15,
# 5.3.3.1.2 and 8.3.2.1.
_NAL_TYPES = {"h264": ({5}, {7, 8, 13, 15}), "hevc": ({19, 20}, {32, 33, 34})}
_LENGTH_AT = {"h264": 4, "hevc": 21}


class SeekFailed(InternalError):
    """A reading that began in the middle may differ from one from the start, which is then to be made."""

    temporary = True


@dataclass(frozen=True, slots=True)
class SeekPoint:
    """The first frame of a shot, where a reading begins.

    Attributes:
        index: of the frame in the title.
        pts: of the frame, in the stream's time base.
        origin: PTS of the title's first frame, from which people count.
    """

    index: int
    pts: int
    origin: int


class KeyFrames:
    """Watches whether the key frames of a stream need nothing of the packets before them.

    Args:
        container: the open source.
        stream: the stream that is decoded.

    Attributes:
        stand_alone: whether those that were watched so far do. False for a container or codec where it is not known.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        context = stream.codec_context
        self._codec, setup = context.codec.canonical_name, context.extradata or b""
        self._length = 0
        at = _LENGTH_AT.get(self._codec)
        # FFmpeg decodes lossless 4:4:4 of early versions of x264 by a message in the stream's first packet.
        if at is not None and setup[:1] == b"\1" and len(setup) > at and "4:4:4" not in (context.profile or ""):
            self._length = 1 + (setup[at] & 3)
        self._parameters: tuple[bytes, ...] | None = None
        self.stand_alone = container.format.name in _CONTAINERS and (self._codec in _RESET or self._length > 0)

    def watch(self, packet: Packet[VideoStream]) -> None:
        """Notes the next packet: parameter sets must be the header's alone, or the same in every key frame."""
        if self.stand_alone and self._length:
            key, parameters = self._examined(packet)
            if key and self._parameters is None:
                self._parameters = parameters
            self.stand_alone = parameters == (self._parameters if key else ()) and not self._is_early_x264(packet)

    def is_key_frame(self, packet: Packet[VideoStream]) -> bool:
        """Whether no picture from a packet on refers to one before it."""
        return self.stand_alone and packet.is_keyframe and (not self._length or self._examined(packet)[0])

    def _examined(self, packet: Packet[VideoStream]) -> tuple[bool, tuple[bytes, ...]]:
        """Whether a packet is an IDR picture, and the parameter sets in it."""
        idr, sets = _NAL_TYPES[self._codec]
        found = [(_nal_type(unit, self._codec), unit) for unit in _units(memoryview(packet), self._length)]
        return any(kind in idr for kind, _ in found), tuple(bytes(unit) for kind, unit in found if kind in sets)

    def _is_early_x264(self, packet: Packet[VideoStream]) -> bool:
        if self._codec != "h264":
            return False
        messages = (unit for unit in _units(memoryview(packet), self._length) if _nal_type(unit, "h264") == _SEI)
        builds = (int(found[1]) for unit in messages for found in _X264.finditer(unit))
        return any(build <= _EARLY_X264 for build in builds)


def seek(container: InputContainer, stream: VideoStream, point: SeekPoint) -> None:
    """Moves a container to the key frame before a frame.

    Raises:
        SeekFailed: there is none, or one that pictures may look behind.
    """
    # An MP4 file of fragments lists the samples of none, or of the first one.
    if container.format.name == _MP4 and stream.frames <= point.index:
        raise SeekFailed("the file's index does not reach the frame")
    try:
        container.seek(point.pts, stream=stream)
        packet = next(packets(container, stream), None)
        container.seek(point.pts, stream=stream)
    except (av.FFmpegError, OSError) as error:
        raise SeekFailed(f"the file cannot be sought in: {error}") from None
    if packet is None or packet.pts is None or packet.pts > point.pts:
        raise SeekFailed("the file's index names no key frame before the frame")
    if (point.pts - packet.pts) * packet.time_base > _MOST_SKIPPED:
        raise SeekFailed("the key frame before the frame is far from it")
    if not KeyFrames(container, stream).is_key_frame(packet):
        raise SeekFailed("pictures may refer to others before the key frame")


def check_total(container: InputContainer, stream: VideoStream, frames: int) -> None:
    """Compares the number of frames of a title, known at its end, with the samples that its MP4 file lists.

    Raises:
        SeekFailed: they differ.
    """
    # Samples that an edit list cuts off at the end are not among them.
    listed = len(stream.index_entries)
    if container.format.name == _MP4 and listed != frames:
        raise SeekFailed(f"the file lists {listed} frames, and {frames} were read")


def _units(data: memoryview, length: int) -> Iterator[memoryview]:
    """The NAL units of a packet, each behind its length of so many bytes."""
    at = 0
    while at + length < len(data):
        size = int.from_bytes(data[at : at + length], "big")
        yield data[at + length : at + length + size]
        at += length + size


def _nal_type(unit: memoryview, codec: str) -> int:
    if not unit:
        return 0
    return unit[0] & 0x1F if codec == "h264" else unit[0] >> 1 & 0x3F
