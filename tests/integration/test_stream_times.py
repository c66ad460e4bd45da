"""Sound and subtitles stay at the source's times: clocks coarser than packets, overlaps, open ends, edit lists."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.packet import Packet

from reelwright.media.finished_film import missing_copies, read_timeline
from reelwright.media.stream_outcome import StreamOutcome
from reelwright.media.stream_times import settle_outcomes
from tests.support import mp4_edit
from tests.support.pyav import subtitle_texts
from tests.support.stream_clips import RATE, pictures, subtitles, tone, write_film
from tests.support.unrestored_films import UnrestoredFilm, decoded_sound, demuxed_packets, make_unrestored_film


def settled(film: UnrestoredFilm) -> list[StreamOutcome]:
    """The film's outcomes with their times, as the manifest gets them."""
    found = read_timeline(film.path).streams
    return list(settle_outcomes(film.result.streams, film.result.timed_streams, found, film.result.shift))


def in_time(film: UnrestoredFilm) -> bool:
    """Whether every stream is within what its clocks explain."""
    times = [one.times for one in settled(film) if one.outcome != "left out"]
    return bool(times) and all(one is not None and one.error <= one.tolerance for one in times)


def shown(path: Path, moment: int) -> set[str]:
    """The texts that a film shows at a time in milliseconds."""
    found: set[str] = set()
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[0]
        for packet in container.demux(stream):
            if not packet.size or packet.pts is None:
                continue
            start, length = packet.pts * packet.time_base * 1000, (packet.duration or 0) * packet.time_base * 1000
            if start <= moment < start + length:
                texts = [text.decode() for text in subtitle_texts(stream.codec_context, packet)]
                found |= {line.strip() for text in texts for line in text.splitlines() if line.strip()}
    return found


def source_with(path: Path, codec: str, cues: list[tuple[int, int | None, str]]) -> Path:
    """Two seconds of picture and these subtitles."""
    return write_film(path, extra=lambda out: subtitles(out, codec, cues))


@pytest.mark.parametrize("profile", ["web", "master"])
@pytest.mark.parametrize("codec", ["subrip", "ass"])
def test_cues_of_one_time_are_not_pushed_apart(profile: str, codec: str, tmp_path: Path) -> None:
    """Forty signs that appear together, a line within them and one after them are each shown at their own times."""
    signs: list[tuple[int, int | None, str]] = [(500, 700, f"sign {number}") for number in range(40)]
    source = source_with(tmp_path / "source.mkv", codec, [*signs, (600, 300, "dialogue"), (1500, 400, "later")])
    film = make_unrestored_film(source, profile, tmp_path)
    together = {f"sign {number}" for number in range(40)}
    assert shown(film.path, 490) == set()
    assert shown(film.path, 550) == together
    assert shown(film.path, 700) == together | {"dialogue"}
    assert shown(film.path, 1000) == together
    assert shown(film.path, 1300) == set()
    assert shown(film.path, 1600) == {"later"}
    assert in_time(film)


@pytest.mark.parametrize("profile", ["web", "master", "prores"])
def test_a_cue_longer_than_the_picture_is_kept(profile: str, tmp_path: Path) -> None:
    """A subtitle that stays after the two seconds of picture lasts as long as in the source."""
    source = source_with(
        tmp_path / "source.mkv", "subrip", [(100, 400, "first"), (600, 2600, "stays"), (700, 300, "a")]
    )
    film = make_unrestored_film(source, profile, tmp_path)
    assert shown(film.path, 300) == {"first"}
    assert shown(film.path, 800) == {"stays", "a"}
    assert shown(film.path, 3190) == {"stays"}
    assert shown(film.path, 3210) == set()
    assert in_time(film)


@pytest.mark.parametrize("profile", ["web", "master", "prores"])
def test_overlapping_cues(profile: str, tmp_path: Path) -> None:
    """Cues that overlap are shown together for as long as both last, in a text track of one sample at a time too."""
    source = source_with(tmp_path / "source.mkv", "subrip", [(100, 900, "first"), (400, 900, "second")])
    film = make_unrestored_film(source, profile, tmp_path)
    assert shown(film.path, 200) == {"first"}
    assert shown(film.path, 600) == {"first", "second"}
    assert shown(film.path, 1100) == {"second"}
    assert shown(film.path, 1350) == set()
    assert in_time(film)


@pytest.mark.parametrize("endless", [None, 0xFFFFFFFE])
@pytest.mark.parametrize("profile", ["web", "master"])
def test_a_cue_without_an_end(profile: str, endless: int | None, tmp_path: Path) -> None:
    """It lasts until the next one starts, and the last one until the film ends."""
    cues = [(200, endless, "first"), (900, endless, "second")]
    film = make_unrestored_film(source_with(tmp_path / "source.mkv", "subrip", cues), profile, tmp_path)
    assert shown(film.path, 800) == {"first"}
    assert shown(film.path, 950) == {"second"}
    assert shown(film.path, 1950) == {"second"}
    assert shown(film.path, 2001) == set()
    with av.open(str(film.path)) as container:
        assert container.duration is not None
        assert container.duration <= 2_050_000
    assert in_time(film)


@pytest.mark.parametrize("profile", ["web", "master"])
def test_packets_finer_than_the_clock(profile: str, tmp_path: Path) -> None:
    """Packets last 0.83 ms, as TrueHD's, and Matroska counts whole ones; the sound lasts as long as the source's."""
    source = write_film(tmp_path / "source.mkv", "pcm_s16le", chunk=40)
    film = make_unrestored_film(source, profile, tmp_path)
    before, after = decoded_sound(source), decoded_sound(film.path)
    assert abs(len(before[1]) - len(after[1])) <= 2048
    wanted = [float(packet.pts * packet.time_base) for packet in demuxed_packets(source, "audio")]
    found = [float(packet.pts * packet.time_base) for packet in demuxed_packets(film.path, "audio")]
    assert abs(wanted[-1] - found[-1]) <= 0.03
    if profile == "master":
        assert found == wanted
    assert in_time(film)


# A sample of sound; Matroska counts milliseconds.
EXACT = 0.0011
PARTS = [(Fraction(0), Fraction(1, 2)), (Fraction(6, 5), Fraction(3, 5))]


@pytest.mark.parametrize("codec", ["pcm_s16le", "aac"])
@pytest.mark.parametrize("profile", ["web", "master", "prores"])
def test_cuts_inside(codec: str, profile: str, tmp_path: Path) -> None:
    """What an editor cut out of the middle stays out, and what follows is heard at its new time."""
    source = write_film(tmp_path / "source.mov", codec)
    mp4_edit.keep_parts(source, PARTS)
    film = make_unrestored_film(source, profile, tmp_path)
    outcome = film.result.streams[0]
    assert outcome.outcome == "converted"
    assert "edit list" in outcome.reason
    start, samples = decoded_sound(film.path)
    # AAC fills its last packet up.
    assert abs(float(start) + len(samples) / RATE - 1.1) <= (0.0213 if profile == "web" else 0.0011)
    assert abs(heard(start, samples, film_time=0.2, scene_time=0.2)) <= EXACT
    assert abs(heard(start, samples, film_time=0.8, scene_time=1.5)) <= EXACT
    assert in_time(film)


@pytest.mark.parametrize("profile", ["web", "master", "prores"])
def test_cuts_inside_a_packet(profile: str, tmp_path: Path) -> None:
    """Parts that begin and end in the middle of AAC packets, out of order and late, are heard at their own samples."""
    source = write_film(tmp_path / "source.mov", "aac")
    parts = [
        (Fraction(257, 1000), Fraction(333, 1000)),
        (1 + Fraction(1, 1000), Fraction(1, 4)),
        (Fraction(1, 10), Fraction(3, 10)),
    ]
    mp4_edit.keep_parts(source, parts, delay=Fraction(3, 10))
    film = make_unrestored_film(source, profile, tmp_path)
    start, samples = decoded_sound(film.path)
    at = 0.3 + float(film.result.shift)
    for begin, length in parts:
        for moment in (0.0, float(length) - 0.16):
            assert abs(heard(start, samples, film_time=at + moment, scene_time=float(begin) + moment)) <= EXACT
        at += float(length)
    assert in_time(film)


def test_parts_that_follow_one_another(tmp_path: Path) -> None:
    """Two parts without a gap sound like one: the demuxer gives the packet at their border twice."""
    source = write_film(tmp_path / "source.mov", "aac")
    mp4_edit.keep_parts(source, [(Fraction(2, 5), Fraction(16, 25)), (Fraction(26, 25), Fraction(1, 4))])
    film = make_unrestored_film(source, "web", tmp_path)
    start, samples = decoded_sound(film.path)
    assert abs(heard(start, samples, film_time=0.3, scene_time=0.7)) <= EXACT
    assert abs(heard(start, samples, film_time=0.66, scene_time=1.06)) <= EXACT
    assert in_time(film)


@pytest.mark.parametrize("codec", ["pcm_s16le", "aac", "alac"])
@pytest.mark.parametrize("profile", ["web", "master", "prores"])
def test_five_milliseconds_cut_off(codec: str, profile: str, tmp_path: Path) -> None:
    """A cut of less than a packet is kept: by an edit list, by sound encoded again without loss, or before zero."""
    source = write_film(tmp_path / "source.mov", codec)
    mp4_edit.keep_parts(source, [(Fraction(5, 1000), Fraction(1))])
    film = make_unrestored_film(source, profile, tmp_path)
    start, samples = decoded_sound(film.path)
    assert abs(heard(start, samples, film_time=0.2, scene_time=0.205)) <= EXACT
    if (codec, profile) != ("aac", "master"):
        # Matroska holds the samples that AAC is primed with before its zero.
        assert abs(float(start)) <= EXACT
    assert in_time(film)


@pytest.mark.parametrize("codec", ["pcm_s16le", "aac"])
@pytest.mark.parametrize("profile", ["web", "master", "prores"])
def test_a_trimmed_start(codec: str, profile: str, tmp_path: Path) -> None:
    """What was cut off in front is not heard before the film's start, and the rest is in sync."""
    source = write_film(tmp_path / "source.mov", codec)
    mp4_edit.keep_parts(source, [(Fraction(6, 5), Fraction(3, 5))])
    film = make_unrestored_film(source, profile, tmp_path)
    start, samples = decoded_sound(film.path)
    assert abs(float(start)) <= 0.0011
    assert abs(heard(start, samples, film_time=0.2, scene_time=1.4)) <= 0.0021
    assert min(packet.pts * packet.time_base for packet in demuxed_packets(film.path, "audio")) >= -0.15
    assert in_time(film)


def test_a_damaged_subtitle_at_the_end(tmp_path: Path) -> None:
    """It is left out and counted, and the others are held against their own times; a shift is still found."""
    source = source_with(
        tmp_path / "source.mp4", "mov_text", [(0, 300, "first"), (500, 300, "next"), (1500, 300, "last")]
    )
    source.write_bytes(source.read_bytes().replace(b"last", b"\xff\xfe\xff\xfe"))
    film = make_unrestored_film(source, "master", tmp_path)
    (outcome,) = settled(film)
    assert outcome.damaged == 1
    assert "1 damaged packets left out" in outcome.reason
    assert in_time(film)
    (held,) = read_timeline(film.path).streams
    late = settle_outcomes(film.result.streams, film.result.timed_streams, [held], film.result.shift + Fraction(1, 10))
    assert late[0].times is not None
    assert late[0].times.error > late[0].times.tolerance


def heard(start: Fraction, samples: np.ndarray, film_time: float, scene_time: float) -> float:
    """Seconds by which the chirp of `scene_time` is heard after `film_time`."""
    wanted = tone(scene_time, 0.1)[0]
    at = round((film_time - float(start)) * RATE)
    guesses = range(max(at - RATE // 20, 0), at + RATE // 20)
    errors = [np.abs(samples[guess : guess + len(wanted)] - wanted).sum() for guess in guesses]
    return (guesses[int(np.argmin(errors))] - at) / RATE


def test_a_trimmed_subtitle(tmp_path: Path) -> None:
    """A subtitle that an edit list cuts in front is shown from the film's start."""
    source = tmp_path / "source.mov"
    with av.open(str(source), "w") as out:
        video: Any = out.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        words: Any = out.add_mux_stream("mov_text")
        packets: list[Packet[Any]] = list(pictures(video))
        for start, text in ((900, b"cut"), (1500, b"whole")):
            packet: Packet[Any] = Packet(len(text).to_bytes(2, "big") + text)
            packet.stream, packet.time_base = words, Fraction(1, 1000)
            packet.pts = packet.dts = start
            packet.duration = 400
            packets.append(packet)
        for packet in sorted(packets, key=lambda one: (one.dts or 0) * one.time_base):
            out.mux(packet)
    mp4_edit.keep_parts(source, [(Fraction(1), Fraction(1))])
    for profile in ("web", "master"):
        film = make_unrestored_film(source, profile, tmp_path)
        assert "cut" in shown(film.path, 100)
        assert {"whole"} <= {text for moment in range(0, 1000, 50) for text in shown(film.path, moment)}


@pytest.mark.parametrize(("profile", "how"), [("web", "left out"), ("master", "copied")])
def test_sound_before_the_film_s_start(profile: str, how: str, tmp_path: Path) -> None:
    """MP4 plays nothing of it, which the outcome says; the other sound is checked against its own times."""

    def primer(out: Any) -> list[Packet[Any]]:
        early = out.add_stream("aac", rate=RATE)
        early.layout = "mono"
        early.codec_context.open()
        packet: Packet[Any] = Packet(b"\x01\x40\x20\x06\x4f\xde\x02\x70\x0c\x1c")
        packet.stream, packet.time_base = early, Fraction(1, 1000)
        packet.pts = packet.dts = -21
        return [packet]

    muxer = {"avoid_negative_ts": "disabled"}
    source = write_film(tmp_path / "source.mkv", "flac", extra=primer, muxer=muxer)
    film = make_unrestored_film(source, profile, tmp_path)
    main, early = settled(film)
    assert main.times is not None
    assert main.times.error <= main.times.tolerance
    assert (early.outcome, early.times is None) == (how, how == "left out")
    assert (early.reason == "all of it lies before the film's start") == (how == "left out")
    assert missing_copies(film.path, (main, early)) == ()


def splice_sound(path: Path, behind: int) -> None:
    """Copies the second packet of a transport stream's sound behind another, so that its clock goes back there."""
    data = path.read_bytes()
    cells = [data[at : at + 188] for at in range(0, len(data), 188)]
    sound = [at for at, cell in enumerate(cells) if (cell[1] & 0x1F, cell[2]) == (1, 1)]
    begins = [at for at in sound if cells[at][1] & 0x40]
    second = [cells[at] for at in sound if begins[1] <= at < begins[2]]
    path.write_bytes(b"".join([*cells[: begins[behind]], *second, *cells[begins[behind] :]]))


@pytest.mark.parametrize("profile", ["web", "master"])
def test_sound_that_goes_back_in_time(profile: str, tmp_path: Path) -> None:
    """Every packet is kept, a late one right after the packet before; the report counts them, and a shift is found."""
    source = write_film(tmp_path / "source.ts", "mp2")
    splice_sound(source, 4)
    film = make_unrestored_film(source, profile, tmp_path)
    before, after = demuxed_packets(source, "audio"), demuxed_packets(film.path, "audio")
    assert [bytes(packet) for packet in after] == [bytes(packet) for packet in before]
    reached, late = Fraction(-1), 0
    for packet, placed in zip(before, after, strict=True):
        assert packet.pts is not None
        assert placed.pts is not None
        own = packet.pts * packet.time_base + film.result.shift
        late += own < reached
        reached = max(reached, own)
        assert abs(placed.pts * placed.time_base - reached) <= 0.001
    assert late
    (outcome,) = settled(film)
    assert f"{late} packets had no time of their own, or an earlier one than the packet before" in outcome.reason
    assert outcome.times is not None
    assert outcome.times.displaced == late
    assert in_time(film)
    moved = settle_outcomes(
        film.result.streams,
        film.result.timed_streams,
        read_timeline(film.path).streams,
        film.result.shift + Fraction(24, 1000),
    )
    assert moved[0].times is not None
    assert moved[0].times.error > moved[0].times.tolerance


@pytest.mark.parametrize(("profile", "codec"), [("web", "mp2"), ("master", "mp2"), ("prores", "libopus")])
def test_sound_whose_clock_starts_over_goes_on(profile: str, codec: str, tmp_path: Path) -> None:
    """Sound that goes back by more than a second follows what was before it, and the report counts its packets."""
    source = write_film(tmp_path / "source.ts", codec)
    splice_sound(source, -1)
    film = make_unrestored_film(source, profile, tmp_path)
    (outcome,) = settled(film)
    assert outcome.times is not None
    assert outcome.times.continued
    assert f"{outcome.times.continued} packets have times of a clock that starts over" in outcome.reason
    assert in_time(film)
    expected, found = decoded_sound(source), decoded_sound(film.path)
    assert abs(len(found[1]) - len(expected[1])) <= 2048
    moved = settle_outcomes(
        film.result.streams, film.result.timed_streams, read_timeline(film.path).streams, film.result.shift + 1
    )
    assert moved[0].times is not None
    assert moved[0].times.error > moved[0].times.tolerance
