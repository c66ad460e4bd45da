"""Films whose grain is left to the player: `grain.mode: table`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright.cli.main import run
from reelwright.media.picture import Picture
from reelwright.restoration.grain import reduced
from reelwright.restoration.grain_model import flat_parts
from tests.support import clips
from tests.support.clipmaker import Film, write_film
from tests.support.commands import errors_of, kill_after_commits, manifest_of, reelwright, sha256
from tests.support.films import small_network, uneven_film
from tests.support.grain import band_energies
from tests.support.grainy_films import aged_frames

Luma = NDArray[np.float32]

SHOTS = (16, 9, 14, 21)
TABLE = ("--profile", "av1", "--set", "grain.mode=table", "--set", "grain.keep=1")
GRAINY_FRAMES = 8


def luma_of(film: Path, *, grain: bool = True) -> Iterator[Luma]:
    """The luma of each frame in [0, 1], as dav1d shows it, or without the grain that it makes."""
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        if not grain:
            stream.codec_context.options = {"filmgrain": "0"}
        for frame in container.decode(stream):
            samples = frame.to_ndarray()[: stream.height, : stream.width]
            yield samples.astype(np.float32) / np.float32(255 if samples.dtype == np.uint8 else 1023)


@cache
def grainy_film() -> Path:
    """A part of a real film with the grain of a print of 1940, not compressed."""
    path = clips.clip_folder() / "grainy.mkv"
    frames = []
    for number, frame in enumerate(aged_frames("chaplin", "print-1940", 100, GRAINY_FRAMES)):
        luma = frame.picture.planes[0][40:280, 80:400]
        frames.append((clips.F(number, 25), Picture("gray", luma.shape[1], luma.shape[0], (luma.copy(),))))
    write_film(path, Film(frames, codec="ffv1", colour=(1, 2, 2, 2)))
    return path


@cache
def undisturbed(*settings: str) -> Path:
    """The film of these shots, restored once."""
    output = clips.clip_folder() / f"table{'-'.join(settings)}" / "out.mp4"
    output.parent.mkdir()
    assert run(command(output, *settings)) == 0
    return output


def command(output: Path, *settings: str) -> list[str]:
    """The restoration of the film of these shots, by a network that is fast."""
    sets = [f"--set={setting}" for setting in (f"model={small_network()}", *settings)]
    return ["restore", str(uneven_film(*SHOTS)), "-o", str(output), *TABLE, "--threads=1", *sets]


def test_a_player_makes_the_grain_of_the_source(tmp_path: Path) -> None:
    """What dav1d adds has the energy of the removed grain: within 15 %, in the coarse octave (few samples) 40 %."""
    table = tmp_path / "table.mp4"
    films = {keep: tmp_path / f"kept-{keep}.mkv" for keep in (0, 1)}
    assert run(["restore", str(grainy_film()), "-o", str(table), *TABLE]) == 0
    assert run(["verify", str(table)]) == 0
    for keep, film in films.items():
        options = ("--profile", "master", "--set", f"grain.keep={keep}")
        assert run(["restore", str(grainy_film()), "-o", str(film), *options]) == 0
    energies = []
    pictures = (luma_of(table), luma_of(table, grain=False), luma_of(films[1]), luma_of(films[0]))
    for shown, coded, kept, clean in islice(zip(*pictures, strict=True), 1, GRAINY_FRAMES - 1):
        size = (clean.shape[0] // 2, clean.shape[1] // 2)
        flat = flat_parts(reduced(clean, size))
        energies.append([band_energies(reduced(each, size), flat) for each in (shown - coded, kept - clean)])
    found, wanted = np.mean(energies, axis=0)
    assert found[:2] == pytest.approx(wanted[:2], rel=0.15)
    assert found[2] == pytest.approx(wanted[2], rel=0.4)
    assert {step["step"] for step in manifest_of(table)["edits"]} >= {"grain", "synthesis"}


def test_a_killed_restoration_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    """Segments that are made in another process, at another time, have the same grain."""
    output = tmp_path / "out.mp4"
    kill_after_commits(tmp_path, *command(output))
    assert run(command(output)) == 0
    assert sha256(output) == sha256(undisturbed())
    pairs = list(zip(luma_of(output), luma_of(output, grain=False), strict=True))
    assert len(pairs) == sum(SHOTS)
    grains = [shown - coded for shown, coded in pairs]
    assert min(float(np.std(each)) for each in grains) > 0
    assert len({each.tobytes() for each in grains}) == len(grains)


def test_a_redone_shot_has_the_grain_of_its_settings(tmp_path: Path) -> None:
    """A shot may have another share of grain. The other frames stay, and all do when the share is put back."""
    film = tmp_path / "out.mp4"
    for path in undisturbed().parent.glob("out.mp4*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert run(["redo", str(film), "--shot", "2", "--set", "grain.keep=0"]) == 0
    assert run(["verify", str(film)]) == 0
    changed = [not np.array_equal(*each) for each in zip(luma_of(film), luma_of(film, grain=False), strict=True)]
    assert changed == [not 16 <= number < 25 for number in range(sum(SHOTS))]
    assert run(["redo", str(film), "--shot", "2", "--set", "grain.keep=1"]) == 0
    assert sha256(film) == sha256(undisturbed())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("grain.mode=table",), ("'web'", "set profile to 'av1'")),
        (("grain.mode=table", "profile=av1", "scale=4"), ("scale 4", "set scale to")),
    ],
)
def test_a_film_without_a_table_is_refused(settings: tuple[str, ...], words: tuple[str, str], tmp_path: Path) -> None:
    """A profile or a scale that has no table of grain is one line, and exit code 2."""
    sets = [f"--set={setting}" for setting in settings]
    done = reelwright("restore", uneven_film(*SHOTS), "-o", tmp_path / "out.mp4", *sets)
    assert done.returncode == 2
    (line,) = errors_of(done.stderr)
    assert all(word in line for word in ("grain.mode", *words))
    assert not any(tmp_path.iterdir())


def test_one_shot_alone_cannot_leave_its_grain_to_the_player(tmp_path: Path, capsys: Any) -> None:
    """A shot keeps the film's decision, and the line says what to do."""
    film = tmp_path / "out.mp4"
    for path in undisturbed().parent.glob("out.mp4*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert run(["redo", str(film), "--shot", "2", "--set", "grain.mode=synthetic"]) == 2
    assert "set grain.keep" in capsys.readouterr().err
    assert sha256(film) == sha256(undisturbed())
