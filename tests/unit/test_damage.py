from __future__ import annotations

import io

import av
import pytest

from reelwright.media.container_integrity import missing_bytes
from reelwright.media.damage import SliceChecks
from tests.support.clips import clip


@pytest.mark.parametrize("name", ["rate_25", "negative_start", "bframes_mkv", "vp9_webm", "mpeg4_avi"])
def test_a_cut_file_misses_what_was_cut(name: str) -> None:
    """MP4, fragmented MP4, Matroska, WebM and AVI all say how long they should be."""
    data = clip(name).read_bytes()
    assert missing_bytes(io.BytesIO(data)) == 0
    assert missing_bytes(io.BytesIO(data[:-1])) == 1
    assert 0 < missing_bytes(io.BytesIO(data[: len(data) // 2])) <= len(data) - len(data) // 2


@pytest.mark.parametrize("name", ["bframes_ts", "mpeg2_ps", "dv_411"])
def test_a_container_without_a_size_misses_nothing(name: str) -> None:
    """Streams that only begin and end are whole wherever they end."""
    assert missing_bytes(io.BytesIO(clip(name).read_bytes()[:-999])) == 0


def test_a_live_recording_without_a_size_is_whole() -> None:
    """Matroska's unknown size promises nothing."""
    data = bytearray(clip("bframes_mkv").read_bytes())
    at = data.index(b"\x18\x53\x80\x67") + 4
    data[at : at + 8] = b"\x01" + b"\xff" * 7
    assert missing_bytes(io.BytesIO(bytes(data[:5000]))) == 0


def _payloads(name: str) -> list[bytes]:
    with av.open(str(clip(name))) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize("name", ["ffv1", "yuv444p12_ffv1", "gray10"])
def test_whole_ffv1_slices_match_their_crc(name: str) -> None:
    """Sound frames of any layout pass."""
    checks = SliceChecks()
    assert not any(checks.broken(payload) for payload in _payloads(name))


@pytest.mark.parametrize("at", [0.1, 0.4, 0.9])
def test_one_wrong_bit_in_an_ffv1_slice_is_found(at: float) -> None:
    """The check sees any damage, in the first frame already."""
    payload = bytearray(_payloads("ffv1")[0])
    payload[int(len(payload) * at)] ^= 1
    assert SliceChecks().broken(bytes(payload))


def test_ffv1_without_crc_is_not_suspected() -> None:
    """A stream that carries no CRC has nothing to fail."""
    checks = SliceChecks()
    payloads = _payloads("ffv1_unchecked")
    assert not any(checks.broken(payload) for payload in payloads)
