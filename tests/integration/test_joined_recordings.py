"""Files of several recordings, one behind the other, each with its own clock."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from av.bitstream import BitStreamFilterContext

from reelwright.cli.main import run
from reelwright.ledger.verify import verify
from reelwright.media.captions import caption_digest
from reelwright.media.clock_joins import with_recordings
from reelwright.media.finished_film import read_timeline
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.media.stream_times import settle_outcomes
from reelwright.titles.recipe import Recipe
from tests.support.carried_clips import captioned
from tests.support.clipmaker import Film, write_film
from tests.support.commands import manifest_of
from tests.support.damaged_files import joined
from tests.support.scenes import scene
from tests.support.transport_clock import PICTURE, SOUND, set_clock, wrapping
from tests.support.unrestored_films import make_unrestored_film

WRAP = Fraction(1 << 33, 90_000)
Times = list[Fraction]


def recording(
    path: Path,
    frames: int,
    video: str = "mpeg2video",
    audio: str = "mp2",
    *,
    first: int = 0,
    at: float = 0,
    options: dict[str, str] | None = None,
) -> Path:
    """A recording that begins with the scene's picture `first`, and whose clock begins at about `at` seconds."""
    shots = [(Fraction(number, 25), scene(first + number, "yuv420p", 64, 48)) for number in range(frames)]
    film = Film(shots, codec=video, options=options or {}, audio=audio, container_options={"output_ts_offset": str(at)})
    write_film(path, film)
    return path


def times_of(path: Path) -> dict[str, Times]:
    """The time of each packet of a file of one recording, in presentation order, by kind of stream; read with PyAV."""
    found: dict[str, Times] = {}
    with av.open(str(path)) as container:
        for packet in container.demux(video=0, audio=0) if container.streams.audio else container.demux(video=0):
            if packet.size and packet.pts is not None:
                found.setdefault(packet.stream.type, []).append(packet.pts * packet.time_base)
    return {kind: sorted(times) for kind, times in found.items()}


def continued(film: Path, parts: Sequence[Path]) -> list[Fraction]:
    """Seconds by which each recording lies later in the film than on its own clock.

    Asserts that these are the same for each of its pictures and packets of sound, to a tick of either clock.
    """
    found, shifts = times_of(film), []
    for part in parts:
        moved: list[Fraction] = []
        for kind, times in times_of(part).items():
            here, found[kind] = found[kind][: len(times)], found[kind][len(times) :]
            moved += [after - before for after, before in zip(here, times, strict=True)]
        assert max(moved) - min(moved) <= Fraction(2, 10_000)
        shifts.append(moved[0])
    assert not any(found.values())
    return shifts


@pytest.mark.parametrize(
    ("suffix", "video", "audio", "starts"),
    [
        (".ts", "libx264", "mp2", (0, 0, 0)),
        (".ts", "mpeg2video", "ac3", (7200, 30, 0)),
        (".vob", "mpeg2video", "ac3", (0, 0, 0)),
        (".mpg", "mpeg1video", "mp2", (0, 0, 0)),
        (".m2ts", "libx264", "ac3", (9000, 0, 20_000)),
        (".ts", "libx265", "aac", (0, 0, 0)),
    ],
)
def test_recordings_whose_clocks_start_over_follow_one_another(
    suffix: str, video: str, audio: str, starts: tuple[int, ...], tmp_path: Path
) -> None:
    """Picture and sound of each recording go on behind the one before, by one distance, so that they stay in step."""
    options = {"libx264": {"bf": "2"}, "libx265": {"x265-params": "log-level=0"}}.get(video, {"bf": "2"})
    parts = [
        recording(tmp_path / f"{n}{suffix}", 40 + 9 * n, video, audio, first=60 * n, at=start, options=options)
        for n, start in enumerate(starts)
    ]
    source = tmp_path / f"joined{suffix}"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    info = probe(str(source))
    assert sum("another recording begins at" in note for note in info.notes) == 2
    assert abs(info.duration - 147 / 25) < 0.2
    film = make_unrestored_film(source, "web", tmp_path)
    assert len(film.pictures) == 40 + 49 + 58
    shifts = continued(film.path, parts)
    times, ends = read_timeline(film.path), [0, 40, 89]
    for number in (1, 2):
        step = (times.pts[ends[number]] - times.pts[ends[number] - 1]) * times.time_base
        assert Fraction(1, 25) - Fraction(1, 1000) <= step < Fraction(1, 25) + Fraction(1, 10), shifts
    outcomes = settle_outcomes(film.result.streams, film.result.timed_streams, times.streams, film.result.shift)
    assert all(one.times is not None and not one.times.continued for one in outcomes)
    assert all(one.times is not None and one.times.error <= one.times.tolerance for one in outcomes)


def test_report_and_manifest_name_the_joins(tmp_path: Path) -> None:
    """The film of a joined file is restored and verified, and its manifest and report say where recordings begin."""
    parts = [recording(tmp_path / f"{n}.ts", 20, first=30 * n) for n in range(2)]
    source, output = joined(*parts), tmp_path / "film.mp4"
    assert run(["restore", str(source), "-o", str(output)]) == 0
    manifest = manifest_of(output)
    assert manifest["frames_out"] == 40
    assert any("another recording begins at 00:00:00.8" in note for note in manifest["notes"])
    assert len(manifest["source"]["joins"]) == 1
    assert "another recording begins at 00:00:00.8" in output.with_name("film.mp4.report.html").read_text()
    assert verify(output).ok
    continued(output, parts)


def test_a_clock_that_goes_back_by_less_than_a_second_is_a_join(tmp_path: Path) -> None:
    """Recordings of half a second are not pressed into one another."""
    parts = [recording(tmp_path / f"{n}.ts", 12, "libx264", first=20 * n) for n in range(3)]
    film = make_unrestored_film(joined(*parts), "web", tmp_path)
    assert len(film.pictures) == 36
    continued(film.path, parts)


@pytest.mark.parametrize("starts", [(100, WRAP - 2), (WRAP - 2, 95_000), (WRAP - 2, WRAP - 2)])
def test_a_wrap_of_the_clock_beside_a_join(starts: tuple[Fraction, ...], tmp_path: Path) -> None:
    """The 33-bit clock of a recording wraps in the middle of it, in front of a join and behind one."""
    parts = [recording(tmp_path / f"{n}.ts", 50, first=60 * n, at=float(start) - 0.2) for n, start in enumerate(starts)]
    film = make_unrestored_film(joined(*parts), "web", tmp_path)
    assert len(film.pictures) == 100
    assert len(film.info.joins or ()) == 1
    continued(film.path, parts)


def test_a_wrap_alone_is_no_join(tmp_path: Path) -> None:
    """A recording whose 33-bit clock wraps is one recording."""
    source = recording(tmp_path / "wrapped.ts", 50, at=float(WRAP) - 2.2)
    info = probe(str(source))
    assert info.joins == ()
    steps = [frame.record.pts for frame in FrameReader(info, Recipe())]
    assert {after - before for before, after in pairwise(steps)} == {3600}


def _begun_at_a_wrap(path: Path, codec: str, first: int) -> Path:
    """50 pictures and sound; those of `first` begin the file, behind a wrap of the clock, the others before it."""
    late = {PICTURE: Fraction(0), SOUND: Fraction(0), first: Fraction(2, 5)}
    shots = [(late[PICTURE] + Fraction(number, 25), scene(number, "yuv420p", 64, 48)) for number in range(50)]
    write_film(path, Film(shots, codec=codec, options={"bf": "2"}, audio="mp2", audio_start=late[SOUND]))
    wrapping(path, first=first, start=9000)
    return path


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.parametrize("first", [PICTURE, SOUND])
@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_streams_on_both_sides_of_a_wrap_stay_in_step(codec: str, first: int, tmp_path: Path) -> None:
    """A file whose first packet lies behind a wrap of the clock that others lie in front of is one recording."""
    source, same = (_begun_at_a_wrap(tmp_path / f"{name}.ts", codec, first) for name in ("wrapped", "same"))
    wrapping(same, first=first, start=90_000 * 10)
    info = probe(str(source))
    assert [join.at_start for join in info.joins or ()] == [True]
    assert (info.duration, info.notes) == (2.0, ())
    film, other = (make_unrestored_film(path, "web", _folder(path.with_suffix(""))) for path in (source, same))
    assert [picture.digest() for picture in film.pictures] == [picture.digest() for picture in other.pictures]
    found, wanted = times_of(film.path), times_of(other.path)
    shifts = [now - then for kind in wanted for now, then in zip(found[kind], wanted[kind], strict=True)]
    assert max(shifts) - min(shifts) <= Fraction(2, 10_000)
    outcomes = settle_outcomes(
        film.result.streams, film.result.timed_streams, read_timeline(film.path).streams, film.result.shift
    )
    assert all(one.times and not one.times.continued and one.times.error <= one.times.tolerance for one in outcomes)


@pytest.mark.parametrize("first", [PICTURE, SOUND])
def test_a_join_behind_a_wrap_at_the_start(first: int, tmp_path: Path) -> None:
    """Another recording follows at once on one that begins on both sides of a wrap, and a large file has the same."""
    parts = [
        _begun_at_a_wrap(tmp_path / "0.ts", "mpeg2video", first),
        recording(tmp_path / "1.ts", 40, first=70, at=7200),
    ]
    info = probe(str(joined(*parts)))
    assert [join.at_start for join in info.joins or ()] == [True, False]
    assert abs(info.duration - 90 / 25) < 0.2
    assert [note for note in info.notes if "another recording begins" in note] == list(info.notes)
    bare = info.model_copy(update={"joins": None, "notes": ()})
    assert with_recordings(bare) == info
    film = make_unrestored_film(Path(info.location), "web", tmp_path)
    found = times_of(film.path)
    assert len(found["video"]) == 90
    steps = {kind: max(after - before for before, after in pairwise(times)) for kind, times in found.items()}
    assert steps["video"] < Fraction(1, 5)
    assert steps["audio"] < Fraction(1, 5)


def test_a_recording_without_sound_between_others_shifts_the_sound_behind_it(tmp_path: Path) -> None:
    """Sound that is missing in one recording is in step again in the next."""
    parts = [recording(tmp_path / f"{n}.ts", 30, audio="" if n == 1 else "mp2", first=40 * n) for n in range(3)]
    film = make_unrestored_film(joined(*parts), "master", tmp_path)
    assert len(film.pictures) == 90
    times = read_timeline(film.path)
    sound = [start * times.streams[0].times.unit for start in times.streams[0].times.starts]
    before, after = times_of(parts[0]), times_of(parts[2])
    assert abs(sound[0] - before["audio"][0] - (times.pts[0] * times.time_base - before["video"][0])) < 0.002
    behind = sound[len(before["audio"])]
    assert abs(behind - after["audio"][0] - (times.pts[60] * times.time_base - after["video"][0])) < 0.002


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_a_later_recording_begins_at_its_first_whole_picture(codec: str, tmp_path: Path) -> None:
    """Pictures that refer to what was not recorded do not borrow from the recording before; they are counted."""
    parts = [recording(tmp_path / f"{n}.ts", 48, codec, first=60 * n, options={"g": "12"}) for n in range(2)]
    cut = parts[1].with_name("cut.ts")
    with av.open(str(parts[1])) as container, av.open(str(cut), "w") as out:
        targets = {stream.index: out.add_stream_from_template(stream, opaque=True) for stream in container.streams}
        pictures = 0
        for packet in container.demux():
            pictures += packet.stream.type == "video"
            if packet.size and pictures > 6:
                packet.stream = targets[packet.stream.index]
                out.mux(packet)
    reader = FrameReader(probe(str(joined(parts[0], cut))), Recipe())
    frames = list(reader)
    assert len(frames) == 48 + 36
    whole = list(FrameReader(probe(str(parts[1])), Recipe()))[12:]
    assert [frame.picture.digest() for frame in frames[48:]] == [frame.picture.digest() for frame in whole]
    assert any("before the first whole picture of a recording were left out" in note for note in reader.notes)


def test_captions_stay_with_their_pictures_behind_a_join(tmp_path: Path) -> None:
    """The captions of both recordings are in the film, in the packets of their own pictures."""
    part = tmp_path / "part.ts"
    with av.open(str(captioned(tmp_path / "captioned.mp4"))) as container, av.open(str(part), "w") as out:
        stream = container.streams.video[0]
        target, unwrap = out.add_stream_from_template(stream), BitStreamFilterContext("h264_mp4toannexb", stream)
        for packet in container.demux(stream):
            for plain in unwrap.filter(packet if packet.size else None):
                plain.stream = target
                out.mux(plain)
    film = make_unrestored_film(joined(part, part), "web", tmp_path)
    assert len(film.pictures) == 100
    assert caption_digest(str(film.path))[0] == 100


def test_a_damaged_time_is_no_join(tmp_path: Path) -> None:
    """One packet with a time of its own far away leaves the clock of the others as it is."""
    source = recording(tmp_path / "whole.ts", 50, options={"bf": "0"})
    set_clock(source, picture=20, ticks=90_000 * 5000)
    assert probe(str(source)).joins == ()


def test_sound_whose_clock_goes_on_keeps_it(tmp_path: Path) -> None:
    """Where the clock of the picture alone starts over, the sound stays where it was."""
    source = recording(tmp_path / "whole.ts", 100, options={"bf": "0"})
    sound = times_of(source)["audio"]
    for picture in range(48, 100):
        set_clock(source, picture=picture, ticks=36_000 + 3600 * (picture - 48))
    film = make_unrestored_film(source, "web", tmp_path)
    assert len(film.pictures) == 100
    found = times_of(film.path)
    assert max(found["video"]) - min(found["video"]) == Fraction(99, 25)
    assert [after - found["audio"][0] for after in found["audio"]] == [before - sound[0] for before in sound]


def test_a_file_that_was_too_large_for_probe_gets_its_joins_later(tmp_path: Path) -> None:
    """The decoder finds the same joins, the same duration and the same notes as `probe` does."""
    info = probe(str(joined(*(recording(tmp_path / f"{n}.ts", 30, first=40 * n) for n in range(2)))))
    bare = info.model_copy(
        update={"joins": None, "notes": tuple(note for note in info.notes if "another recording" not in note)}
    )
    found = with_recordings(bare)
    assert (found.joins, found.duration) == (info.joins, info.duration)
    assert set(found.notes) == set(info.notes)
    assert with_recordings(info) is info
