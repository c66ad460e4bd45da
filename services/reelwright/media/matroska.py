"""Writes into a Matroska film what libavformat's muxer cannot be told through PyAV: the shape of the picture's samples.

FFV1 in Matroska carries no sample aspect ratio that players read, so the container must (RFC 9559, 5.1.4.1.28).
The muxer writes the picture's track with a name that is longer than it should be by ROOM. Afterwards the display ratio
is written in that room, so that nothing behind it moves.
"""

from __future__ import annotations

import zlib
from fractions import Fraction
from pathlib import Path
from typing import IO

from reelwright.media import ebml
from reelwright.titles.errors import InternalError

ROOM = " " * 40
_UNIT_RATIO = 3


def set_display_ratio(path: Path, ratio: Fraction) -> None:
    """Writes the display aspect ratio of a film whose picture's track is named with ROOM at the end.

    Raises:
        InternalError: the file is not laid out as the muxer lays it out.
        OSError: it cannot be written.
    """
    with path.open("r+b") as file:
        start, size = _find_tracks(file)
        file.seek(start)
        try:
            tracks = _with_ratio(file.read(size), ratio)
        except ValueError as error:
            raise InternalError(f"the Matroska muxer wrote tracks that are not EBML: {error}") from None
        if len(tracks) != size:
            raise InternalError("the Matroska muxer laid its tracks out in another way than expected")
        file.seek(start)
        file.write(tracks)


def _find_tracks(file: IO[bytes]) -> tuple[int, int]:
    """Position and size of the content of the segment's tracks."""
    header = ebml.read_element(file)
    if header is None or header.identifier != ebml.EBML or header.size is None:
        raise InternalError("not a Matroska file")
    file.seek(header.size, 1)
    segment = ebml.read_element(file)
    if segment is None or segment.identifier != ebml.SEGMENT:
        raise InternalError("a Matroska file without a segment")
    while (found := ebml.read_element(file)) is not None and found.size is not None:
        if found.identifier == ebml.TRACKS:
            return file.tell(), found.size
        file.seek(found.size, 1)
    raise InternalError("the Matroska file ends before its tracks")


def _with_ratio(tracks: bytes, ratio: Fraction) -> bytes:
    parts = []
    for identifier, element in ebml.children(tracks):
        content = ebml.content_of(element)
        if identifier == ebml.TRACK_ENTRY and _has_room(content):
            header = element[: len(element) - len(content)]
            parts.append(header + _track_with_ratio(content, ratio))
        elif identifier != ebml.CRC32:
            parts.append(element)
    body = b"".join(parts)
    return ebml.write_element(ebml.CRC32, zlib.crc32(body).to_bytes(4, "little")) + body


def _has_room(track: bytes) -> bool:
    return any(
        identifier == ebml.TRACK_NAME and element.endswith(ROOM.encode())
        for identifier, element in ebml.children(track)
    )


def _track_with_ratio(track: bytes, ratio: Fraction) -> bytes:
    """The track's content at the same length: the room of the name goes to the picture, the rest becomes Void."""
    parts = []
    for identifier, element in ebml.children(track):
        content = ebml.content_of(element)
        if identifier == ebml.TRACK_NAME:
            name = content.removesuffix(ROOM.encode())
            parts.append(ebml.write_element(ebml.TRACK_NAME, name) if name else b"")
        elif identifier == ebml.VIDEO:
            kept = b"".join(part for child, part in ebml.children(content) if child != ebml.DISPLAY_UNIT)
            shape = (
                ebml.write_element(ebml.DISPLAY_WIDTH, ratio.numerator.to_bytes(4, "big"))
                + ebml.write_element(ebml.DISPLAY_HEIGHT, ratio.denominator.to_bytes(4, "big"))
                + ebml.write_element(ebml.DISPLAY_UNIT, bytes([_UNIT_RATIO]))
            )
            parts.append(ebml.write_element(ebml.VIDEO, kept + shape))
        else:
            parts.append(element)
    body = b"".join(parts)
    return body + ebml.write_element(ebml.VOID, bytes(len(track) - len(body) - 2))
