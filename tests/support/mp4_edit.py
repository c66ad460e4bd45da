"""Edits MP4 boxes in place, for files that FFmpeg's muxer does not write."""

from __future__ import annotations

import struct
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


def _timescale(data: bytearray, box: bytes) -> int:
    start = data.index(box) + 4
    version_1 = data[start] == 1
    return int(struct.unpack_from(">I", data, start + (20 if version_1 else 12))[0])
