"""A film with repeated frames from end to end."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from reelwright.cli.main import run
from reelwright.media.picture import Picture
from tests.support.aged_scenes import shot
from tests.support.clipmaker import Film, write_film
from tests.support.commands import manifest_of
from tests.support.films import small_network


def film_with_repeats(path: Path) -> list[int]:
    """Writes a moving film of 40 frames at 24 per second, each fourth of which is a repeat; the repeats' indices."""
    frames = shot(30, pan=[2.0 * index for index in range(30)], grain=2).frames[:, :96, :128]
    shown = [frames[index - index // 4 - (index % 4 == 3)] for index in range(40)]
    pictures = [Picture("gray", 128, 96, (frame.copy(),)) for frame in shown]
    shots = [(Fraction(index, 24), picture) for index, picture in enumerate(pictures)]
    options = {"preset": "medium", "crf": "20"}
    write_film(path, Film(shots, Fraction(24), pix_fmt="yuv420p", options=options))
    return list(range(3, 40, 4))


def test_repeats_are_named_beside_the_film(tmp_path: Path) -> None:
    """The manifest lists the frames that repeat the one before, and the report says what follows from them."""
    source, output = tmp_path / "slowed.mkv", tmp_path / "film.mp4"
    known = film_with_repeats(source)
    assert run(["restore", str(source), "-o", str(output), f"--set=model={small_network()}"]) == 0
    manifest = manifest_of(output)
    assert manifest["duplicates"] == known
    assert (manifest["frames_in"], manifest["frames_out"]) == (40, 40)
    report = Path(f"{output}.report.html").read_text()
    assert "10 of 40 frames repeat the one before, every 4th" in report
    assert "made at about 18.0 frames per second" in report
