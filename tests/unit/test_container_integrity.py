from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import pytest

from reelwright.media.container_integrity import ContainerWalk, missing_bytes, second_matroska, unknown_parts
from reelwright.media.ebml import CHAPTERS, write_element
from tests.support.clipmaker import Film, write_film
from tests.support.clips import clip
from tests.support.scenes import scene


@pytest.mark.parametrize(
    "name", ["bframes_mkv", "streams_mkv", "ffv1", "vp9_webm", "mpeg4_avi", "mjpeg_avi", "bottom_up_bgr", "rate_25"]
)
def test_a_sound_file_is_a_whole_chain(name: str) -> None:
    """From the first byte to the last, in one go or in steps, nothing is broken."""
    data = clip(name).read_bytes()
    assert not ContainerWalk(io.BytesIO(data)).broken_before(None)
    chain = ContainerWalk(io.BytesIO(data))
    assert not any(chain.broken_before(offset) for offset in range(0, len(data), 999))
    assert not chain.broken_before(None)


@pytest.mark.parametrize(("name", "mark"), [("bframes_mkv", b"\x1f\x43\xb6\x75"), ("mpeg4_avi", b"00dc")])
@pytest.mark.parametrize("damage", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x04\x9a\x71\x33"])
def test_a_broken_header_is_found_once_it_is_reached(name: str, mark: bytes, damage: bytes) -> None:
    """Before the damage all is well, behind it the break is reported once."""
    data = bytearray(clip(name).read_bytes())
    at = data.index(mark, len(data) // 2)
    data[at : at + 4] = damage
    chain = ContainerWalk(io.BytesIO(bytes(data)))
    assert not chain.broken_before(at)
    assert chain.broken_before(None)
    assert not chain.broken_before(None)


def test_an_element_of_a_later_version_is_stepped_over() -> None:
    """What is not known but fits into the chain is no damage."""
    data = clip("bframes_mkv").read_bytes()
    at = data.index(b"\x1f\x43\xb6\x75")
    later = data[:at] + b"\x2f\x11\x84\x84" + bytes(4) + data[at:]
    assert not ContainerWalk(io.BytesIO(later)).broken_before(None)


def test_a_chunk_without_its_padding_is_no_damage() -> None:
    """Some writers forget the byte that brings an odd chunk to an even end."""
    data = clip("mpeg4_avi").read_bytes()
    at = data.index(b"movi") + 4
    odd = data[:at] + b"JUNK" + (3).to_bytes(4, "little") + b"abc" + data[at:]
    assert not ContainerWalk(io.BytesIO(odd)).broken_before(at + 40)


_TRAILERS = {
    "zeros": (bytes(70_000), "zeros"),
    "text": (b"Recorded by camera 7.\r\n" * 20, "text"),
    "id3v1": (b"TAG" + b"A film".ljust(125, b"\0"), "ID3"),
    "id3v2": (b"ID3\4\0\0\0\0\0\x20" + bytes(32), "ID3"),
    "maker": (b"\0\0\x02\x0a" + bytes(range(256)) + b"SEFH", "unknown data"),
}


@pytest.mark.parametrize("trailer", _TRAILERS)
@pytest.mark.parametrize("name", ["rate_25", "negative_start", "yuv422p10_prores", "bframes_mkv", "mpeg4_avi"])
def test_bytes_behind_the_film_are_named_and_no_damage(name: str, trailer: str) -> None:
    """Padding, notes and tags that cameras and other programs append belong to no film."""
    extra, word = _TRAILERS[trailer]
    file = io.BytesIO(clip(name).read_bytes() + extra)
    assert missing_bytes(file) == 0
    assert not ContainerWalk(file).broken_before(None)
    (note,) = unknown_parts(file)
    assert note.startswith(f"{len(extra)} bytes behind the film")
    assert word in note


@pytest.mark.parametrize("name", ["rate_25", "yuv422p10_prores", "bframes_mkv"])
def test_a_second_file_behind_the_first_is_named(name: str) -> None:
    """Players show the first of two files that were joined as they are, and so does the film."""
    data = clip(name).read_bytes()
    file = io.BytesIO(data + data)
    assert missing_bytes(file) == 0
    assert unknown_parts(file) == (f"{len(data)} bytes behind the film are not part of it (another file)",)


def test_a_second_asf_file_behind_the_first_is_named(tmp_path: Path) -> None:
    """The objects of an ASF file state their sizes, so the second header is found without reading the frames."""
    path = tmp_path / "film.asf"
    write_film(path, Film([(Fraction(i, 25), scene(i)) for i in range(5)], codec="wmv2"))
    data = path.read_bytes()
    assert unknown_parts(io.BytesIO(data)) == ()
    assert unknown_parts(io.BytesIO(data + data)) == (
        f"{len(data)} bytes behind the film are not part of it (another file)",
    )


def test_a_second_matroska_file_is_found_where_the_first_one_ends(tmp_path: Path) -> None:
    """A damaged size that leads behind the end of every file is no error."""
    data = bytearray(clip("bframes_mkv").read_bytes())
    assert second_matroska(io.BytesIO(data)) is None
    assert second_matroska(io.BytesIO(data + data)) == len(data)
    at = data.index(b"\x18\x53\x80\x67") + 4
    data[at : at + 8] = b"\x01" + b"\xff" * 6 + b"\xfe"
    path = tmp_path / "film.mkv"
    path.write_bytes(data)
    with path.open("rb") as file:
        assert second_matroska(file) is None


@pytest.mark.parametrize("length", [0, 1, (1 << 64) - 1])
def test_an_asf_object_with_a_damaged_size_is_no_error(length: int, tmp_path: Path) -> None:
    """A size of nothing, or one that leads behind the end of every file, ends the search for a second file."""
    path = tmp_path / "film.asf"
    write_film(path, Film([(Fraction(i, 25), scene(i)) for i in range(5)], codec="wmv2"))
    data = bytearray(path.read_bytes())
    data[16:24] = length.to_bytes(8, "little")
    path.write_bytes(data)
    with path.open("rb") as file:
        assert unknown_parts(file) == ()


@pytest.mark.parametrize("trailer", _TRAILERS)
def test_bytes_behind_a_live_recording_are_no_damage(trailer: str) -> None:
    """A Matroska file without a size ends behind its last whole cluster."""
    data = bytearray(clip("bframes_mkv").read_bytes())
    at = data.index(b"\x18\x53\x80\x67") + 4
    data[at : at + 8] = b"\x01" + b"\xff" * 7
    assert not ContainerWalk(io.BytesIO(bytes(data) + _TRAILERS[trailer][0])).broken_before(None)


@pytest.mark.parametrize("name", ["rate_25", "bframes_mkv", "mpeg4_avi", "bframes_ts"])
def test_a_plain_file_has_no_unknown_parts(name: str) -> None:
    """What the container's own specification defines is not worth a note."""
    assert unknown_parts(io.BytesIO(clip(name).read_bytes())) == ()


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(4, "little") + content + bytes(len(content) & 1)


def _avi_with(chunk: bytes, before: bytes) -> bytes:
    """An AVI file with a chunk in front of the first list or index called `before`, all sizes adjusted."""
    data = clip("mpeg4_avi").read_bytes()
    at = data.index(before) - (8 if before in {b"movi", b"strl"} else 0)
    data = data[:at] + chunk + data[at:]
    sizes = [4] + [data.index(kind) - 4 for kind in (b"hdrl", b"movi")]
    out = bytearray(data)
    for start in sizes:
        old = int.from_bytes(data[start : start + 4], "little")
        if start + 4 < at < start + 4 + old:
            out[start : start + 4] = (old + len(chunk)).to_bytes(4, "little")
    return bytes(out)


@pytest.mark.parametrize("before", [b"strl", b"movi", b"idx1"])
@pytest.mark.parametrize("name", [b"IDIT", b"DISP", b"_PMX", b"GPS0"])
def test_unknown_chunks_of_an_avi_are_stepped_over_and_named(name: bytes, before: bytes) -> None:
    """Dates, thumbnails and makers' own chunks may stand in the header, before the frames and behind them."""
    file = io.BytesIO(_avi_with(_chunk(name, b"some data of its own\n"), before))
    assert missing_bytes(file) == 0
    assert not ContainerWalk(file).broken_before(None)
    assert unknown_parts(file) == (f"parts of the file that are not known here were stepped over: {name.decode()}",)


@pytest.mark.parametrize("name", [b"00__", b"7Fxx", b"note"])
def test_unknown_chunks_between_frames_are_stepped_over(name: bytes) -> None:
    """The list of frames may hold chunks of any name, as long as each ends where the next one begins."""
    data = clip("mpeg4_avi").read_bytes()
    at = data.index(b"movi") + 4
    walk = ContainerWalk(io.BytesIO(data[:at] + _chunk(name, b"abcdef") + data[at:]))
    assert not walk.broken_before(None)
    assert walk.unknown == (() if name[:2].isdigit() else (name.decode(),))


def test_a_riff_that_counts_its_own_header_is_whole() -> None:
    """Some writers state eight bytes more than there are."""
    data = bytearray(clip("mpeg4_avi").read_bytes())
    data[4:8] = len(data).to_bytes(4, "little")
    assert missing_bytes(io.BytesIO(bytes(data))) == 0
    assert missing_bytes(io.BytesIO(bytes(data[:-50]))) > 0


def test_zeros_in_place_of_frames_are_damage() -> None:
    """A copy that stopped halfway and left zeros is not a whole film with padding."""
    for name in ("mpeg4_avi", "bframes_mkv"):
        data = clip(name).read_bytes()
        half = len(data) // 2
        assert ContainerWalk(io.BytesIO(data[:half] + bytes(len(data) - half))).broken_before(None)


def test_a_foreign_tail_of_a_transport_stream_holds_no_film() -> None:
    """Behind the last transport packet nothing is missed; packets behind a gap are."""
    data = clip("bframes_ts").read_bytes()
    last = len(data) - 188 * 20
    assert not ContainerWalk(io.BytesIO(data + bytes(70_000))).film_follows(last)
    assert ContainerWalk(io.BytesIO(data + bytes(70_001) + data)).film_follows(last)


@pytest.mark.parametrize(("flag", "named"), [(1, True), (0, False)])
def test_ordered_chapters_are_named(flag: int, named: bool) -> None:
    """A Matroska edition that players show in another order than the file's is mentioned."""
    edition = write_element(0x45B9, write_element(0x45BC, b"\1") + write_element(0x45DD, bytes([flag])))
    data = clip("bframes_mkv").read_bytes()
    at = data.index(b"\x1f\x43\xb6\x75")
    notes = unknown_parts(io.BytesIO(data[:at] + write_element(CHAPTERS, edition) + data[at:]))
    assert any("chapters are ordered" in note for note in notes) == named
