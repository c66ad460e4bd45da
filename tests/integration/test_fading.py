"""A film whose contrast is brought back, from end to end, on pictures of a real film."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from reelwright.cli.main import run
from reelwright.decoder import segmenter
from reelwright.media.picture import Picture
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.titles.recipe import Recipe
from tests.support.clipmaker import Film, write_film
from tests.support.commands import kill_after_commits, manifest_of, sha256
from tests.support.faded_films import faded
from tests.support.films import real_film, small_network

_FRAMES = 20


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film that cuts between two views of a real one: A, B, A faded, B; the parts overlap by nothing."""
    found = [frame.picture for frame in FrameReader(probe(str(real_film("bikes"))), Recipe())][:_FRAMES]
    one, other = ([_part(picture, left) for picture in found] for left in (0, 320))
    shots = (one, other, [faded(picture, 0.75, 0.12) for picture in one], other)
    path = tmp_path_factory.mktemp("faded") / "faded.mkv"
    pictures = [picture for shot in shots for picture in shot]
    write_film(path, Film([(Fraction(at, 25), each) for at, each in enumerate(pictures)], codec="ffv1"))
    return path


def _part(picture: Picture, left: int) -> Picture:
    """A part of 320x192 at this column of a picture in 4:2:0."""
    luma, *chroma = picture.planes
    planes = [luma[40:232, left : left + 320], *(plane[20:116, left // 2 : left // 2 + 160] for plane in chroma)]
    return Picture(picture.pix_fmt, 320, 192, tuple(plane.copy() for plane in planes))


def restored(source: Path, output: Path, *more: str) -> dict[str, Any]:
    """The manifest of a film of the source."""
    options = [f"--set=model={small_network()}", "--set=profile=master", *more]
    assert run(["restore", str(source), "-o", str(output), *options]) == 0
    return manifest_of(output)


def test_contrast_is_brought_back(source: Path, tmp_path: Path) -> None:
    """In the faded shot alone: manifest, edit list and report say from where to where; no other frame differs."""
    off = restored(source, tmp_path / "off.mkv")
    film = tmp_path / "on.mkv"
    found = restored(source, film, "--set=fading=1")
    assert [shot["first_frame"] for shot in found["shots"]] == [0, 20, 40, 60]
    truth, _, pale, _ = (shot["contrast"] for shot in found["shots"])
    assert pale["gain"] == pytest.approx(1 / 0.75, rel=0.03)
    for end in ("black", "white"):
        assert abs(pale[f"{end}_before"] - truth[f"{end}_before"]) > 0.03
        assert abs(pale[f"{end}_after"] - truth[f"{end}_after"]) < 0.015
    (step,) = (each for each in found["edits"] if each["step"] == "fading")
    assert [row[:2] for row in step["ranges"]] == [[40, 59]]
    digests = list(zip(off["frame_digests"], found["frame_digests"], strict=True))
    assert [at for at, (one, other) in enumerate(digests) if one != other] == list(range(40, 60))
    assert all(shot["contrast"] is None for shot in off["shots"])
    assert "Brought back in 1 of 4 shots" in Path(f"{film}.report.html").read_text()
    assert run(["verify", str(film)]) == 0


def test_it_depends_on_the_source_alone(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other batches and segments give the same frames, together with the other steps of the look-ahead."""
    steps = ("--set=fading=0.8", "--set=deflicker=on", "--set=stabilise=on", "--set=tone.shadows=0.5")
    usual = restored(source, tmp_path / "usual.mkv", *steps)["frame_digests"]
    monkeypatch.setattr(segmenter, "BATCH_MAX_FRAMES", 5)
    monkeypatch.setattr(segmenter, "SEGMENT_MAX_FRAMES", 30)
    monkeypatch.setattr(segmenter, "SEGMENT_MIN_FRAMES", 9)
    assert restored(source, tmp_path / "other.mkv", *steps)["frame_digests"] == usual


def test_a_killed_restoration_goes_on(source: Path, tmp_path: Path) -> None:
    """After SIGKILL the film is that of an undisturbed restoration to the bit."""
    output = tmp_path / "film.mp4"
    options = [f"--set=model={small_network()}", "--set=fading=1", "--threads=1"]
    kill_after_commits(tmp_path, "restore", source, "-o", output, *options)
    assert not output.exists()
    for film in (output, tmp_path / "undisturbed.mp4"):
        assert run(["restore", str(source), "-o", str(film), *options]) == 0
    assert sha256(output) == sha256(tmp_path / "undisturbed.mp4")


def test_a_shot_is_redone_with_its_contrast(source: Path, tmp_path: Path) -> None:
    """Only the frames of the shot change, and its contrast is brought back as before."""
    film = tmp_path / "film.mkv"
    before = restored(source, film, "--set=fading=1")
    assert run(["redo", str(film), "--shot", "3", "--set", "grain.keep=0"]) == 0
    after = manifest_of(film)
    changed = [at for at in range(80) if before["frame_digests"][at] != after["frame_digests"][at]]
    assert set(changed) <= set(range(40, 60))
    assert changed
    was, now = (each["shots"][2]["contrast"] for each in (before, after))
    assert (now["gain"], now["black_before"]) == (was["gain"], was["black_before"])
    assert run(["verify", str(film)]) == 0
    assert run(["redo", str(film), "--shot", "3", "--set", "fading=0.5"]) == 2


def test_a_reading_may_not_begin_behind_earlier_shots(source: Path) -> None:
    """A decoder that takes over such a title reads the source from the start."""
    for strength in (0, 1):
        reader = FrameReader(probe(str(source)), Recipe(fading=strength))
        assert len(list(reader)) == 80
        assert reader.seekable == (strength == 0)
