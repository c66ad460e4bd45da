"""The one thing libavformat's Matroska muxer cannot be told through PyAV: the shape of the picture's samples.

FFV1 in Matroska carries no sample aspect ratio that players read, so the container must (RFC 9559, 5.1.4.1.28).
The muxer writes the picture's track with a name that is longer than it should be by ROOM characters; afterwards that
room takes the display ratio, in place, and nothing after it moves.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import IO

from reelwright.titles.errors import InternalError

ROOM = " " * 40
# Element identifiers (RFC 9559, section 5; RFC 8794, section 11 for CRC-32 and Void).
_EBML, _SEGMENT, _TRACKS, _TRACK, _NAME, _VIDEO = 0x1A45DFA3, 0x18538067, 0x1654AE6B, 0xAE, 0x536E, 0xE0
_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT, _CRC, _VOID = 0x54B0, 0x54BA, 0x54B2, 0xBF, 0xEC
_UNIT_RATIO = 3


def set_display_ratio(path: Path, ratio: Fraction) -> None:
    """Writes the display aspect ratio of a film whose picture's track is named with ROOM at the end.

    Raises:
        InternalError: the file is not laid out as the muxer lays it out.
        OSError: it cannot be written.
    """
    with path.open("r+b") as file:
        start, size = _find(file, _EBML, _TRACKS)
        file.seek(start)
        tracks = _patched(file.read(size), ratio)
        if len(tracks) != size:
            raise InternalError("the Matroska muxer laid its tracks out in another way than expected")
        file.seek(start)
        file.write(tracks)


def _find(file: IO[bytes], header: int, wanted: int) -> tuple[int, int]:
    """Place and size of the wanted element's content among the segment's."""
    identifier, size = _head(file)
    if identifier != header:
        raise InternalError("not a Matroska file")
    file.seek(size, 1)
    if _head(file)[0] != _SEGMENT:
        raise InternalError("a Matroska file without a segment")
    while (found := _head(file))[0] != wanted:
        file.seek(found[1], 1)
    return file.tell(), found[1]


def _patched(tracks: bytes, ratio: Fraction) -> bytes:
    parts = []
    for identifier, head, content in _children(tracks):
        children = list(_children(content)) if identifier == _TRACK else []
        if any(child == _NAME and value.endswith(ROOM.encode()) for child, _, value in children):
            parts.append(head + _with_ratio(content, ratio))
        elif identifier != _CRC:
            parts.append(head + content)
    body = b"".join(parts)
    return _element(_CRC, zlib.crc32(body).to_bytes(4, "little")) + body


def _with_ratio(track: bytes, ratio: Fraction) -> bytes:
    """The track's content at the same length: what the name gives up goes to the picture, the rest is void."""
    parts = []
    for identifier, head, content in _children(track):
        if identifier == _NAME:
            name = content.removesuffix(ROOM.encode())
            parts.append(_element(_NAME, name) if name else b"")
        elif identifier == _VIDEO:
            parts.append(_element(_VIDEO, _picture(content, ratio)))
        else:
            parts.append(head + content)
    body = b"".join(parts)
    return body + _element(_VOID, bytes(len(track) - len(body) - 2))


def _picture(video: bytes, ratio: Fraction) -> bytes:
    kept = b"".join(head + content for child, head, content in _children(video) if child != _DISPLAY_UNIT)
    return (
        kept
        + _element(_DISPLAY_WIDTH, ratio.numerator.to_bytes(4, "big"))
        + _element(_DISPLAY_HEIGHT, ratio.denominator.to_bytes(4, "big"))
        + _element(_DISPLAY_UNIT, bytes([_UNIT_RATIO]))
    )


def _children(content: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Identifier, head and content of each element, in order."""
    stream = BytesIO(content)
    while (start := stream.tell()) < len(content):
        identifier, size = _head(stream)
        yield identifier, content[start : stream.tell()], stream.read(size)


def _head(stream: IO[bytes]) -> tuple[int, int]:
    """An element's identifier and size."""
    identifier, _ = _number(stream)
    size, length = _number(stream)
    return identifier, size & ((1 << 7 * length) - 1)


def _number(stream: IO[bytes]) -> tuple[int, int]:
    """A variable-length number with its marker bit, and its length in bytes."""
    first = stream.read(1)
    if not first or not first[0]:
        raise InternalError("the Matroska file ends before its tracks")
    length = 9 - first[0].bit_length()
    return int.from_bytes(first + stream.read(length - 1), "big"), length


def _element(identifier: int, content: bytes) -> bytes:
    size = len(content)
    length = 1
    while size >= (1 << 7 * length) - 1:
        length += 1
    head = (size | 1 << 7 * length).to_bytes(length, "big")
    return identifier.to_bytes((identifier.bit_length() + 7) // 8, "big") + head + content
