"""Which of several video streams is the film, and what is said of the others."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from av.packet import Packet

from reelwright.media.probe import probe
from reelwright.media.programmes import other_programmes, read_programmes
from tests.support import stream_clips
from tests.support.clipmaker import Film, write_film
from tests.support.clips import clip
from tests.support.scenes import scene
from tests.support.unrestored_films import make_unrestored_film


def _muxed(path: Path, sources: list[tuple[Path, int]]) -> Path:
    """A file with the first video stream of each source, each cut to a number of packets."""
    with av.open(str(path), "w") as out:
        packets: list[Packet[Any]] = []
        for source, count in sources:
            with av.open(str(source)) as container:
                stream = container.streams.video[0]
                target = out.add_stream_from_template(stream, opaque=True)
                kept = [packet for packet in container.demux(stream) if packet.size][:count]
                for packet in kept:
                    packet.stream = target
                packets += kept
        for packet in sorted(packets, key=lambda packet: (packet.dts or 0) * packet.time_base):
            out.mux(packet)
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
def test_a_poster_in_front_of_the_film_is_not_the_film(suffix: str, tmp_path: Path) -> None:
    """Of several video streams the one that moves is restored, and the single picture is named."""
    poster = tmp_path / "poster.avi"
    write_film(poster, Film([(Fraction(0), scene(0, "yuv420p", 64, 48))], codec="mjpeg", pix_fmt="yuvj420p"))
    info = probe(str(_muxed(tmp_path / f"film.{suffix}", [(poster, 1), (clip("rate_25"), 48)])))
    assert (info.video.index, info.video.width) == (1, 160)
    assert any("video stream 0 holds a single picture" in note for note in info.notes)


def test_a_film_of_one_picture_alone_is_taken(tmp_path: Path) -> None:
    """Where no stream moves, the first one is the film."""
    info = probe(str(_muxed(tmp_path / "film.mkv", [(clip("short"), 1), (clip("short"), 1)])))
    assert info.video.index == 0


def test_one_programme_has_no_others() -> None:
    """A plain transport stream and another container hold one programme."""
    with av.open(str(clip("bframes_ts"))) as container:
        assert other_programmes(read_programmes(str(clip("bframes_ts"))), container.streams.video[0].id) == {}
    assert other_programmes(read_programmes(str(clip("rate_25"))), 1) == {}


def _table(kind: int, number: int, body: bytes) -> bytes:
    length = 5 + len(body) + 4
    return bytes([kind, 0xB0 | length >> 8, length & 0xFF]) + number.to_bytes(2, "big") + b"\xc1\0\0" + body + bytes(4)


def _packet(pid: int, section: bytes) -> bytes:
    head = bytes([0x47, 0x40 | pid >> 8, pid & 0xFF, 0x10, 0])
    return (head + section).ljust(188, b"\xff")


def test_the_streams_of_other_programmes_are_found(tmp_path: Path) -> None:
    """Of two programmes in one transport stream, the one without the film is the other; shared streams stay."""
    pat = _table(
        0, 1, b"".join(n.to_bytes(2, "big") + (0xE000 | pid).to_bytes(2, "big") for n, pid in ((1, 40), (2, 41)))
    )
    maps = {
        number: _table(
            2,
            number,
            b"\xe1\x00\xf0\x00"
            + b"".join(bytes([0x1B]) + (0xE000 | pid).to_bytes(2, "big") + b"\xf0\x00" for pid in pids),
        )
        for number, pids in ((1, (256, 257, 300)), (2, (260, 261, 300)))
    }
    path = tmp_path / "two.ts"
    path.write_bytes((_packet(0, pat) + _packet(40, maps[1]) + _packet(41, maps[2])) * 3)
    assert other_programmes(read_programmes(str(path)), 256) == {2: {260, 261}}
    assert other_programmes(read_programmes(str(path)), 260) == {1: {256, 257}}
    assert other_programmes(read_programmes(str(path)), 300) == {}


def test_a_poster_is_left_out_of_the_film(tmp_path: Path) -> None:
    """The finished film holds the moving stream alone, and its outcomes name the poster."""
    poster = tmp_path / "poster.avi"
    write_film(poster, Film([(Fraction(0), scene(0, "yuv420p", 64, 48))], codec="mjpeg", pix_fmt="yuvj420p"))
    source = _muxed(tmp_path / "source.mkv", [(poster, 1), (clip("rate_25"), 48)])
    film = make_unrestored_film(source, "web", tmp_path)
    with av.open(str(film.path)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
    assert [(one.index, one.kind, one.outcome) for one in film.result.streams] == [(0, "video", "left out")]


def _crc(section: bytes) -> bytes:
    """The checksum of a table (ISO/IEC 13818-1, annex A)."""
    value = 0xFFFFFFFF
    for byte in section:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF
    return value.to_bytes(4, "big")


def _programme(path: Path, number: int) -> list[bytes]:
    """The packets of a programme with picture and sound, without the table of programmes."""
    plain = stream_clips.write_film(path.with_name("plain.ts"), "mp2")
    options = {"mpegts_service_id": number, "mpegts_start_pid": 256 * number, "mpegts_pmt_start_pid": 4096 + number}
    written = {name: str(value) for name, value in options.items()}
    with av.open(str(plain)) as source, av.open(str(path), "w", container_options=written) as out:
        targets = {stream.index: out.add_stream_from_template(stream, opaque=True) for stream in source.streams}
        for packet in source.demux():
            if packet.size:
                packet.stream = targets[packet.stream.index]
                out.mux(packet)
    data = path.read_bytes()
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    # 17 is the table of the programmes' names.
    return [packet for packet in packets if int.from_bytes(packet[1:3], "big") & 0x1FFF not in {0, 17}]


def test_other_programmes_are_left_out_of_the_film(tmp_path: Path) -> None:
    """The finished film holds its own programme's sound, and its outcomes name the streams of the other one."""
    table = _table(0, 1, b"".join(n.to_bytes(2, "big") + (0xE000 | 4096 + n).to_bytes(2, "big") for n in (1, 2)))
    pat = _packet(0, table[:-4] + _crc(table[:-4]))
    pairs = zip(*(_programme(tmp_path / f"{number}.ts", number) for number in (1, 2)), strict=False)
    blocks = [pat + first + second if at % 20 == 0 else first + second for at, (first, second) in enumerate(pairs)]
    source = tmp_path / "two.ts"
    source.write_bytes(b"".join(blocks))
    film = make_unrestored_film(source, "web", tmp_path)
    with av.open(str(film.path)) as container:
        assert sorted(stream.type for stream in container.streams) == ["audio", "video"]
    left = [one for one in film.result.streams if one.outcome == "left out"]
    assert sorted(one.kind for one in left) == ["audio", "video"]
    assert all("another programme" in one.reason for one in left)
    assert any("other programmes" in note for note in film.info.notes)
