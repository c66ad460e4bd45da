"""The other streams: copied where the container holds them, converted in sync, or left out with a word."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.packet import Packet
from av.stream import Disposition

from reelwright.media.finished_film import missing_copies, stream_digests
from reelwright.media.probe import probe
from tests.support.carried_clips import cover
from tests.support.clips import clip
from tests.support.pyav import subtitle_texts
from tests.support.stream_clips import ASS_HEADER, COUNT, RATE, lag, pictures, sounds, teletext, write_film
from tests.support.unrestored_films import UnrestoredFilm, decoded_sound, demuxed_packets, make_unrestored_film


def outcome(unrestored: UnrestoredFilm, kind: str) -> Any:
    """What became of the first stream of a kind."""
    return next(stream for stream in unrestored.result.streams if stream.kind == kind)


@pytest.mark.parametrize(
    ("codec", "suffix", "profile"),
    [
        ("aac", ".mkv", "web"),
        ("aac", ".ts", "web"),
        ("aac", ".ts", "master"),
        ("libmp3lame", ".mkv", "web"),
        ("ac3", ".mkv", "web"),
        ("eac3", ".mkv", "prores"),
        ("flac", ".mkv", "web"),
        ("libopus", ".mkv", "web"),
        ("alac", ".mov", "web"),
        ("mp2", ".ts", "prores"),
        ("pcm_s16le", ".avi", "master"),
        ("pcm_s24le", ".mov", "master"),
        ("pcm_s16le", ".mkv", "prores"),
        ("libopus", ".mkv", "master"),
    ],
)
def test_sound_is_copied(codec: str, suffix: str, profile: str, tmp_path: Path) -> None:
    """Sound that the container holds is copied: the same bytes can be read back from the film, at the same time."""
    source = write_film(tmp_path / f"source{suffix}", codec, rate=RATE)
    unrestored = make_unrestored_film(source, profile, tmp_path)
    copied = outcome(unrestored, "audio")
    assert (copied.outcome, copied.reason) == ("copied", "")
    assert copied.sha256 in {digest.sha256 for digest in stream_digests(unrestored.path)}
    assert missing_copies(unrestored.path, unrestored.result.streams) == ()
    assert abs(lag(unrestored.path) - lag(source)) <= 0.0011
    # MP4 and MOV regroup uncompressed sound; of the rest each packet is found again as it was.
    if not codec.startswith("pcm") and suffix != ".ts":
        before = [bytes(packet) for packet in demuxed_packets(source, "audio")]
        assert [bytes(packet) for packet in demuxed_packets(unrestored.path, "audio")] == before


@pytest.mark.parametrize(
    ("codec", "suffix", "profile", "now"),
    [
        ("pcm_s16le", ".avi", "web", "aac"),
        ("pcm_s24le", ".mov", "hevc10", "aac"),
        ("vorbis", ".mkv", "web", "aac"),
        ("vorbis", ".mkv", "prores", "pcm_s24le"),
        ("wmav2", ".asf", "master", "flac"),
        ("pcm_s16be", ".mov", "av1", "aac"),
        ("wmav2", ".asf", "prores", "pcm_s24le"),
    ],
)
def test_sound_is_converted(codec: str, suffix: str, profile: str, now: str, tmp_path: Path) -> None:
    """Other sound is converted in sync, and the outcome says what it was and is."""
    options = {"vorbis": {"strict": "-2"}, "wmav2": {"b": "128000"}}.get(codec, {})
    layout = "stereo" if codec in {"vorbis", "wmav2"} else "mono"
    source = write_film(tmp_path / f"source{suffix}", codec, options=options, layout=layout)
    unrestored = make_unrestored_film(source, profile, tmp_path)
    converted = outcome(unrestored, "audio")
    assert converted.outcome == "converted"
    assert codec in converted.reason
    assert now in converted.reason
    assert converted.packets == len(demuxed_packets(unrestored.path, "audio")) or now.startswith("pcm")
    with av.open(str(unrestored.path)) as container:
        assert container.streams.audio[0].codec_context.name == now
        assert len(container.streams.audio[0].layout.channels) == (2 if layout == "stereo" else 1)
    assert abs(lag(unrestored.path) - lag(source)) <= 0.0011


@pytest.mark.parametrize(("profile", "how"), [("web", "converted"), ("prores", "copied"), ("master", "copied")])
def test_gaps_become_silence(profile: str, how: str, tmp_path: Path) -> None:
    """What is heard after a gap in the sound is still in sync, converted or copied."""
    source = write_film(tmp_path / "source.mkv", "pcm_s16le", parts=((0.0, 0.3), (0.9, 1.0)))
    unrestored = make_unrestored_film(source, profile, tmp_path)
    assert outcome(unrestored, "audio").outcome == how
    assert missing_copies(unrestored.path, unrestored.result.streams) == ()
    if profile == "master":
        # Matroska keeps the gap; its packets have times of their own.
        assert [packet.pts for packet in demuxed_packets(unrestored.path, "audio")] == [
            packet.pts for packet in demuxed_packets(source, "audio")
        ]
        return
    assert abs(lag(unrestored.path, start=1.2)) <= 0.0011
    first, samples = decoded_sound(unrestored.path)
    gap = samples[round((0.4 - float(first)) * RATE) : round((0.8 - float(first)) * RATE)]
    assert np.abs(gap).max() < 0.01


def test_late_sound(tmp_path: Path) -> None:
    """Sound that begins after the picture begins as late in the film."""
    source = write_film(tmp_path / "source.mkv", "pcm_s16le", parts=((0.7, 1.2),))
    for profile in ("web", "master", "prores"):
        unrestored = make_unrestored_film(source, profile, tmp_path)
        assert abs(lag(unrestored.path, start=1.0)) <= 0.0011


def test_odd_layouts_and_rates(tmp_path: Path) -> None:
    """A sample rate that the encoder lacks becomes a common one, and the sound stays in sync."""
    source = write_film(tmp_path / "source.mkv", "pcm_s16le", layout="5.1", rate=8000)
    unrestored = make_unrestored_film(source, "web", tmp_path)
    with av.open(str(unrestored.path)) as container:
        stream = container.streams.audio[0]
        assert (stream.sample_rate, stream.layout.name) == (8000, "5.1")
        assert stream.metadata["language"] == "fra"
    assert abs(lag(unrestored.path)) <= 0.0011


def lines(path: Path) -> list[tuple[Fraction, Fraction, bytes]]:
    """Start, length and text without styles of each subtitle that shows something."""
    found = []
    for packet in demuxed_packets(path, "subtitle"):
        with av.open(str(path)) as container:
            decoder = container.streams.subtitles[0].codec_context
            shown = [re.sub(rb"\{[^}]*\}", b"", text) for text in subtitle_texts(decoder, packet)]
        if any(shown):
            length = Fraction(packet.duration or 0) * packet.time_base
            found.append((packet.pts * packet.time_base, length, b" ".join(shown)))
    return found


@pytest.mark.parametrize(
    ("name", "profile", "how"),
    [
        ("streams_mkv", "master", "copied"),
        ("streams_mkv", "web", "converted"),
        ("streams_mp4", "web", "copied"),
        ("streams_mp4", "master", "converted"),
        ("streams_mp4", "prores", "copied"),
    ],
)
def test_text_subtitles(name: str, profile: str, how: str, tmp_path: Path) -> None:
    """Text subtitles show the same words at the same times from every container."""
    unrestored = make_unrestored_film(clip(name), profile, tmp_path)
    assert outcome(unrestored, "subtitle").outcome == how
    assert lines(unrestored.path) == lines(clip(name))
    assert len(lines(unrestored.path)) == 2
    assert missing_copies(unrestored.path, unrestored.result.streams) == ()


def ass_lines(out: Any) -> list[Packet[Any]]:
    """Styled subtitles."""
    words = out.add_stream("ass")
    words.codec_context.subtitle_header = ASS_HEADER
    packets = []
    for number in range(2):
        packet: Packet[Any] = Packet(b"%d,0,Default,,0,0,0,,{\\i1}Tilted{\\i0} word %d\\Nbelow" % (number, number))
        packet.stream, packet.time_base = words, Fraction(1, 1000)
        packet.pts = packet.dts = 300 + 700 * number
        packet.duration = 500
        packets.append(packet)
    return packets


def test_styled_subtitles(tmp_path: Path) -> None:
    """Styled subtitles stay as they are in Matroska and keep words and times in MP4."""
    source = write_film(tmp_path / "source.mkv", extra=ass_lines)
    kept = make_unrestored_film(source, "master", tmp_path)
    assert outcome(kept, "subtitle").outcome == "copied"
    assert [bytes(p) for p in demuxed_packets(kept.path, "subtitle")] == [
        bytes(p) for p in demuxed_packets(source, "subtitle")
    ]
    web = make_unrestored_film(source, "web", tmp_path)
    assert outcome(web, "subtitle").outcome == "converted"
    assert [(start, text.split()) for start, _, text in lines(web.path)] == [
        (Fraction(3, 10), [b"Tilted", b"word", b"0", b"below"]),
        (Fraction(1), [b"Tilted", b"word", b"1", b"below"]),
    ]


@pytest.mark.parametrize(
    ("codec", "profile", "how", "reason"),
    [
        ("hdmv_pgs_subtitle", "master", "copied", ""),
        ("hdmv_pgs_subtitle", "web", "left out", "mp4 files hold no hdmv_pgs_subtitle subtitle"),
        ("hdmv_text_subtitle", "web", "left out", "its codec is not known here"),
    ],
)
def test_other_subtitles(codec: str, profile: str, how: str, reason: str, tmp_path: Path) -> None:
    """Subtitles that are pictures, or of a kind that nothing here reads, are copied or left out with the reason."""

    def add(out: Any) -> list[Packet[Any]]:
        words = out.add_mux_stream(codec)
        packet: Packet[Any] = Packet(b"\x16\0\x02\0\0")
        packet.stream, packet.time_base = words, Fraction(1, 1000)
        packet.pts = packet.dts = 500
        return [packet]

    unrestored = make_unrestored_film(write_film(tmp_path / "source.mkv", extra=add), profile, tmp_path)
    assert (outcome(unrestored, "subtitle").outcome, outcome(unrestored, "subtitle").reason) == (how, reason)
    assert missing_copies(unrestored.path, unrestored.result.streams) == ()


@pytest.mark.parametrize("profile", ["web", "master"])
def test_teletext_is_named(profile: str, tmp_path: Path) -> None:
    """No film holds the pages of a broadcast, and nothing here decodes them: probe and the outcome say so."""
    source = write_film(tmp_path / "source.ts", "mp2", extra=teletext)
    assert "stream 2 is teletext, which is not carried" in probe(str(source)).notes
    found = outcome(make_unrestored_film(source, profile, tmp_path), "subtitle")
    assert (found.codec, found.outcome, found.language) == ("dvb_teletext", "left out", "deu")
    assert found.reason == "teletext is not decoded here, and no film holds its pages"


def test_attachments(tmp_path: Path) -> None:
    """Fonts go along in Matroska, bit for bit; MP4 holds none, and the outcome says so."""
    kept = make_unrestored_film(clip("streams_mkv"), "master", tmp_path)
    with av.open(str(clip("streams_mkv"))) as before, av.open(str(kept.path)) as after:
        theirs, ours = before.streams.attachments[0], after.streams.attachments[0]
        assert (ours.data, ours.name, ours.mimetype) == (theirs.data, theirs.name, theirs.mimetype)
    assert missing_copies(kept.path, kept.result.streams) == ()
    web = outcome(make_unrestored_film(clip("streams_mkv"), "web", tmp_path), "attachment")
    assert (web.outcome, web.reason) == ("left out", "mp4 files hold no attachments")


def test_covers(tmp_path: Path) -> None:
    """A cover picture goes from MP4 to MP4 and to Matroska and on, and is never taken for film."""
    source = write_film(tmp_path / "source.mp4", "aac", extra=cover)
    with av.open(str(source)) as container:
        original = next(bytes(packet) for packet in container.demux(container.streams.video[1]))
    for profile in ("web", "master"):
        folder = tmp_path / profile
        folder.mkdir()
        unrestored = make_unrestored_film(source, profile, folder)
        assert outcome(unrestored, "cover").outcome == "copied"
        assert held_cover(unrestored.path) == original
        assert missing_copies(unrestored.path, unrestored.result.streams) == ()
        again = make_unrestored_film(unrestored.path, "master", folder)
        assert held_cover(again.path) == original
        assert again.result.frames == COUNT


def held_cover(path: Path) -> bytes:
    """The cover picture in a film."""
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams.video if s.disposition & Disposition.attached_pic)
        return next(bytes(packet) for packet in container.demux(stream))


def second_picture(out: Any) -> list[Packet[Any]]:
    """Another video stream."""
    video = out.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
    video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
    video.disposition = 0
    return list(pictures(video))


def test_one_picture_is_restored(tmp_path: Path) -> None:
    """A second video stream is left out with a word."""
    source = write_film(tmp_path / "source.mkv", "aac", extra=second_picture)
    unrestored = make_unrestored_film(source, "web", tmp_path)
    assert [(s.kind, s.outcome) for s in unrestored.result.streams] == [("audio", "copied"), ("video", "left out")]
    assert "main picture" in unrestored.result.streams[1].reason


def two_languages(out: Any) -> list[Packet[Any]]:
    """A second sound stream, spoken over for those who do not see."""
    audio = out.add_stream("aac", rate=RATE)
    audio.layout = "mono"
    audio.metadata.update(language="deu", title="Kommentar")
    audio.disposition = Disposition.comment
    return list(sounds(audio, ((0.0, 2.0),)))


@pytest.mark.parametrize("profile", ["web", "master"])
def test_languages_and_roles(profile: str, tmp_path: Path) -> None:
    """Several sound streams keep their order, language, title and role."""
    source = write_film(tmp_path / "source.mkv", "aac", extra=two_languages)
    unrestored = make_unrestored_film(source, profile, tmp_path)
    with av.open(str(unrestored.path)) as container:
        first, second = container.streams.audio
        assert (first.metadata["language"], second.metadata["language"]) == ("fra", "deu")
        assert second.disposition & Disposition.comment or profile == "web"
        assert not second.disposition & Disposition.default
        if profile == "master":
            assert second.metadata["title"] == "Kommentar"


def test_a_changed_copy_is_missed(tmp_path: Path) -> None:
    """One other byte in a copied stream and the copy no longer counts as there."""
    unrestored = make_unrestored_film(clip("rate_25"), "web", tmp_path)
    packet = demuxed_packets(unrestored.path, "audio")[40]
    data = bytearray(unrestored.path.read_bytes())
    data[packet.pos + packet.size // 2] ^= 1
    unrestored.path.write_bytes(data)
    assert [stream.kind for stream in missing_copies(unrestored.path, unrestored.result.streams)] == ["audio"]
