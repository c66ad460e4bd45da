"""What is wrong with a source and where: cut files, broken slices, and the error that names the place."""

from __future__ import annotations

import io
import zlib
from fractions import Fraction
from typing import IO

from reelwright.titles.errors import DamagedSource

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
# A film has a handful of top-level MP4 boxes, a fragmented one two per fragment; more is a hostile file.
_MAX_BOXES = 200_000


def timestamp(seconds: Fraction) -> str:
    """`hh:mm:ss.mmm`, with a minus sign before the film's start."""
    total = round(abs(seconds) * 1000)
    text = f"{total // 3_600_000:02}:{total // 60_000 % 60:02}:{total // 1000 % 60:02}.{total % 1000:03}"
    return f"-{text}" if seconds < 0 and total else text


def damaged(location: str, seconds: Fraction) -> DamagedSource:
    """The error for a frame that does not decode at `seconds` of the film."""
    return DamagedSource(
        "the film is damaged here and a frame does not decode",
        f"{location} at {timestamp(seconds)}",
        "use a better copy, or set on_damage=conceal to let the frame before stand in",
    )


def cut_short(location: str, missing: int) -> DamagedSource:
    """The error for a file whose end is missing."""
    return DamagedSource(
        f"the file ends in the middle: {missing} bytes that its header promises are not there",
        location,
        "copy the whole file again, or set on_damage=conceal to restore the film up to the cut",
    )


def missing_bytes(handle: IO[bytes]) -> int:
    """Bytes that a Matroska or MP4 file's own structure promises and the file does not have; 0 for a whole file.

    Reads RFC 8794 (EBML) element sizes and ISO/IEC 14496-12 box sizes at the top level alone. Other containers
    state no size that can be trusted, and give 0.
    """
    size = handle.seek(0, io.SEEK_END)
    handle.seek(0)
    head = handle.read(12)
    if head.startswith(_EBML):
        end = _ebml_end(handle)
    elif head[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"}:
        end = _boxes_end(handle, size)
    else:
        end = 0
    return max(0, end - size)


def _ebml_end(handle: IO[bytes]) -> int:
    handle.seek(len(_EBML))
    header = _ebml_size(handle)
    if header is None:
        return 0
    handle.seek(header, io.SEEK_CUR)
    if handle.read(len(_SEGMENT)) != _SEGMENT:
        return 0
    segment = _ebml_size(handle)
    return 0 if segment is None else handle.tell() + segment


def _ebml_size(handle: IO[bytes]) -> int | None:
    """An element's size, or None when it is unknown (a live recording) or unreadable."""
    first = handle.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()
    value = int.from_bytes(first + handle.read(length - 1), "big") & ((1 << (7 * length)) - 1)
    return None if value == (1 << (7 * length)) - 1 else value


def _boxes_end(handle: IO[bytes], size: int) -> int:
    end = 0
    for _ in range(_MAX_BOXES):
        handle.seek(end)
        header = handle.read(16)
        if len(header) < 8:
            return end
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        # 0 means "to the end of the file"; less than a header is damage that the demuxer will meet.
        if length < 8:
            return 0
        end += length
        if end >= size:
            return end
    return 0


class SliceChecks:
    """Checks the CRC of every slice of an FFV1 version 3 stream (RFC 9043, 4.9.3).

    FFmpeg's decoder hides a slice whose CRC is wrong behind the previous frame's and tells no one but its log.
    """

    def __init__(self) -> None:
        self._coded: bool | None = None

    def broken(self, packet: bytes) -> bool:
        """Whether a slice of the frame does not match its CRC; False for a stream that carries none."""
        whole = _slices_match(packet)
        if self._coded is None:
            self._coded = whole
        return self._coded and not whole


def _slices_match(packet: bytes) -> bool:
    """Whether the packet is a chain of slices, each ending in its size, a status byte and a CRC that fits."""
    end = len(packet)
    while end > 0:
        if end < 8:
            return False
        start = end - 8 - int.from_bytes(packet[end - 8 : end - 5], "big")
        # The CRC's polynomial is zlib's, most significant bit first and without inversion, hence the mirrored
        # bytes and the register that starts and ends at 0.
        if start < 0 or zlib.crc32(packet[start:end].translate(_REVERSED), 0xFFFFFFFF) != 0xFFFFFFFF:
            return False
        end = start
    return bool(packet)
