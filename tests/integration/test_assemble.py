"""Films: every frame at its source's time, in sync, tagged alike, and the same bytes each time."""

from __future__ import annotations

import dataclasses
import hashlib
from fractions import Fraction
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from reelwright.media.assemble import assemble_film
from reelwright.media.display_matrix import matrix_of
from reelwright.media.finished_film import frame_digests, read_timeline
from reelwright.media.frame_record import FrameRecord
from reelwright.media.jpeg import jpeg
from reelwright.media.picture import Picture, Plane
from reelwright.media.picture_clock import SegmentInput
from reelwright.media.profiles import profile_spec
from reelwright.media.source_info import ColourInfo
from reelwright.titles.errors import CorruptPayload, InternalError, OutputError, UnavailableError
from tests.support.clipmaker import Film, write_film
from tests.support.clips import clip, truth
from tests.support.films import whole_film
from tests.support.pyav import in_seconds
from tests.support.scenes import scene
from tests.support.unrestored_films import (
    PROFILES,
    UnrestoredFilm,
    decoded,
    decoded_sound,
    demuxed_packets,
    make_unrestored_film,
    mean_difference,
    write_segment,
)

TIMES = (
    "rate_23976",
    "rate_24",
    "rate_2997",
    "rate_50",
    "rate_23976_mkv",
    "vfr_mp4",
    "vfr_mkv",
    "bframes_mp4",
    "bframes_ts",
    "mpeg2_ps",
    "mpeg4_avi",
    "late_start_mp4",
    "late_start_mkv",
    "negative_start",
    "edit_list",
    "short",
)


@pytest.mark.parametrize("profile", ["web", "master"])
@pytest.mark.parametrize("name", TIMES)
def test_every_frame_keeps_its_time(name: str, profile: str, tmp_path: Path) -> None:
    """Each frame that was written into the source is in the film once, at its own time to the container's unit."""
    unrestored = make_unrestored_film(clip(name), profile, tmp_path)
    packets = sorted(demuxed_packets(unrestored.path, "video"), key=lambda packet: packet.pts)
    unit = packets[0].time_base
    times = [packet.pts * unit + 0 for packet in packets]
    # Matroska counts in milliseconds; MP4 counts in a whole fraction of the source's unit.
    slack = unit if profile == "master" else 0
    source_slack = unrestored.info.video.time_base
    planned = [frame.pts * source_slack + unrestored.result.shift for s in unrestored.segments for frame in s.frames]
    assert len(times) == unrestored.result.frames == len(truth(name).times)
    assert all(abs(time - plan) <= slack for time, plan in zip(times, planned, strict=True))
    written = [time + unrestored.result.shift for time in truth(name).times]
    assert all(abs(time - true) <= slack + source_slack for time, true in zip(times, written, strict=True))
    assert not any(packet.is_discard for packet in packets)


@pytest.mark.parametrize("profile", ["hevc10", "av1", "prores"])
@pytest.mark.parametrize("name", ["rate_2997", "vfr_mp4"])
def test_other_profiles_keep_time(name: str, profile: str, tmp_path: Path) -> None:
    """Every other profile keeps constant and variable rates exactly too."""
    unrestored = make_unrestored_film(clip(name), profile, tmp_path)
    timeline = read_timeline(unrestored.path)
    assert [pts * timeline.time_base for pts in timeline.pts] == list(truth(name).times)


@pytest.mark.parametrize("profile", PROFILES)
def test_segments_join_without_a_seam(profile: str, tmp_path: Path) -> None:
    """Decoding the film gives every picture in its place across segments, and decoding times rise strictly."""
    unrestored = make_unrestored_film(clip("bframes_mp4"), profile, tmp_path, segment=7)
    frames = list(decoded(unrestored.path))
    assert len(frames) == len(unrestored.pictures)
    for (time, planes), (number, picture) in zip(frames, enumerate(unrestored.pictures), strict=True):
        assert time == Fraction(number, 25)
        assert mean_difference(picture, planes) < 3
    packets = demuxed_packets(unrestored.path, "video")
    dts = [packet.dts for packet in packets if packet.dts is not None]
    assert all(a < b for a, b in pairwise(dts))
    assert all(packet.dts is None or packet.dts <= packet.pts for packet in packets)
    reordered = [packet.pts for packet in packets] != sorted(packet.pts for packet in packets)
    assert reordered == (unrestored.spec.reorder > 0)


def test_master_is_lossless(tmp_path: Path) -> None:
    """The archive film decodes bit for bit to the pictures that were encoded, and damage to it is noticed."""
    unrestored = make_unrestored_film(clip("yuv422p"), "master", tmp_path)
    assert list(frame_digests(unrestored.path)) == [picture.digest() for picture in unrestored.pictures]
    data = bytearray(unrestored.path.read_bytes())
    packet = demuxed_packets(unrestored.path, "video")[30]
    data[packet.pos + packet.size // 2] ^= 0x10
    unrestored.path.write_bytes(data)
    with pytest.raises(CorruptPayload, match="frame 30"):
        list(frame_digests(unrestored.path))


@pytest.mark.parametrize("profile", ["web", "master"])
@pytest.mark.parametrize("name", ["rate_25", "late_start_mp4", "bframes_ts", "vfr_mkv"])
def test_sound_stays_in_sync(name: str, profile: str, tmp_path: Path) -> None:
    """Each sound sample is heard at the source's time to the container's unit, and the picture's lead is the same."""
    unrestored = make_unrestored_film(clip(name), profile, tmp_path)
    before, tone = decoded_sound(clip(name))
    after, copy = decoded_sound(unrestored.path)
    # Where the film's container knows no priming, the decoder gives those samples too, before the film's zero.
    early = round((before - after) * 48000)
    unit = max(demuxed_packets(unrestored.path, "audio")[0].time_base, Fraction(1, 48000))
    offset = best_offset(tone, copy, early)
    heard = after + Fraction(offset, 48000)
    assert abs(heard - before - unrestored.result.shift) <= unit + unrestored.info.video.time_base


def best_offset(tone: np.ndarray, copy: np.ndarray, near: int) -> int:
    """Where in `copy` the samples 5000.. of `tone` recur exactly, less 5000."""
    probe = tone[5000:5200]
    for offset in sorted(range(max(near - 2000, -5000), near + 2000), key=lambda guess: abs(guess - near)):
        if np.allclose(copy[5000 + offset : 5200 + offset], probe, atol=1e-4):
            return offset
    raise AssertionError("the sound is not in the film")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    "name", ["anamorphic", "rotated", "mirrored", "mirrored_rotated", "bt601", "full_range", "hdr"]
)
def test_the_look_is_tagged_alike(name: str, profile: str, tmp_path: Path) -> None:
    """Sample shape, rotation and colour tags are read back as the source has them."""
    unrestored = make_unrestored_film(clip(name), profile, tmp_path)
    ours, theirs = look(unrestored.path), look(clip(name))
    if profile == "prores":
        theirs["range"] = 1
    if theirs["range"] == 0:
        # The source does not say; limited is what players take that for, and what some encoders write down.
        assert ours.pop("range") in {0, 1}
        del theirs["range"]
    assert ours == theirs


def look(path: Path) -> dict[str, object]:
    """How a player is told to show a film."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        return {
            "shape": stream.sample_aspect_ratio or 1,
            "turn": matrix_of(frame)[:6],
            "range": int(frame.color_range),
            "colour": (int(frame.color_primaries), int(frame.color_trc), int(frame.colorspace)),
            "rate": stream.average_rate,
        }


@pytest.mark.parametrize("profile", ["web", "master"])
def test_chapters(profile: str, tmp_path: Path) -> None:
    """All chapters of a film keep their times and titles."""
    film = whole_film("sintel_with_14_chapters")
    unrestored = make_unrestored_film(film, profile, tmp_path, limit=12)
    with av.open(str(film)) as before, av.open(str(unrestored.path)) as after:
        expected = [(in_seconds(c["start"], c["time_base"]), c["metadata"].get("title")) for c in before.chapters()]
        found = [(in_seconds(c["start"], c["time_base"]), c["metadata"].get("title")) for c in after.chapters()]
    assert found == expected
    assert unrestored.result.chapters == len(expected)


@pytest.mark.parametrize("profile", ["web", "master"])
def test_metadata(profile: str, tmp_path: Path) -> None:
    """Title and languages go with the film; the old file's own description does not."""
    unrestored = make_unrestored_film(clip("streams_mp4"), profile, tmp_path)
    with av.open(str(unrestored.path)) as container:
        assert container.metadata["title"] == "A clip"
        # The muxer's own name, without the version that would change the bytes.
        assert container.metadata.get("encoder", "Lavf") == "Lavf"
        assert container.streams.audio[0].metadata["language"] == "eng"
        assert len(container.chapters()) == 3


@pytest.mark.parametrize("profile", ["web", "master"])
def test_the_last_frame_is_held(profile: str, tmp_path: Path) -> None:
    """A film of varying rate ends when its last frame's own time is over."""
    pictures = [scene(i) for i in range(3)] if profile == "web" else [scene(i, "yuv420p10le") for i in range(3)]
    unrestored = make_unrestored_film(clip("short"), profile, tmp_path)
    film = dataclasses.replace(unrestored.film, time_base=Fraction(1, 1000))
    planned = [FrameRecord(pts=pts, duration=held) for pts, held in ((0, 40), (40, 500), (540, 1300))]
    path = write_segment(tmp_path / "held.mkv", unrestored.spec, film, pictures)
    assemble_film(
        tmp_path / "held", [SegmentInput(path, planned)], source=unrestored.info, spec=unrestored.spec, film=film
    )
    with av.open(str(tmp_path / "held")) as container:
        assert Fraction(container.duration or 0, av.time_base) == Fraction(1840, 1000)
    assert read_timeline(tmp_path / "held").pts[-1] * read_timeline(tmp_path / "held").time_base == Fraction(540, 1000)


def test_a_late_clock_is_brought_near_zero(tmp_path: Path) -> None:
    """A capture that starts hours into a broadcast does not begin with hours of nothing, and says so."""
    begin = Fraction(3 * 3600)
    source = tmp_path / "source.mkv"
    shots = [(begin + Fraction(i, 25), scene(i)) for i in range(48)]
    write_film(source, Film(shots, audio="aac", audio_start=begin))
    unrestored = make_unrestored_film(source, "web", tmp_path)
    assert abs(unrestored.result.shift + begin) < 1
    assert any("clock" in note for note in unrestored.result.notes)
    timeline = read_timeline(unrestored.path)
    assert timeline.pts[0] * timeline.time_base == begin + unrestored.result.shift
    assert decoded_sound(unrestored.path)[0] == pytest.approx(
        decoded_sound(source)[0] + unrestored.result.shift, abs=0.0011
    )


def test_odd_sizes_are_said(tmp_path: Path) -> None:
    """A padded film says so, and its pictures are the source's with the edge repeated."""
    unrestored = make_unrestored_film(clip("odd_420"), "web", tmp_path)
    assert (unrestored.result.width, unrestored.result.height) == (162, 122)
    assert any("161x121" in note for note in unrestored.result.notes)
    _, planes = next(decoded(unrestored.path))
    assert np.abs(planes[0][:, -1] - planes[0][:, -2]).mean() < 2


@pytest.mark.parametrize("profile", PROFILES)
def test_the_same_film_is_the_same_bytes(profile: str, tmp_path: Path) -> None:
    """Assembling twice gives the same file."""
    unrestored = make_unrestored_film(clip("streams_mkv"), profile, tmp_path)
    again = tmp_path / "again"
    assemble_film(again, unrestored.segments, source=unrestored.info, spec=unrestored.spec, film=unrestored.film)
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(unrestored.path.read_bytes()).digest()


def test_web_films_start_at_once(tmp_path: Path) -> None:
    """The index of an MP4 lies before its pictures, so that a browser need not load it whole."""
    unrestored = make_unrestored_film(clip("rate_25"), "web", tmp_path)
    data = unrestored.path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_segments_must_make_one_film(tmp_path: Path) -> None:
    """Missing frames, foreign segments and no segments fail instead of making a film of them."""
    unrestored = make_unrestored_film(clip("rate_25"), "web", tmp_path)
    out = tmp_path / "other.mp4"

    def refused(unrestored: UnrestoredFilm, segments: list[SegmentInput], match: str) -> None:
        with pytest.raises(InternalError, match=match):
            assemble_film(out, segments, source=unrestored.info, spec=unrestored.spec, film=unrestored.film)

    first, *rest = unrestored.segments
    refused(unrestored, [], "at least one frame")
    refused(unrestored, [SegmentInput(first.path, first.frames[:-1]), *rest], "not planned")
    refused(unrestored, [SegmentInput(first.path, [*first.frames, first.frames[-1]]), *rest], "missing")
    wider = dataclasses.replace(unrestored.film, width=320, height=240)
    foreign = write_segment(tmp_path / "f.mkv", unrestored.spec, wider, [scene(0, "yuv420p", 320, 240)])
    refused(unrestored, [first, SegmentInput(foreign, rest[0].frames[:1])], "setup differs")


@pytest.mark.parametrize("profile", ["web", "master"])
def test_no_room_for_the_film(profile: str, tmp_path: Path) -> None:
    """A full disk and a missing folder are one clear line each."""
    unrestored = make_unrestored_film(clip("rate_25"), profile, tmp_path)
    nowhere = tmp_path / "nowhere" / "film"
    for place, error, reason in (
        (Path("/dev/full"), UnavailableError, "no space left"),
        (nowhere, OutputError, "no such file"),
    ):
        with pytest.raises(error, match=reason):
            assemble_film(
                place, unrestored.segments, source=unrestored.info, spec=unrestored.spec, film=unrestored.film
            )


@pytest.mark.parametrize(("pix_fmt", "gray"), [("gray", True), ("gray10le", True), ("yuv420p", False)])
@pytest.mark.parametrize("colour_range", [1, 2])
def test_stills(pix_fmt: str, gray: bool, colour_range: int) -> None:
    """A still shows black and white as the tags mean them, and is no wider than asked."""
    depth = 10 if pix_fmt.endswith("10le") else 8
    black, white = (0, 255) if colour_range == 2 else (16, 235)
    luma: Plane = np.full((64, 128), black << (depth - 8), np.uint16 if depth == 10 else np.uint8)  # type: ignore[assignment]
    luma[:, 64:] = white << (depth - 8)
    chroma = () if gray else (np.full((32, 64), 128, np.uint8),) * 2
    image = jpeg(Picture(pix_fmt, 128, 64, (luma, *chroma)), ColourInfo(range=colour_range), 32)
    with av.open(BytesIO(image), "r") as container:
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert shown.shape == (16, 32, 3)
    assert shown[:, :12].max() <= 3
    assert shown[:, 20:].min() >= 252


def test_profiles_have_their_containers(tmp_path: Path) -> None:
    """Apple's players find HEVC by hvc1 and ProRes HQ by apch."""
    for profile, tag in (("hevc10", "hvc1"), ("prores", "apch"), ("web", "avc1"), ("av1", "av01")):
        folder = tmp_path / profile
        folder.mkdir()
        unrestored = make_unrestored_film(clip("short"), profile, folder)
        with av.open(str(unrestored.path)) as container:
            assert container.streams.video[0].codec_context.codec_tag == tag
        assert unrestored.path.suffix == profile_spec(profile).suffix
