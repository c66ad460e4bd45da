"""Reads the chunks of an AVI file (Microsoft RIFF, with the OpenDML extension for files above 1 GiB)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

# Lists whose content is chunks of the film: frames and sound lie in `movi`, sometimes grouped in `rec `.
_FILM_LISTS = {b"movi", b"rec "}
# Chunks that the formats define. They are not listed as unknown; no chunk is refused for missing here.
_DEFINED = {b"LIST", b"JUNK", b"PADD", b"idx1", b"avih", b"strh", b"strf", b"strn", b"strd", b"vprp", b"dmlh", b"indx"}
# A recorder that could not seek back leaves 0 or a number near the largest one in place of a size.
_LARGEST_SIZE = 0xFFFF0000
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk's header.

    Attributes:
        at: offset of the header in the file.
        name: four characters.
        length: bytes of the content, as stated.
        kind: the list's own name, for `RIFF` and `LIST`; otherwise the first bytes of the content.
    """

    at: int
    name: bytes
    length: int
    kind: bytes

    @property
    def end(self) -> int:
        """Offset behind the content, without padding."""
        return self.at + 8 + self.length

    @property
    def of_stream(self) -> bool:
        """Whether it holds a stream's data (`00dc`, `01wb`, `00__`) or the index of one (`ix00`)."""
        return self.name[:2].isdigit() or (self.name[:2] == b"ix" and self.name[2:].isdigit())


def is_avi(head: bytes) -> bool:
    """Whether a file that begins with `head` (12 bytes) is an AVI file."""
    return head.startswith(b"RIFF") and head[8:12] == b"AVI "


def read_chunk(handle: IO[bytes], at: int) -> Chunk | None:
    """The chunk that begins at an offset; None where no four printable characters and a size stand."""
    handle.seek(at)
    data = handle.read(12)
    if len(data) < 8 or not all(0x20 <= byte < 0x7F for byte in data[:4]):
        return None
    return Chunk(at, data[:4], int.from_bytes(data[4:8], "little"), data[8:12])


def following(handle: IO[bytes], chunk: Chunk) -> int:
    """Offset of the next chunk. Chunks begin at even offsets, which some writers forget."""
    if chunk.length & 1 and read_chunk(handle, chunk.end) is None:
        return chunk.end + 1
    return chunk.end


def riff_missing(handle: IO[bytes], size: int) -> int:
    """Bytes of the film that an AVI file states and does not hold.

    A RIFF that ends behind the file is whole all the same when its chunks fill the file exactly: some writers count
    the header's own 8 bytes.
    """
    at = 0
    while (riff := read_chunk(handle, at)) is not None and riff.name == b"RIFF" and riff.kind in {b"AVI ", b"AVIX"}:
        if not 0 < riff.length < _LARGEST_SIZE:
            return 0
        if riff.end > size:
            last = list(_children(handle, riff.at + 12, size))[-1:]
            return 0 if last and last[0].end == size else riff.end - size
        at = following(handle, riff)
    return 0


def riff_extras(handle: IO[bytes], size: int) -> tuple[tuple[str, ...], int]:
    """Names of chunks outside `movi` that no specification defines, and the offset where the last RIFF ends."""
    names: dict[str, None] = {}
    at = 0
    while (riff := read_chunk(handle, at)) is not None and riff.name == b"RIFF" and riff.kind in {b"AVI ", b"AVIX"}:
        end = min(riff.end, size) if 0 < riff.length < _LARGEST_SIZE else size
        for chunk in _children(handle, at + 12, end):
            if chunk.kind == b"movi" and not 0 < chunk.length < _LARGEST_SIZE:
                return tuple(names), size
            inner = _children(handle, chunk.at + 12, chunk.end) if chunk.kind == b"hdrl" else ()
            names |= {found.name.decode(): None for found in (chunk, *inner) if found.name not in _DEFINED}
        at = max(following(handle, riff), at + 8) if end < size else size
    return tuple(names), at


def _children(handle: IO[bytes], at: int, end: int) -> Iterator[Chunk]:
    while at + 8 <= end and (chunk := read_chunk(handle, at)) is not None:
        yield chunk
        at = following(handle, chunk)


class RiffChain:
    """Steps from chunk to chunk through an AVI file.

    Args:
        handle: the file.
        size: its length in bytes.

    Attributes:
        unknown: names of the chunks stepped over that no specification defines, in order.
    """

    def __init__(self, handle: IO[bytes], size: int) -> None:
        self._handle, self._size = handle, size
        self._riff_end = 0
        # Where the frames end; the size of the file where the header does not say.
        self._film_end: int | None = None
        self.unknown: dict[str, None] = {}

    def step(self, at: int) -> int | None:
        """Offset of the chunk after the one at `at`, or of the first chunk in it; None where the chain is broken.

        What lies behind the film is not part of the chain: the answer is then the size of the file.
        """
        chunk = read_chunk(self._handle, at)
        if chunk is None:
            return self._gap(at)
        behind = at >= self._riff_end
        if chunk.name == b"RIFF" and chunk.kind in {b"AVI ", b"AVIX"} and behind:
            self._riff_end = chunk.end if 0 < chunk.length < _LARGEST_SIZE else self._size
            self._film_end = None
            return at + 12
        if behind and not chunk.of_stream:
            return self._size
        if chunk.name == b"LIST" and chunk.kind in _FILM_LISTS:
            if chunk.kind == b"movi":
                self._film_end = chunk.end if 0 < chunk.length < _LARGEST_SIZE else None
            return at + 12
        if chunk.of_stream and self._film_end is not None and at >= self._film_end + 8:
            # The stated size was written before the recording was complete.
            self._film_end = None
        return self._after(chunk)

    def _after(self, chunk: Chunk) -> int | None:
        """The end of a chunk; None for an unknown one behind which no other chunk begins."""
        after = following(self._handle, chunk)
        if chunk.of_stream or chunk.name in _DEFINED:
            return after
        if after < self._size and read_chunk(self._handle, after) is None:
            return None
        self.unknown[chunk.name.decode()] = None
        return after

    def _gap(self, at: int) -> int | None:
        """Where the walk goes on from an offset at which no chunk begins."""
        if at >= self._riff_end:
            return self._size
        if self._film_end is None:
            return self._size if self._only_zeros(at) else None
        return min(self._riff_end, self._size) if at >= self._film_end else None

    def _only_zeros(self, at: int) -> bool:
        """Whether nothing but zeros follows: space that a recorder reserved and did not use."""
        self._handle.seek(at)
        while block := self._handle.read(_BLOCK):
            if block.count(0) != len(block):
                return False
        return True
