"""Checks a file's own structure beside the demuxer, which skips what it does not understand and does not say so.

Matroska, AVI and MP4 files are chains of elements that state their sizes. A chain is broken where something that the
film needs is missing: a frame's header that cannot be read, or an end that lies behind the file's. Elements that are
not known here, and bytes behind the film, are stepped over; `unknown_parts` names them.
"""

from __future__ import annotations

import io
from typing import IO, Protocol

from reelwright.media.ebml import EBML
from reelwright.media.matroska_chain import MatroskaChain, has_ordered_chapters, segment_end
from reelwright.media.riff import RiffChain, is_avi, riff_extras, riff_missing
from reelwright.telemetry.watchdog import heartbeat

_EBML = EBML.to_bytes(4)
# GUID of the header object, which begins an ASF file (Advanced Systems Format specification, 10.1).
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
# Top-level boxes of ISO/IEC 14496-12 and QuickTime. The film needs the first group to be whole.
_NEEDED_BOXES = {b"ftyp", b"styp", b"sidx", b"moov", b"mdat", b"moof", b"mfra"}
_OTHER_BOXES = {
    b"free",
    b"skip",
    b"wide",
    b"uuid",
    b"meta",
    b"udta",
    b"pdin",
    b"prft",
    b"ssix",
    b"emsg",
    b"pnot",
    b"junk",
}
# A film has a handful of top-level MP4 boxes, a fragmented one two per fragment; more is a hostile file.
_MAX_BOXES = 200_000
_BLOCK = 1 << 20
# Lengths of an MPEG transport packet: plain, with a time code in front (M2TS), with error correction behind.
_TS_PACKETS = (188, 192, 204)
# What lies behind a transport stream's last picture is looked at up to this length.
_MAX_TAIL = 16 << 20


class _Chain(Protocol):
    unknown: dict[str, None]

    def step(self, at: int) -> int | None:
        """Offset of the next element; the file's size where the film's part of it ends; None where it is broken."""


class ContainerWalk:
    """Walks along a Matroska or AVI file as far as the demuxer has read. Other files have no chain to follow.

    Args:
        handle: the file, not shared with the demuxer.
    """

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self._size = handle.seek(0, io.SEEK_END)
        self._chain = _chain_of(handle, self._size)
        self._at = 0
        self._unknown: dict[str, None] = self._chain.unknown if self._chain else {}

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of the elements stepped over so far that are not known here."""
        return tuple(self._unknown)

    def broken_before(self, offset: int | None) -> bool:
        """Whether the chain breaks between where the last call ended and `offset`; None stands for the file's end.

        After the first break there is no chain to follow, and the answer is False.
        """
        if self._chain is None:
            return False
        target = self._size if offset is None else min(offset, self._size)
        while self._at < target:
            # A reading that begins in the middle walks to there in one call.
            heartbeat()
            following = self._chain.step(self._at)
            # One byte more than there is: the padding of an AVI's last chunk, which nothing needs.
            if following is None or following > self._size + 1:
                self._chain = None
                return True
            self._at = following
        return False

    def film_follows(self, offset: int) -> bool:
        """Whether a part of the film may lie behind what the demuxer could not read.

        Args:
            offset: where the last packet that it did read begins.

        Returns:
            False where only foreign bytes follow, as far as this format shows it (an MPEG transport stream).
        """
        self._handle.seek(offset)
        data = self._handle.read(_MAX_TAIL)
        stride = next((size for size in _TS_PACKETS if data[: 3 * size : size] == b"\x47" * 3), None)
        if stride is None or len(data) == _MAX_TAIL:
            return True
        end = next((at for at in range(0, len(data), stride) if data[at] != 0x47), len(data))
        return any(data[at : at + 3 * stride : stride] == b"\x47" * 3 for at in range(end, len(data) - 2 * stride))


def missing_bytes(handle: IO[bytes]) -> int:
    """Bytes that a Matroska, MP4 or AVI file's own structure states and the file lacks; 0 for a whole file.

    Reads the sizes of EBML elements (RFC 8794), ISO/IEC 14496-12 boxes and RIFF chunks, at the top level alone. Other
    containers state none, and give 0.
    """
    size, head = _beginning(handle)
    if head.startswith(_EBML):
        end = segment_end(handle)
        return max(0, end - size) if end is not None else 0
    if is_avi(head):
        return riff_missing(handle, size)
    return max(0, _boxes(handle, size)[1] - size) if _is_mp4(head) else 0


def second_matroska(handle: IO[bytes]) -> int | None:
    """Where another Matroska file begins behind a whole one; None where none does.

    FFmpeg reads on into it, and its clock starts over.
    """
    size, head = _beginning(handle)
    end = segment_end(handle) if head.startswith(_EBML) else None
    if end is None or end >= size:
        return None
    handle.seek(end)
    return end if handle.read(len(_EBML)) == _EBML else None


def unknown_parts(handle: IO[bytes]) -> tuple[str, ...]:
    """Sentences that name what lies in a whole file beside the film: unknown elements, and bytes behind its end."""
    size, head = _beginning(handle)
    names: tuple[str, ...] = ()
    end: int | None = size
    if head.startswith(_EBML):
        end = segment_end(handle)
    elif is_avi(head):
        names, end = riff_extras(handle, size)
    elif _is_mp4(head):
        names, end = _boxes(handle, size)
    elif head.startswith(_ASF[: len(head)]):
        end = _asf_end(handle, size)
    notes = [f"parts of the file that are not known here were stepped over: {', '.join(names)}"] if names else []
    if head.startswith(_EBML) and has_ordered_chapters(handle):
        notes.append("its chapters are ordered: players show parts of it in another order, the film keeps the file's")
    if end is not None and end < size:
        notes.append(f"{size - end} bytes behind the film are not part of it ({_described(handle, end)})")
    return tuple(notes)


def _beginning(handle: IO[bytes]) -> tuple[int, bytes]:
    """The file's size and its first twelve bytes."""
    size = handle.seek(0, io.SEEK_END)
    handle.seek(0)
    return size, handle.read(12)


def _chain_of(handle: IO[bytes], size: int) -> _Chain | None:
    head = _beginning(handle)[1]
    if head.startswith(_EBML):
        return MatroskaChain(handle, size)
    return RiffChain(handle, size) if is_avi(head) else None


def _described(handle: IO[bytes], at: int) -> str:
    """What bytes behind a film are, by how they begin."""
    handle.seek(at)
    data = handle.read(4096)
    if data.count(0) == len(data):
        return "zeros"
    if data.startswith((b"ID3", b"TAG", b"APETAGEX")):
        return "a tag of the ID3 or APE kind"
    if data.startswith((b"RIFF", _EBML, _ASF)) or data[4:8] == b"ftyp":
        return "another file"
    return "text" if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in data[:256]) else "unknown data"


def _is_mp4(head: bytes) -> bool:
    return head[4:8] in _NEEDED_BOXES | _OTHER_BOXES


def _boxes(handle: IO[bytes], size: int) -> tuple[tuple[str, ...], int]:
    """Names of unknown top-level boxes, and the offset where the last box ends that belongs to the film.

    Bytes that are no box, and an unknown box that is longer than the file, end the film: text and tags of other
    formats look like that. So does a second file behind a whole one, which players ignore; of fragmented files they
    play on.
    """
    names: dict[str, None] = {}
    seen: set[bytes] = set()
    second: int | None = None
    at = 0
    for _ in range(_MAX_BOXES):
        handle.seek(at)
        header = handle.read(16)
        name = header[4:8]
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if name in _NEEDED_BOXES and length == 0:
            # The last box: it reaches to the end of the file.
            return tuple(names), size
        is_box = len(header) >= 8 and length >= 8 and all(0x20 <= byte < 0x7F for byte in name)
        if not is_box or (at + length > size and name not in _NEEDED_BOXES):
            return tuple(names), min(at, size)
        if name == b"ftyp" and second is None and {b"moov", b"mdat"} <= seen:
            second = at
        if name not in _NEEDED_BOXES | _OTHER_BOXES:
            names[name.decode()] = None
        seen.add(name)
        at += length
        if at >= size:
            break
    return tuple(names), at if second is None or b"moof" in seen else second


def _asf_end(handle: IO[bytes], size: int) -> int:
    """Where a second ASF file begins, by the sizes of the first one's objects; the file's size where none is seen."""
    at = 0
    for _ in range(_MAX_BOXES):
        handle.seek(at)
        header = handle.read(24)
        if at and header.startswith(_ASF):
            return at
        length = int.from_bytes(header[16:24], "little")
        # A damaged size may be smaller than the object's own header, or lead behind the file.
        if length < len(header) or at + length >= size:
            break
        at += length
    return size
