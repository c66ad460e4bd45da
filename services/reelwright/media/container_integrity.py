"""Follows a container's own chain of elements beside the demuxer, which skips over broken ones in silence.

Matroska and AVI files are chains of elements that state their sizes. Where a header in that chain is damaged,
libavformat looks for the next thing it understands and frames are gone without a word; here it is found out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

# What a chain may hold (RFC 9559, section 5). Those in `_OPEN` are entered, all others stepped over.
_OPEN = {0x18538067, 0x1F43B675, 0xA0}  # Segment, Cluster, BlockGroup
_KNOWN = {
    *(0x1A45DFA3, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367),
    *(0xEC, 0xBF),  # Void, CRC-32
    *(0xE7, 0x5854, 0xA7, 0xAB, 0xA3, 0xAF),  # in a Cluster
    *(0xA1, 0xA2, 0x75A1, 0x9B, 0xFA, 0xFB, 0xFD, 0xA4, 0x75A2, 0x8E, 0xC8),  # in a BlockGroup
}
# No element is as long as a terabyte; a broken size may be longer than any file can be read at.
_LARGEST = 1 << 40
_LISTS = {b"RIFF", b"LIST"}
_LIST_KINDS = {b"AVI ", b"AVIX", b"hdrl", b"strl", b"movi", b"rec ", b"odml", b"INFO"}
_STREAM_CHUNKS = {b"db", b"dc", b"wb", b"pc", b"tx", b"sb", b"iv"}
_PLAIN_CHUNKS = {b"JUNK", b"PADD", b"idx1", b"avih", b"strh", b"strf", b"strn", b"strd", b"vprp", b"dmlh", b"indx"}

# The end of the element at an offset, or of its header where its content is a chain too; None for a broken header.
_Step = Callable[[IO[bytes], int], int | None]


class ContainerWalk:
    """Walks along a file as far as the demuxer has read.

    Args:
        handle: the file, not shared with the demuxer.
    """

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self._size = handle.seek(0, 2)
        handle.seek(0)
        self._step = _step_for(handle.read(12))
        self._at = 0

    def broken_before(self, offset: int | None) -> bool:
        """Whether the chain breaks between where the last call ended and `offset`; None stands for the file's end.

        After the first break there is no chain to follow, and the answer is False.
        """
        if self._step is None:
            return False
        target = self._size if offset is None else min(offset, self._size)
        while self._at < target:
            following = self._step(self._handle, self._at)
            # One byte more than there is: the padding of an AVI's last chunk, which no one misses.
            if following is None or following > self._size + 1:
                self._step = None
                return True
            self._at = following
        return False


def _step_for(head: bytes) -> _Step | None:
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return _ebml_step
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return _riff_step
    return None


def _ebml_step(handle: IO[bytes], at: int) -> int | None:
    name, size, header = _ebml_header(handle, at)
    if name in _OPEN:
        return at + header
    if size is None:
        return None
    end = at + header + size
    if name in _KNOWN:
        return end
    # An element of a later version of the format: sound if the chain goes on behind it.
    sound = name is not None and size < _LARGEST and _ebml_header(handle, end)[0] in _OPEN | _KNOWN
    return end if sound else None


def _ebml_header(handle: IO[bytes], at: int) -> tuple[int | None, int | None, int]:
    """Identifier, size of the content (None when unknown) and length of the header; no identifier where broken."""
    handle.seek(at)
    data = handle.read(12)
    if not data or data[0] < 0x10:
        return None, None, 0
    length = 9 - data[0].bit_length()
    rest = data[length:]
    if not rest or not rest[0]:
        return None, None, 0
    width = 9 - rest[0].bit_length()
    unknown = (1 << (7 * width)) - 1
    size = int.from_bytes(rest[:width], "big") & unknown
    return int.from_bytes(data[:length], "big"), None if size == unknown else size, length + width


def _riff_step(handle: IO[bytes], at: int) -> int | None:
    handle.seek(at)
    data = handle.read(12)
    name, size = data[:4], int.from_bytes(data[4:8], "little")
    if name in _LISTS and data[8:12] in _LIST_KINDS:
        # Text holds names of its own kind; the rest holds chunks.
        return at + 8 + size + (size & 1) if data[8:12] == b"INFO" else at + 12
    if not _is_chunk(name):
        return None
    end = at + 8 + size
    if not size & 1:
        return end
    # Chunks begin at even places, which some writers forget.
    handle.seek(end)
    return end if _is_chunk(handle.read(4)) else end + 1


def _is_chunk(name: bytes) -> bool:
    stream = (name[:2].isdigit() and name[2:] in _STREAM_CHUNKS) or (name[:2] == b"ix" and name[2:].isdigit())
    return stream or name in _PLAIN_CHUNKS or name in _LISTS
