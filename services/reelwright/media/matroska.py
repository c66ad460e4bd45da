"""Writes into a Matroska film what libavformat's muxer cannot be given through PyAV: sample shape, chroma siting, HDR.

FFV1 carries none of them, so the container must (RFC 9559, 5.1.4.1.28). The muxer writes the picture's track with a
name that ends with PADDING. Afterwards they are written into the padding, so that nothing behind it moves.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import IO

from reelwright.media import ebml
from reelwright.media.source_info import HdrInfo
from reelwright.titles.errors import InternalError

PADDING = " " * 160
_UNIT_RATIO = 3
# Units of HdrInfo in a whole.
_CHROMATICITY, _LUMINANCE = 50_000, 10_000
# The elements of a picture's Colour element that its film is completed with.
_ADDED_COLOUR = {ebml.CHROMA_SITING_HORZ, ebml.CHROMA_SITING_VERT, ebml.MAX_CLL, ebml.MAX_FALL, ebml.MASTERING}


def complete_picture(path: Path, ratio: Fraction | None, hdr: HdrInfo, siting: tuple[int, ...]) -> None:
    """Completes the picture's track of a film, whose name ends with PADDING.

    Args:
        path: the film.
        ratio: its display aspect ratio; None for square samples.
        hdr: its static metadata.
        siting: where chroma samples lie, as Matroska's numbers across and down; empty for no tag.

    Raises:
        InternalError: the file is not laid out as the muxer lays it out.
        OSError: it cannot be written.
    """
    colour = _colour(hdr, siting)
    _rewrite_tracks(path, lambda track: _completed_track(track, ratio, colour) if _is_padded(track) else track)


def remove_completion(path: Path) -> None:
    """Removes chroma siting and HDR metadata from every track of a file.

    The muxer writes them where a completed film's stream is copied, and a film that is made of such a copy would be
    completed twice.

    Raises:
        InternalError: the file is not laid out as the muxer lays it out.
        OSError: it cannot be written.
    """
    _rewrite_tracks(path, _uncompleted_track)


def _rewrite_tracks(path: Path, changed: Callable[[bytes], bytes]) -> None:
    """Changes the content of each track of a file; the lengths must stay."""
    with path.open("r+b") as file:
        start, size = _find_tracks(file)
        file.seek(start)
        try:
            tracks = _with_tracks(file.read(size), changed)
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


def _with_tracks(tracks: bytes, changed: Callable[[bytes], bytes]) -> bytes:
    parts = []
    for identifier, element in ebml.children(tracks):
        content = ebml.content_of(element)
        if identifier == ebml.TRACK_ENTRY:
            parts.append(element[: len(element) - len(content)] + changed(content))
        elif identifier != ebml.CRC32:
            parts.append(element)
    body = b"".join(parts)
    return ebml.write_element(ebml.CRC32, zlib.crc32(body).to_bytes(4, "little")) + body


def _is_padded(track: bytes) -> bool:
    return any(
        identifier == ebml.TRACK_NAME and element.endswith(PADDING.encode())
        for identifier, element in ebml.children(track)
    )


def _completed_track(track: bytes, ratio: Fraction | None, colour: bytes) -> bytes:
    """The track's content at the same length: the padding of the name goes to the picture, the rest becomes Void."""
    parts = []
    for identifier, element in ebml.children(track):
        content = ebml.content_of(element)
        if identifier == ebml.TRACK_NAME:
            name = content.removesuffix(PADDING.encode())
            parts.append(ebml.write_element(ebml.TRACK_NAME, name) if name else b"")
        elif identifier == ebml.VIDEO:
            shaped = _with_shape(content, ratio) if ratio else content
            parts.append(ebml.write_element(ebml.VIDEO, _with_colour(shaped, colour)))
        else:
            parts.append(element)
    body = b"".join(parts)
    return body + _void(len(track) - len(body))


def _uncompleted_track(track: bytes) -> bytes:
    """The track's content at the same length, without what `_colour` adds to a film's."""
    parts = []
    for identifier, element in ebml.children(track):
        if identifier == ebml.VIDEO:
            parts.append(ebml.write_element(ebml.VIDEO, _without_added_colour(ebml.content_of(element))))
        else:
            parts.append(element)
    body = b"".join(parts)
    return body + _void(len(track) - len(body)) if len(body) < len(track) else body


def _without_added_colour(video: bytes) -> bytes:
    parts = []
    for identifier, element in ebml.children(video):
        if identifier == ebml.COLOUR:
            colour = ebml.children(ebml.content_of(element))
            kept = b"".join(part for child, part in colour if child not in _ADDED_COLOUR)
            parts.append(ebml.write_element(ebml.COLOUR, kept) if kept else b"")
        else:
            parts.append(element)
    return b"".join(parts)


def _with_shape(video: bytes, ratio: Fraction) -> bytes:
    kept = b"".join(part for child, part in ebml.children(video) if child != ebml.DISPLAY_UNIT)
    return (
        kept
        + ebml.write_element(ebml.DISPLAY_WIDTH, ratio.numerator.to_bytes(4, "big"))
        + ebml.write_element(ebml.DISPLAY_HEIGHT, ratio.denominator.to_bytes(4, "big"))
        + ebml.write_element(ebml.DISPLAY_UNIT, bytes([_UNIT_RATIO]))
    )


def _with_colour(video: bytes, added: bytes) -> bytes:
    if not added:
        return video
    colour = b"".join(ebml.content_of(part) for child, part in ebml.children(video) if child == ebml.COLOUR)
    kept = b"".join(part for child, part in ebml.children(video) if child != ebml.COLOUR)
    return kept + ebml.write_element(ebml.COLOUR, colour + added)


def _colour(hdr: HdrInfo, siting: tuple[int, ...]) -> bytes:
    """The elements to add to the picture's Colour element."""
    added = b""
    for tag, site in zip((ebml.CHROMA_SITING_HORZ, ebml.CHROMA_SITING_VERT), siting, strict=False):
        added += ebml.write_element(tag, bytes([site]))
    if hdr.content_light:
        for identifier, level in zip((ebml.MAX_CLL, ebml.MAX_FALL), hdr.content_light, strict=True):
            added += ebml.write_element(identifier, level.to_bytes(2, "big"))
    if hdr.mastering:
        units = (*(_CHROMATICITY,) * 8, *(_LUMINANCE,) * 2)
        values = b"".join(
            ebml.write_element(identifier, struct.pack(">f", value / unit))
            for identifier, value, unit in zip(ebml.MASTERING_VALUES, hdr.mastering, units, strict=True)
        )
        added += ebml.write_element(ebml.MASTERING, values)
    return added


def _void(length: int) -> bytes:
    """A Void element of `length` bytes, at least 2; from 9 on with a size field of 8 bytes whatever the size."""
    if length < 9:
        return bytes([ebml.VOID, 0x80 | length - 2]) + bytes(length - 2)
    header = bytes([ebml.VOID]) + (1 << 56 | length - 9).to_bytes(8, "big")
    return header + bytes(length - 9)
