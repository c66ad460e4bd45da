from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from reelwright.media.frame_record import DecodedFrame
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.titles.errors import DamagedSource, InputError, OneLineError
from reelwright.titles.recipe import Recipe
from tests.support.clipmaker import Film, write_film
from tests.support.clips import clip, clip_folder, truth
from tests.support.damaged_files import REFUSED, bad_file, broken, cut
from tests.support.scenes import scene
from tests.support.transport_clock import drop_pictures

_HALF = Fraction(1, 2)
# Clips of every way in which decoders report damage.
_CODECS = (
    "rate_25",
    "bframes_mp4",
    "bframes_mkv",
    "bframes_hevc",
    "mpeg4_avi",
    "h264_avi",
    "ffv1",
    "vp9_webm",
    "mjpeg_avi",
    "yuv422p10_prores",
    "interlaced_tff",
)


def _read(path: Path, **recipe: Any) -> tuple[list[DecodedFrame], FrameReader]:
    reader = FrameReader(probe(str(path)), Recipe(**recipe))
    return list(reader), reader


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_film_is_refused_in_one_line(name: str) -> None:
    """The message says what the file is, where it is and what to do."""
    path = bad_file(name)
    with pytest.raises(InputError) as refusal:
        probe(str(path))
    assert REFUSED[name] in refusal.value.what
    assert refusal.value.where == str(path)
    assert refusal.value.remedy
    assert "\n" not in str(refusal.value)
    assert refusal.value.exit_code == 2


def test_a_missing_file_is_named() -> None:
    """A path that leads nowhere is the person's to mend."""
    with pytest.raises(InputError, match="no such file"):
        probe(str(clip_folder() / "nowhere.mp4"))


@pytest.mark.parametrize("location", ["http://127.0.0.1:9/film.mp4", "concat:a.mp4|b.mp4", "bad\0name.mp4"])
def test_addresses_and_libav_urls_are_no_paths(location: str) -> None:
    """A location is a file on this machine and nothing that libav would resolve."""
    with pytest.raises(InputError):
        probe(location)


@contextmanager
def bound_by_permissions() -> Iterator[None]:
    """Root reads everything, so for a while it is the user nobody."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("readable", [True, False])
def test_an_unreadable_file_is_named(readable: bool, tmp_path: Path) -> None:
    """A file without read permission, or in a folder without, is refused as such."""
    place = tmp_path / "place"
    place.mkdir()
    path = place / "secret.mp4"
    path.write_bytes(clip("rate_25").read_bytes())
    path.chmod(0)
    place.chmod(0o755 if readable else 0)
    try:
        with bound_by_permissions(), pytest.raises(InputError, match="permission"):
            probe(str(path))
    finally:
        place.chmod(0o755)


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    """A named pipe without a writer does not hang the reader."""
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(InputError, match="not a regular file"):
        probe(str(tmp_path / "pipe.mp4"))


def test_a_playlist_reaches_neither_network_nor_disk() -> None:
    """An address inside a file is not called, whatever the file's name."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/film.ts"
        for suffix, text in (
            ("m3u8", "#EXTM3U\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n"),
            ("mp4", "ffconcat version 1.0\nfile {}\n"),
        ):
            path = clip_folder() / f"calling.{suffix}"
            path.write_text(text.format(address))
            with pytest.raises(InputError, match="playlist"):
                probe(str(path))
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("kind", ["noise", "zeros"])
@pytest.mark.parametrize("name", _CODECS)
def test_a_packet_that_does_not_decode_ends_the_title_with_its_time(name: str, kind: str) -> None:
    """The error names the file and the time of the first frame that is lost."""
    path = broken(name, 13, kind=kind)
    with pytest.raises(DamagedSource) as damage:
        _read(path)
    where, _, time = damage.value.where.partition(" at ")
    assert where == str(path)
    hours, minutes, seconds = time.split(":")
    at = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    # The thirteenth packet is shown within its group's reordering of the thirteenth frame.
    assert abs(at - float(truth(name).times[13])) < 0.2
    assert "conceal" in damage.value.remedy


@pytest.mark.parametrize("kind", ["noise", "zeros"])
@pytest.mark.parametrize("name", _CODECS)
def test_concealing_keeps_every_time_and_lists_what_stands_in(name: str, kind: str) -> None:
    """As many frames come as were written, at their times; the ones that stand in are marked and repeat the last."""
    frames, _ = _read(broken(name, 13, 30, kind=kind), on_damage="conceal", deinterlace="off")
    video = probe(str(clip(name))).video
    assert [frame.record.pts for frame in frames] == truth(name).ticks(video.time_base)
    concealed = [frame.index for frame in frames if frame.record.concealed]
    assert concealed
    for index in concealed:
        assert frames[index].picture.digest() == frames[index - 1].picture.digest()


def test_a_frame_after_the_damage_is_whole_again() -> None:
    """From the next key frame on the film is what it was."""
    frames, _ = _read(broken("ffv1", 13), on_damage="conceal")
    sound, _ = _read(clip("ffv1"))
    assert next(frame.index for frame in frames if frame.record.concealed) == 13
    assert [f.picture.digest() for f in frames[24:]] == [f.picture.digest() for f in sound[24:]]


def test_damage_at_the_start_is_stood_in_for_by_what_follows() -> None:
    """Before the first whole frame there is no other to repeat."""
    frames, _ = _read(broken("mjpeg_avi", 0, 1), on_damage="conceal")
    assert [frame.index for frame in frames if frame.record.concealed] == [0, 1]
    assert frames[0].picture.digest() == frames[1].picture.digest() == frames[2].picture.digest()


@pytest.mark.parametrize("number", [0, 1, 20])
def test_a_wrong_bit_in_ffv1_is_damage(number: int) -> None:
    """FFmpeg would show the frame before and say nothing."""
    with pytest.raises(DamagedSource):
        _read(broken("ffv1", number, kind="bits"))


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("name", ["av1_mp4", "bframes_mp4", "bframes_hevc", "ffv1"])
def test_concealing_does_not_depend_on_threads(name: str, threads: int) -> None:
    """Damage is found in the same frames however many threads decode."""
    info, recipe = probe(str(broken(name, 13))), Recipe(on_damage="conceal")
    expected = [(f.record, f.picture.digest()) for f in FrameReader(info, recipe, threads=2)]
    assert [(f.record, f.picture.digest()) for f in FrameReader(info, recipe, threads=threads)] == expected


@pytest.mark.parametrize("name", ["bframes_mkv", "ffv1", "vp9_webm", "negative_start", "mpeg4_avi"])
def test_a_cut_file_is_read_up_to_the_cut_only_when_asked(name: str) -> None:
    """`fail` refuses before the first frame; `conceal` gives what is there and says where it ended."""
    path = cut(name, _HALF)
    reader = FrameReader(probe(str(path)), Recipe())
    with pytest.raises(DamagedSource, match="ends in the middle"):
        next(iter(reader))
    frames, reader = _read(path, on_damage="conceal")
    video = probe(str(clip(name))).video
    written = truth(name).ticks(video.time_base)
    assert 5 < len(frames) < len(written)
    assert [frame.record.pts for frame in frames] == written[: len(frames)]
    assert not any(frame.record.concealed for frame in frames)
    assert reader.truncated_at == frames[-1].record.pts + frames[-1].record.duration


@pytest.mark.parametrize(("name", "mark"), [("bframes_mkv", b"\x1f\x43\xb6\x75"), ("mpeg4_avi", b"00dc")])
def test_frames_that_the_demuxer_skips_are_missed(name: str, mark: bytes) -> None:
    """A broken header makes libavformat leave out whole stretches; that is damage, not a shorter film."""
    data = bytearray(clip(name).read_bytes())
    at = data.index(mark, len(data) // 2)
    data[at : at + 8] = bytes(8)
    path = clip_folder() / f"skipping-{name}{clip(name).suffix}"
    path.write_bytes(data)
    with pytest.raises(DamagedSource, match="00:00:0"):
        _read(path)
    frames, reader = _read(path, on_damage="conceal")
    assert frames
    assert any("may be missing" in note for note in reader.notes)


@pytest.mark.parametrize("on_damage", ["fail", "conceal"])
@pytest.mark.parametrize(("first", "count"), [(14, 3), (21, 3)])
@pytest.mark.parametrize("codec", ["mpeg2video", "libx264"])
def test_pictures_that_a_transport_stream_lacks_are_noted(
    codec: str, first: int, count: int, on_damage: str, tmp_path: Path
) -> None:
    """What remains decodes, but the packets' counters jump; the note has the time, also where a key frame follows."""
    path, options = tmp_path / "missing.ts", {"bf": "0", "g": "12"}
    shots = [(Fraction(number, 25), scene(number, "yuv420p", 64, 48)) for number in range(50)]
    write_film(path, Film(shots, codec=codec, options=options, audio="mp2"))
    frames, reader = _read(path, on_damage=on_damage)
    assert (len(frames), reader.notes) == (50, ())
    drop_pictures(path, first, count)
    _, reader = _read(path, on_damage=on_damage)
    (note,) = [note for note in reader.notes if "pictures may be missing there" in note]
    near = float(note.partition("near 00:00:")[2].partition(":")[0])
    assert 0 <= first / 25 - near < 0.2


def test_a_whole_film_is_not_truncated() -> None:
    """Reading to the end of a whole file reports no cut."""
    _, reader = _read(clip("bframes_mkv"), on_damage="conceal")
    assert reader.truncated_at is None


@pytest.mark.parametrize("on_damage", ["fail", "conceal"])
def test_a_picture_that_changes_size_is_refused_with_the_time(on_damage: str) -> None:
    """One film has one size; the error says where to split."""
    with pytest.raises(InputError, match=r"at 00:00:01\.000.*160x120.*176x144"):
        _read(bad_file("growing"), on_damage=on_damage)


@pytest.mark.parametrize("on_damage", ["fail", "conceal"])
def test_a_clock_that_starts_over_is_refused(on_damage: str) -> None:
    """Two Matroska files in one are two films: players end with the first one."""
    with pytest.raises(InputError, match="starts over"):
        _read(bad_file("restarting"), on_damage=on_damage)


_FUZZED = ("rate_25", "bframes_mkv", "bframes_ts", "mpeg2_ps", "mpeg4_avi", "ffv1", "streams_mp4", "negative_start")


@pytest.mark.parametrize("seed", range(40))
def test_mutated_files_end_in_frames_or_one_line(seed: int) -> None:
    """Whatever is done to a file, reading it gives frames at rising times or a clear error."""
    rng = random.Random(seed)
    for name in _FUZZED:
        path = clip_folder() / f"mutated{clip(name).suffix}"
        path.write_bytes(_mutated(clip(name).read_bytes(), rng))
        try:
            frames, _ = _read(path, on_damage=rng.choice(["fail", "conceal"]))
        except OneLineError as error:
            assert "\n" not in str(error)  # noqa: PT017 - either outcome is right, and this is what one must look like
        else:
            times = [frame.record.pts for frame in frames]
            assert times == sorted(set(times))


def _mutated(data: bytes, rng: random.Random) -> bytes:
    spoilt = bytearray(data)
    for _ in range(rng.choice((1, 4, 20))):
        at = rng.choice((rng.randrange(len(spoilt)), rng.randrange(2000), len(spoilt) - 1 - rng.randrange(2000)))
        match rng.randrange(4):
            case 0:
                spoilt[at] ^= 1 << rng.randrange(8)
            case 1:
                spoilt[at : at + 4] = rng.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"))
            case 2:
                del spoilt[at : at + rng.randrange(1, 1000)]
            case 3:
                spoilt[at:at] = spoilt[at : at + rng.randrange(1, 1000)]
    return bytes(spoilt)
