"""Edits MP4 boxes in place, for files that FFmpeg's muxer does not write."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path


def trim(path: Path, start: Fraction, duration: Fraction) -> None:
    """Changes the first edit list to show a part of its track (ISO/IEC 14496-12, 8.6.6).

    Args:
        path: the file.
        start: time of the part in the track, in seconds.
        duration: of the part, in seconds.
    """
    data = bytearray(path.read_bytes())
    media_scale = _timescale(data, b"mdhd")
    movie_scale = _timescale(data, b"mvhd")
    entry = data.index(b"elst") + 12
    length, media_time = struct.unpack_from(">Ii", data, entry)
    length = round(duration * movie_scale)
    struct.pack_into(">Ii", data, entry, length, media_time + round(start * media_scale))
    path.write_bytes(data)


def keep_parts(path: Path, parts: Sequence[tuple[Fraction, Fraction]], delay: Fraction = Fraction(0)) -> None:
    """Gives every track an edit list that shows parts of it one after another, as an editor's cuts leave it.

    The file's index must lie at its end, so that nothing else moves.

    Args:
        path: the file.
        parts: start and length of each part in the film, in seconds.
        delay: of the first part, in seconds; an edit that shows nothing.
    """
    data = path.read_bytes()
    at = data.rindex(b"moov") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    assert at + size == len(data), "the index does not lie at the end"
    scale = _timescale(bytearray(data), b"mvhd")
    path.write_bytes(data[:at] + _box(b"moov", _with_edits(data[at + 8 : at + size], parts, scale, delay)))


def _with_edits(content: bytes, parts: Sequence[tuple[Fraction, Fraction]], movie_scale: int, delay: Fraction) -> bytes:
    out = b""
    for kind, body in _boxes(content):
        if kind == b"trak":
            track = bytearray(body)
            media_scale, old = _timescale(track, b"mdhd"), track.find(b"elst")
            lead = _lead(track, old, media_scale, movie_scale) if old >= 0 else 0
            entries = b"".join(
                struct.pack(">IiI", round(length * movie_scale), lead + round(start * media_scale), 1 << 16)
                for start, length in parts
            )
            if delay:
                entries = struct.pack(">IiI", round(delay * movie_scale), -1, 1 << 16) + entries
            edits = _box(b"edts", _box(b"elst", struct.pack(">II", 0, len(entries) // 12) + entries))
            kept = b"".join(
                _box(name, inner) + (edits if name == b"tkhd" else b"")
                for name, inner in _boxes(body)
                if name != b"edts"
            )
            out += _box(kind, kept)
        else:
            out += _box(kind, body)
    return out


def _lead(track: bytearray, edits: int, media_scale: int, movie_scale: int) -> int:
    """Where in a track the film's time zero lies by its old edit list; below zero for a late track."""
    length, media_time = struct.unpack_from(">Ii", track, edits + 12)
    if media_time >= 0:
        return int(media_time)
    return int(struct.unpack_from(">i", track, edits + 28)[0]) - round(Fraction(length * media_scale, movie_scale))


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        yield content[at + 4 : at + 8], content[at + 8 : at + size]
        at += size


def _box(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


def _timescale(data: bytearray, box: bytes) -> int:
    start = data.index(box) + 4
    version_1 = data[start] == 1
    return int(struct.unpack_from(">I", data, start + (20 if version_1 else 12))[0])


def add_dolby_vision(path: Path, profile: int, compatible: int) -> None:
    """Adds Dolby's configuration record to the description of an HEVC stream. The file's index must lie at its end.

    Args:
        path: the file.
        profile: of Dolby Vision.
        compatible: what the picture is without it: 0 nothing, 1 HDR10, 2 SDR, 4 HLG.
    """
    data = bytearray(path.read_bytes())
    settings = struct.pack(">BBHB", 1, 0, profile << 9 | 6 << 3 | 5, compatible << 4) + bytes(19)
    record = _box(b"dvcC" if profile < 8 else b"dvvC", settings)
    movie = data.index(b"moov")
    assert movie > data.index(b"mdat"), "the index does not lie at the end"
    at = data.index(b"hvcC", movie) - 4
    at += int.from_bytes(data[at : at + 4], "big")
    data[at:at] = record
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        _grow(data, data.index(kind, movie) - 4, len(record))
    # The first entry follows the header of its list: version and count.
    _grow(data, data.index(b"stsd", movie) + 12, len(record))
    path.write_bytes(data)


def _grow(data: bytearray, box: int, length: int) -> None:
    data[box : box + 4] = (int.from_bytes(data[box : box + 4], "big") + length).to_bytes(4, "big")
