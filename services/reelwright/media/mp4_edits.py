"""Reads the edit lists of a MOV or MP4 file, which FFmpeg's demuxer follows to whole packets only."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import IO

from reelwright.media.source_file import open_file

# Films have a few tracks and edits; more is a hostile file.
_MAX_BOXES, _MAX_EDITS = 4096, 4096
_CONTAINERS = {b"trak", b"mdia", b"edts"}


@dataclass(frozen=True, slots=True)
class EditPart:
    """A part of a track that is played, in seconds.

    Attributes:
        at: when it is played.
        start: where it begins in the track.
        length: how long it lasts; None for the rest of the track.
    """

    at: Fraction
    start: Fraction
    length: Fraction | None


@dataclass(frozen=True, slots=True)
class TrackEdits:
    """The edit list of a track (ISO/IEC 14496-12, 8.6.6).

    Attributes:
        parts: what is played, in order.
        media_length: seconds that the whole track lasts.
        unit: seconds by which the list's lengths are counted.
    """

    parts: tuple[EditPart, ...]
    media_length: Fraction
    unit: Fraction

    @property
    def ends_in_media(self) -> Fraction:
        """Where in the track the last part ends, in seconds."""
        last = self.parts[-1]
        return self.media_length if last.length is None else min(last.start + last.length, self.media_length)


def track_edits(location: str, track: int) -> TrackEdits | None:
    """The edits of a track.

    Args:
        location: of the source.
        track: the track's number, as the demuxer gives it for the stream's id.

    Returns:
        None where the track has no edit list, none that plays anything, or one that cannot be read.

    Raises:
        InputError: the source cannot be read.
    """
    with open_file(location) as handle:
        try:
            return _edits_of(handle, track)
        except (struct.error, ValueError, OverflowError, LookupError):
            return None


def boxes(handle: IO[bytes], at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, and start and end of the content, of each box of a file between two offsets; at most 4096 of them."""
    for _ in range(_MAX_BOXES):
        if at + 8 > end:
            return
        handle.seek(at)
        head = handle.read(16)
        size, header = int.from_bytes(head[:4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(head[8:16], "big"), 16
        after = end if size == 0 else at + size
        if after < at + header or after > end:
            return
        yield head[4:8], at + header, after
        at = after


def _edits_of(handle: IO[bytes], track: int) -> TrackEdits | None:
    movie = next((box for box in boxes(handle, 0, handle.seek(0, 2)) if box[0] == b"moov"), None)
    if movie is None:
        return None
    movie_scale = 0
    for kind, start, end in boxes(handle, *movie[1:]):
        if kind == b"mvhd":
            movie_scale, _ = _scale_and_length(_read(handle, start, end))
        elif kind == b"trak":
            found = dict(_leaves(handle, start, end))
            if _track_number(found.get(b"tkhd", b"")) == track:
                return _parsed(found, movie_scale)
    return None


def _parsed(found: dict[bytes, bytes], movie_scale: int) -> TrackEdits | None:
    if b"elst" not in found or not movie_scale:
        return None
    scale, length = _scale_and_length(found[b"mdhd"])
    parts: list[EditPart] = []
    at = Fraction(0)
    entries = list(_entries(found[b"elst"]))
    for duration, media_time in entries:
        seconds = Fraction(duration, movie_scale)
        if media_time >= 0 and (seconds or len(entries) == 1):
            # A length of zero in the only entry of a fragmented film stands for the rest.
            parts.append(EditPart(at, Fraction(media_time, scale), seconds or None))
        at += seconds
    return TrackEdits(tuple(parts), Fraction(length, scale), Fraction(1, movie_scale)) if parts else None


def _entries(content: bytes) -> Iterator[tuple[int, int]]:
    """Length in the movie's unit and time in the track's unit of each edit; a time of -1 plays nothing."""
    layout = struct.Struct(">Qqhh" if content[0] == 1 else ">Iihh")
    count = min(int.from_bytes(content[4:8], "big"), _MAX_EDITS)
    for number in range(count):
        length, media_time, _, _ = layout.unpack_from(content, 8 + number * layout.size)
        yield length, media_time


def _scale_and_length(content: bytes) -> tuple[int, int]:
    """Units per second, and the length in them, of a `mvhd` or `mdhd` box."""
    layout, at = (">IQ", 20) if content[0] == 1 else (">II", 12)
    scale, length = struct.unpack_from(layout, content, at)
    if not scale:
        raise ValueError("a clock of no units")
    return int(scale), int(length)


def _track_number(content: bytes) -> int:
    return int.from_bytes(content[20:24] if content[:1] == b"\1" else content[12:16], "big")


def _leaves(handle: IO[bytes], start: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    for kind, inner, after in boxes(handle, start, end):
        if kind in _CONTAINERS:
            yield from _leaves(handle, inner, after)
        elif kind in {b"tkhd", b"mdhd", b"elst"}:
            yield kind, _read(handle, inner, after)


def _read(handle: IO[bytes], start: int, end: int) -> bytes:
    handle.seek(start)
    return handle.read(min(end - start, 16 + 20 * _MAX_EDITS))
