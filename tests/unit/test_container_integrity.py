from __future__ import annotations

import io

import pytest

from reelwright.media.container_integrity import ContainerWalk
from tests.support.clips import clip


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
    """Before the damage all is well, behind it the break is told once."""
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
