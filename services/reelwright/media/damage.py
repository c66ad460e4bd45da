"""What is wrong with a source and where: cut files, broken slices, and the error that names the place."""

from __future__ import annotations

import io
import zlib
from typing import IO

from reelwright.titles.errors import DamagedSource

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
# A film has a handful of top-level MP4 boxes, a fragmented one two per fragment; more is a hostile file.
_MAX_BOXES = 200_000


def damaged(where: str) -> DamagedSource:
    """The error for a frame that does not decode; `where` names the file and the time."""
    return DamagedSource(
        "the film is damaged here and a frame does not decode",
        where,
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
    """Bytes that a Matroska, MP4 or AVI file's own structure promises and the file lacks; 0 for a whole file.

    Reads the sizes of EBML elements (RFC 8794), ISO/IEC 14496-12 boxes and the first RIFF chunk, at the top level
    alone. Other containers state none, and give 0.
    """
    size = handle.seek(0, io.SEEK_END)
    handle.seek(0)
    head = handle.read(12)
    if head.startswith(_EBML):
        end = _ebml_end(handle)
    elif head[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"}:
        end = _boxes_end(handle, size)
    elif head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        end = _riff_end(head)
    else:
        end = 0
    return max(0, end - size)


def _riff_end(head: bytes) -> int:
    length = int.from_bytes(head[4:8], "little")
    # A recorder that could not seek back leaves the largest number, or one below it, in place of the size.
    return 8 + length if length < 0xFFFF0000 else 0


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
        slices = _slices(packet, trailer=8)
        if self._coded is None:
            # The sizes chain back to the packet's start with one length of trailer alone, even where samples are
            # damaged.
            plain = _slices(packet, trailer=3)
            self._coded = bool(slices) if bool(slices) != bool(plain) else None
        return bool(self._coded) and not (slices and all(map(_crc_fits, slices)))


def _slices(packet: bytes, trailer: int) -> list[bytes]:
    """The packet's slices with their trailers, last first; empty when their sizes do not add up to the packet."""
    slices, end = [], len(packet)
    while end > 0:
        size = int.from_bytes(packet[max(0, end - trailer) : end][:3], "big")
        start = end - trailer - size
        if start < 0 or not size:
            return []
        slices.append(packet[start:end])
        end = start
    return slices


def _crc_fits(coded: bytes) -> bool:
    # The CRC's polynomial is zlib's, most significant bit first and without inversion, hence the mirrored bytes and
    # the register that starts and ends at 0.
    return zlib.crc32(coded.translate(_REVERSED), 0xFFFFFFFF) == 0xFFFFFFFF
