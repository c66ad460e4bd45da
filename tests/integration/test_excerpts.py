"""Excerpts of a film: which frames they have, at which times, and what the manifest says about them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from reelwright.cli.main import run
from reelwright.media.decode import RawFrame
from reelwright.media.excerpts import excerpted
from reelwright.media.frame_record import FrameRecord
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.titles.recipe import Excerpt, Recipe
from tests.support import clips
from tests.support.clipmaker import Film, write_film
from tests.support.commands import manifest_of
from tests.support.films import small_network
from tests.support.scenes import scene

PARTS = Recipe(excerpt=Excerpt(period=2, length=1))
# Frames of a still scene at 10 per second: without the excerpt there is one shot.
FRAMES, KEPT = 47, [*range(10), *range(20, 30), *range(40, 47)]


def silent(path: Path) -> Path:
    """A film of a still scene, with sound and chapters."""
    pictures = [scene(0.05 * index, "yuv420p", 64, 48) for index in range(FRAMES)]
    shots = [(clips.F(index, 10), picture) for index, picture in enumerate(pictures)]
    write_film(path, Film(shots, clips.F(10), codec="ffv1", audio="aac"))
    return path


def test_a_part_has_the_first_seconds_of_each_period(tmp_path: Path) -> None:
    """Its frames are those of the source, a shot begins with each part, and its steps in time are the source's."""
    info = probe(str(silent(tmp_path / "source.mkv")))
    whole, found = list(FrameReader(info, Recipe())), list(FrameReader(info, PARTS))
    assert [frame.picture.digest() for frame in found] == [whole[index].picture.digest() for index in KEPT]
    assert [frame.index for frame in found] == list(range(len(KEPT)))
    assert [frame.record.pts + frame.record.skipped for frame in found] == [whole[index].record.pts for index in KEPT]
    assert [index for index, frame in enumerate(found) if frame.record.shot_start] == [0, 10, 20]
    step = whole[1].record.pts - whole[0].record.pts
    assert [frame.record.pts for frame in found] == [whole[0].record.pts + step * index for index in range(len(KEPT))]


def test_parts_of_a_variable_rate_keep_their_steps() -> None:
    """Each step within a part and behind its last frame is the source's, also where a period has no frame at all."""
    times = [5, 9, 14, 16, 24, 26, 61, 62, 66]
    frames = [RawFrame(av.VideoFrame(2, 2), FrameRecord(pts=pts, duration=0)) for pts in times]
    records = [raw.record for raw in excerpted(frames, Excerpt(period=2, length=1), Fraction(1, 10))]
    # Times since the first frame: 0, 0.4, 0.9, 1.1, 1.9, 2.1, 5.6, 5.7 and 6.1 seconds.
    assert [(record.pts, record.skipped) for record in records] == [(5, 0), (9, 0), (14, 0), (16, 10), (51, 15)]


@pytest.mark.parametrize("profile", ["web", "master"])
def test_an_excerpt_is_a_whole_film_of_its_parts(profile: str, tmp_path: Path) -> None:
    """Every frame of the parts is in the film at its time, nothing else is, and the manifest says so."""
    source = silent(tmp_path / "source.mkv")
    output = tmp_path / {"web": "film.mp4", "master": "film.mkv"}[profile]
    settings = [f"--set={each}" for each in (f"model={small_network()}", "excerpt.period=2", f"profile={profile}")]
    assert run(["restore", str(source), "-o", str(output), *settings]) == 0
    manifest = manifest_of(output)
    assert (manifest["frames_in"], manifest["frames_out"]) == (len(KEPT), len(KEPT))
    tick = Fraction(manifest["source"]["video"]["time_base"])
    assert [(first, time * tick) for first, time in manifest["excerpts"]] == [(0, 0), (10, 2), (20, 4)]
    assert [stream["outcome"] for stream in manifest["streams"]] == ["left out"]
    assert "pictures only" in manifest["streams"][0]["reason"]
    assert any(note.startswith("an excerpt: the first 1 s of each 2 s") for note in manifest["notes"])
    with av.open(str(output)) as film:
        assert [stream.type for stream in film.streams] == ["video"]
        assert film.streams.video[0].start_time == 0
        times = [Fraction(frame.pts or 0) * (frame.time_base or 0) for frame in film.decode(video=0)]
    assert times == pytest.approx([Fraction(index, 10) for index in range(len(KEPT))], abs=0.001)
    assert run(["verify", str(output)]) == 0
    report = Path(f"{output}.report.html").read_text()
    assert "Every frame of these 3 parts of the source is in the film" in report
    assert "The first 1 s of each 2 s of the source: 3 parts" in report
    assert run(["redo", str(output), "--shot", "2", "--set", "grain.keep=0.4"]) == 0
    assert run(["verify", str(output)]) == 0
    assert manifest_of(output)["frame_digests"] == manifest["frame_digests"]
