"""Edit lists of MP4 and MOV, as made by hand where no muxer writes them."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import pytest

from reelwright.media.mp4_edits import track_edits

SECOND = 1000


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


def film(path: Path, edits: bytes, clock: bytes | None = None) -> str:
    """A file with one track of number 1, in milliseconds."""
    if clock is None:
        clock = box(b"mdhd", bytes(12) + struct.pack(">II", SECOND, 9 * SECOND))
    header = box(b"tkhd", bytes(12) + struct.pack(">I", 1))
    track = box(b"trak", header + box(b"edts", box(b"elst", edits)) + box(b"mdia", clock))
    path.write_bytes(box(b"moov", box(b"mvhd", bytes(12) + struct.pack(">II", SECOND, 9 * SECOND)) + track))
    return str(path)


def edit_list(*entries: tuple[int, int]) -> bytes:
    """Lengths, unsigned as ISO/IEC 14496-12, 8.6.6 has them, and times in the track."""
    return struct.pack(">II", 0, len(entries)) + b"".join(struct.pack(">Iihh", *entry, 1, 0) for entry in entries)


def test_an_entry_of_no_length_plays_nothing(tmp_path: Path) -> None:
    """Beside other entries, an edit of length zero adds no part."""
    found = track_edits(film(tmp_path / "a.mov", edit_list((5 * SECOND, 0), (0, 0))), 1)
    assert found is not None
    assert [(part.at, part.start, part.length) for part in found.parts] == [(Fraction(0), Fraction(0), Fraction(5))]


def test_a_single_entry_of_no_length_plays_everything(tmp_path: Path) -> None:
    """The only entry of a fragmented film has length zero and stands for the rest."""
    found = track_edits(film(tmp_path / "a.mov", edit_list((0, SECOND))), 1)
    assert found is not None
    assert [(part.start, part.length) for part in found.parts] == [(Fraction(1), None)]


def test_a_length_of_32_bits_is_unsigned(tmp_path: Path) -> None:
    """A length of 2^31 units and more is long, not negative."""
    found = track_edits(film(tmp_path / "a.mov", edit_list((2**32 - 1, 0))), 1)
    assert found is not None
    assert found.parts[0].length == Fraction(2**32 - 1, SECOND)


@pytest.mark.parametrize(
    ("edits", "clock"),
    [
        (b"", None),
        (edit_list((SECOND, 0)), b""),
        (edit_list((SECOND, 0)), box(b"mdhd", b"")),
        (edit_list((1, 0))[:9], None),
    ],
)
def test_a_damaged_index_has_no_edits(edits: bytes, clock: bytes | None, tmp_path: Path) -> None:
    """An index whose boxes are empty, missing or cut gives None."""
    assert track_edits(film(tmp_path / "a.mov", edits, clock), 1) is None
