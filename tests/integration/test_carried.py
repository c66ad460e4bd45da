"""What a film carries beside picture and sound: timecode, captions, HDR metadata, tags; named where it cannot."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.packet import Packet
from av.stream import Disposition

from reelwright.cli.main import run
from reelwright.media.captions import caption_data, with_captions
from reelwright.media.finished_film import missing_copies, read_timeline
from reelwright.media.hdr import hdr_of
from reelwright.media.probe import probe
from reelwright.media.stream_times import settle_outcomes
from reelwright.media.tags import lost_tags
from reelwright.titles.errors import InputError
from tests.support import mp4_edit
from tests.support.carried_clips import CUES, captioned, tagged, write_hdr, write_timed
from tests.support.commands import manifest_of
from tests.support.pyav import in_seconds
from tests.support.stream_clips import subtitles, write_film
from tests.support.unrestored_films import UnrestoredFilm, make_unrestored_film

NTSC = Fraction(30000, 1001)


def timecodes(path: Path) -> set[str]:
    """The timecodes of a film's timecode tracks, else of its picture."""
    with av.open(str(path)) as container:
        tracks = [s for s in container.streams if s.type == "data"] or list(container.streams.video)
        tags = [{key.lower(): value for key, value in track.metadata.items()} for track in tracks]
        return {one["timecode"] for one in tags if "timecode" in one}


@pytest.mark.parametrize("profile", ["web", "master", "prores"])
@pytest.mark.parametrize(
    ("suffix", "rate", "timecode"),
    [
        (".mov", Fraction(25), "10:00:00:00"),
        (".mp4", NTSC, "01:00:00;02"),
        (".mkv", NTSC, "00:59:59;29"),
        (".mkv", Fraction(24000, 1001), "09:58:30:23"),
    ],
)
def test_timecode(suffix: str, rate: Fraction, timecode: str, profile: str, tmp_path: Path) -> None:
    """The start timecode and its drop-frame flag are kept in every container."""
    source = write_timed(tmp_path / f"source{suffix}", timecode, rate)
    film = make_unrestored_film(source, profile, tmp_path)
    assert timecodes(film.path) == {timecode}
    assert read_timeline(film.path).timecode == timecode


def test_timecode_of_a_late_picture(tmp_path: Path) -> None:
    """A track that counts from zero and a tag that names the first frame say the same about each frame."""
    source = write_timed(tmp_path / "source.mkv", "10:00:00:00", Fraction(25), start=50)
    assert timecodes(make_unrestored_film(source, "master", tmp_path).path) == {"10:00:00:00"}
    assert timecodes(make_unrestored_film(source, "web", tmp_path).path) == {"09:59:58:00"}
    again = make_unrestored_film(tmp_path / "film.mp4", "master", tmp_path)
    assert timecodes(again.path) == {"10:00:00:00"}


def test_timecode_of_gop_headers(tmp_path: Path) -> None:
    """MPEG-2 says it in its GOP headers; an encoder that was told none counts from zero, which says nothing."""
    source = write_timed(tmp_path / "source.mpg", "", Fraction(25), codec="mpeg2video")
    assert make_unrestored_film(source, "master", tmp_path).result.timecode is None
    data = bytearray(source.read_bytes())
    at = data.index(b"\0\0\1\xb8") + 4
    # ISO/IEC 13818-2, 6.2.2.6: drop flag, hours, minutes, a marker, seconds, pictures.
    header = 11 << 26 | 22 << 20 | 1 << 19 | 33 << 13 | 4 << 7
    data[at : at + 4] = (header | int.from_bytes(data[at : at + 4], "big") & 0x7F).to_bytes(4, "big")
    source.write_bytes(data)
    assert timecodes(make_unrestored_film(source, "prores", tmp_path).path)
    assert str(make_unrestored_film(source, "master", tmp_path).result.timecode) == "11:22:33:04"


def seen_captions(path: Path) -> list[tuple[Fraction, bytes]]:
    """Times and bytes of the captions that a decoder finds with the pictures."""
    with av.open(str(path)) as container:
        found = []
        for frame in container.decode(video=0):
            # PyAV declares it a mapping by name, but it iterates over the data.
            side_data: Any = frame.side_data
            time = in_seconds(frame.pts, frame.time_base)
            found += [(time, bytes(data)) for data in side_data if data.type.name == "A53_CC"]
        return found


@pytest.mark.parametrize("profile", ["web", "hevc10", "av1"])
def test_captions_stay_with_their_pictures(profile: str, tmp_path: Path) -> None:
    """Each picture of the film has the captions of the source's, and a film without them is found out."""
    source = captioned(tmp_path / "source.mp4")
    film = make_unrestored_film(source, profile, tmp_path, segment=17)
    wanted = seen_captions(source)
    assert [data for _, data in wanted if data != b"\xfc\x80\x80"] == list(CUES.values())
    assert seen_captions(film.path) == wanted
    outcome = film.result.streams[0]
    assert (outcome.kind, outcome.outcome, outcome.packets) == ("captions", "copied", 50)
    assert missing_copies(film.path, film.result.streams) == ()
    bare = make_unrestored_film(write_film(tmp_path / "bare.mp4"), profile, tmp_path)
    assert missing_copies(bare.path, film.result.streams) == (outcome,)


@pytest.mark.parametrize("profile", ["master", "prores"])
def test_captions_become_subtitles(profile: str, tmp_path: Path) -> None:
    """Where the codec holds no captions, a text track shows them at their times, and the outcome says so."""
    film = make_unrestored_film(captioned(tmp_path / "source.mp4"), profile, tmp_path)
    outcome = film.result.streams[0]
    assert (outcome.kind, outcome.outcome) == ("captions", "converted")
    with av.open(str(film.path)) as container:
        stream = container.streams.subtitles[0]
        packets = [packet for packet in container.demux(stream) if b"HI" in bytes(packet)]
        assert [float(in_seconds(packet.pts, packet.time_base)) for packet in packets] == pytest.approx(
            [8 / 25], abs=0.001
        )
        assert float(in_seconds(packets[0].duration, packets[0].time_base)) == pytest.approx(22 / 25, abs=0.002)


def test_caption_messages_survive_emulation_prevention() -> None:
    """Caption bytes that look like a start code come back from every kind of stream."""
    captions = b"\xfc\0\0" * 5 + b"\xfd\0\1" * 3
    for codec, picture in (("h264", b"\0\0\0\2\x65\x88"), ("hevc", b"\0\0\0\3\x26\x01\xaf"), ("av1", b"\x32\x01\x10")):
        assert caption_data(with_captions(picture, codec, captions), codec) == captions


@pytest.mark.parametrize("profile", ["hevc10", "av1", "master", "web"])
def test_hdr10(profile: str, tmp_path: Path) -> None:
    """The mastering display and the light levels are read back from the film's first picture."""
    source = write_hdr(tmp_path / "source.mp4")
    found = [first_hdr(path) for path in (source, make_unrestored_film(source, profile, tmp_path).path)]
    assert found[0].mastering == (34000, 16000, 13250, 34500, 7500, 3000, 15635, 16450, 10_000_000, 50)
    # AV1 counts in binary fractions, and Matroska in floating point.
    assert np.allclose(found[1].mastering, found[0].mastering, rtol=1e-3, atol=3)
    assert found[1].content_light == found[0].content_light == (1000, 400)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_dolby_vision_beside_a_whole_picture_is_named(suffix: str, tmp_path: Path) -> None:
    """Profile 8 has an HDR10 picture, which is restored; the note names what is not carried."""
    source = remuxed_hevc(tmp_path, 8, 1, suffix)
    assert "its Dolby Vision metadata is not carried" in probe(str(source)).notes


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_dolby_vision_with_its_own_colours_is_refused(suffix: str, tmp_path: Path) -> None:
    """Without its metadata, the picture of profile 5 has colours that nobody filmed."""
    source = remuxed_hevc(tmp_path, 5, 0, suffix)
    with pytest.raises(InputError, match="Dolby Vision profile 5"):
        probe(str(source))


def remuxed_hevc(folder: Path, profile: int, compatible: int, suffix: str) -> Path:
    """A few frames of HEVC that say that they are Dolby Vision."""
    path = write_hdr(folder / "source.mp4")
    mp4_edit.add_dolby_vision(path, profile, compatible)
    if suffix == ".mp4":
        return path
    with av.open(str(path)) as given, av.open(str(path.with_suffix(suffix)), "w") as out:
        target = out.add_stream_from_template(given.streams.video[0], opaque=True)
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = target
                out.mux(packet)
    return path.with_suffix(suffix)


def first_hdr(path: Path) -> Any:
    """What the first picture says."""
    with av.open(str(path)) as container:
        return hdr_of(next(container.decode(video=0)))


@pytest.mark.parametrize("profile", ["web", "master", "prores"])
def test_every_tag_is_kept_or_listed(profile: str, tmp_path: Path) -> None:
    """An archive's own keys are in the film, and what a container does not hold of a track is listed."""
    source = write_film(tmp_path / "source.mkv", extra=tagged)
    film = make_unrestored_film(source, profile, tmp_path)
    timeline = read_timeline(film.path)
    assert lost_tags(film.info.metadata, timeline.tags) == ()
    with av.open(str(film.path)) as container:
        kept = {key.lower(): value for key, value in container.metadata.items()}
        assert (kept["title"], kept["shelfmark"]) == ("Der Gärtner", "BSP 1234/7")
        sound = container.streams.audio[0]
        names = {key.lower(): value for key, value in sound.metadata.items()}
        assert names["language"] == "ger"
        assert "Optical track" in names.values()
        held = (names.get("source") == "print 3", bool(sound.disposition & Disposition.comment))
    outcome = settled(film)
    assert ("source" in outcome.not_kept, "disposition comment" in outcome.not_kept) == (not held[0], not held[1])
    assert "title" not in outcome.not_kept


@pytest.mark.parametrize("profile", ["web", "master", "prores"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_titles_of_tracks_are_kept(suffix: str, profile: str, tmp_path: Path) -> None:
    """The titles of the picture's and the sound's track stay titles, whatever container they come from."""

    def named(out: Any) -> list[Packet[Any]]:
        out.streams.video[0].metadata["title"] = "Restored print"
        out.streams.audio[0].metadata["title"] = "Commentary"
        return []

    source = write_film(tmp_path / f"source{suffix}", "aac", extra=named)
    film = make_unrestored_film(source, profile, tmp_path)
    assert [stream.title for stream in film.info.streams] == ["Commentary"]
    outcome = settled(film)
    assert (outcome.title, "title" in outcome.not_kept, "name" in outcome.not_kept) == ("Commentary", False, False)
    assert lost_tags(film.result.picture_tags, read_timeline(film.path).picture_tags) == ()
    with av.open(str(film.path)) as container:
        tracks = [{key.lower(): value for key, value in stream.metadata.items()} for stream in container.streams]
    key = "title" if film.path.suffix == ".mkv" else "name"
    assert [track[key] for track in tracks] == ["Restored print", "Commentary"]


@pytest.mark.parametrize("profile", ["web", "master", "prores"])
@pytest.mark.parametrize("shown", [(), (1,), (0, 1)])
def test_subtitles_that_are_off_stay_off(shown: tuple[int, ...], profile: str, tmp_path: Path) -> None:
    """Subtitles are shown unasked in the film where they are in the source, and nowhere else."""

    def tracks(out: Any) -> list[Packet[Any]]:
        packets = [packet for _ in range(2) for packet in subtitles(out, "subrip", [(100, 400, "words")])]
        for number, stream in enumerate(out.streams.subtitles):
            stream.disposition = Disposition.default if number in shown else Disposition(0)
        return packets

    film = make_unrestored_film(write_film(tmp_path / "source.mkv", "aac", extra=tracks), profile, tmp_path)
    with av.open(str(film.path)) as container:
        found = [bool(stream.disposition & Disposition.default) for stream in container.streams.subtitles]
        assert found == [number in shown for number in range(2)]
        assert container.streams.video[0].disposition & Disposition.default
    assert subtitle_packets(film.path) == 2


def subtitle_packets(path: Path) -> int:
    """How many subtitles a film shows."""
    with av.open(str(path)) as container:
        return sum(len(bytes(packet)) > 2 for packet in container.demux(*container.streams.subtitles) if packet.size)


def test_a_lost_tag_of_the_picture_is_listed(tmp_path: Path) -> None:
    """MP4 holds no artist of a track; the manifest says so of the picture's tags, as of those of sound."""
    source, output = tmp_path / "source.mkv", tmp_path / "film.mp4"
    with av.open(str(write_timed(tmp_path / "plain.mkv", "", Fraction(25)))) as plain, av.open(str(source), "w") as out:
        target = out.add_stream_from_template(plain.streams.video[0])
        target.metadata.update({"artist": "A. Person", "title": "The Picture"})
        for packet in plain.demux(video=0):
            if packet.size:
                packet.stream = target
                out.mux(packet)
    assert run(["restore", str(source), "-o", str(output)]) == 0
    notes = [note for note in manifest_of(output)["notes"] if "tags" in note]
    assert notes == ["tags of the picture that this mp4 file does not hold: artist"]


def settled(film: UnrestoredFilm) -> Any:
    """The first stream's outcome as the manifest gets it."""
    found = read_timeline(film.path).streams
    return settle_outcomes(film.result.streams, film.result.timed_streams, found, film.result.shift)[0]


def test_a_chapter_past_the_end_is_named(tmp_path: Path) -> None:
    """It would make players show a longer film, so it is left out with a note."""

    def chapters(out: Any) -> list[Packet[Any]]:
        one = {"time_base": Fraction(1, 1000), "metadata": {"title": "part"}}
        out.set_chapters([{"id": 1, "start": 0, "end": 2000, **one}, {"id": 2, "start": 50_000, "end": 51_000, **one}])
        return []

    source = write_film(tmp_path / "source.mkv", extra=chapters)
    for profile in ("web", "master"):
        film = make_unrestored_film(source, profile, tmp_path)
        with av.open(str(film.path)) as container:
            assert container.duration is not None
            assert container.duration <= 2_050_000
            assert len(container.chapters()) == film.result.chapters == 1
        assert any("1 chapters" in note for note in film.result.notes)
