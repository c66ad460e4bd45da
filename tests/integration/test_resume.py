"""A restoration that was killed continues to a bit-identical film, also with others at the same time."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from reelwright.cli.main import run
from tests.support import clips
from tests.support.commands import errors_of, manifest_of, sha256, start, tree, wait_until
from tests.support.films import small_film, uneven_film

# Cuts inside batches as well as between them.
SHOTS = (16, 9, 14, 4, 21, 7, 12)
FRAMES = sum(SHOTS)
# One worker thread, so that there are many moments between the first and the last segment on a fast machine too.
OPTIONS = ("--threads", "1")
DELIVERED = {"out.mp4", "out.mp4.manifest.json", "out.mp4.report.html"}


@dataclass(frozen=True)
class Undisturbed:
    """The film of an undisturbed restoration: its hash, manifest and number of segments."""

    sha256: str
    manifest: dict[str, Any]
    segments: int


@cache
def undisturbed() -> Undisturbed:
    """The undisturbed restoration, made once."""
    output = clips.clip_folder() / "undisturbed" / "out.mp4"
    output.parent.mkdir()
    segments = resume(output)
    return Undisturbed(sha256(output), manifest_of(output), segments)


def records(folder: Path) -> list[Path]:
    """The records of committed segments under way in `folder`."""
    return [path for path in folder.glob(".reelwright/*/segments/*.json") if not path.name.startswith(".")]


def drafted(folder: Path) -> bool:
    """Whether a film is being assembled in `folder`."""
    return any(folder.glob(".reelwright/*/.part-*.mp4"))


def kill_when(condition: Callable[[], bool], output: Path) -> bool:
    """Restores and kills the process when `condition` holds; False when the film was finished before."""
    process = start("restore", uneven_film(*SHOTS), "-o", output, *OPTIONS)
    met = wait_until(condition, process)
    process.kill()
    process.communicate()
    return met


def resume(output: Path, *options: str) -> int:
    """Runs the command to its end in this process; the number of segments that it committed."""
    before = REGISTRY.get_sample_value("reelwright_segments_committed_total") or 0
    assert run(["restore", str(uneven_film(*SHOTS)), "-o", str(output), *OPTIONS, *options]) == 0
    return int((REGISTRY.get_sample_value("reelwright_segments_committed_total") or 0) - before)


def check(output: Path) -> None:
    """Checks that the film is the undisturbed one and passes `verify`."""
    manifest = undisturbed().manifest
    assert sha256(output) == undisturbed().sha256
    for key in ("run", "frames_in", "frames_out", "pts", "source_pts", "frame_digests", "shots", "film_sha256"):
        assert manifest_of(output)[key] == manifest[key]
    assert len(manifest_of(output)["pts"]) == FRAMES
    assert run(["verify", str(output)]) == 0


def test_a_restoration_goes_on_from_another_folder(tmp_path: Path) -> None:
    """One that an earlier version began, which kept the relative path that was typed, also from another folder."""
    (tmp_path / "source.mkv").symlink_to(uneven_film(*SHOTS))
    output = tmp_path / "out.mp4"
    process = start("restore", "source.mkv", "-o", output, *OPTIONS, cwd=tmp_path)
    assert wait_until(lambda: bool(records(tmp_path)), process)
    process.kill()
    process.communicate()
    absolute = json.dumps(str(tmp_path / "source.mkv"))
    for path in (*tmp_path.glob(".reelwright/*/request.json"), *tmp_path.glob(".reelwright/*/title.json")):
        assert absolute in path.read_text()
        path.write_text(path.read_text().replace(absolute, '"source.mkv"'))
    assert resume(output) < undisturbed().segments
    check(output)


@pytest.mark.parametrize("moment", ["planned", "first", "middle", "assembly"])
def test_a_killed_restoration_goes_on_where_it_was(moment: str, tmp_path: Path) -> None:
    """After SIGKILL the committed segments are kept and the film is bit-identical."""
    output = tmp_path / "out.mp4"
    conditions = {
        "planned": lambda: any(tmp_path.glob(".reelwright/*/plan/*.json")),
        "first": lambda: len(records(tmp_path)) >= 1,
        "middle": lambda: len(records(tmp_path)) >= undisturbed().segments // 2,
        "assembly": lambda: drafted(tmp_path),
    }
    total = undisturbed().segments
    assert kill_when(conditions[moment], output), "the film was finished before it could be killed"
    assert not output.exists()
    committed = len(records(tmp_path))
    assert resume(output) == total - committed
    assert set(tree(tmp_path)) == DELIVERED
    check(output)


def test_a_restoration_killed_again_and_again_arrives(tmp_path: Path) -> None:
    """After several kills the film is bit-identical."""
    output, rng = tmp_path / "out.mp4", random.Random(3)

    def documents() -> int:
        return sum(1 for path in tmp_path.glob(".reelwright/*/*/*") if path.suffix in {".json", ".mkv", ".jpg"})

    for _ in range(3):
        target = documents() + rng.randrange(1, 9)
        if not kill_when(lambda target=target: documents() >= target, output):  # type: ignore[misc]
            break
    resume(output)
    assert set(tree(tmp_path)) == DELIVERED
    check(output)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_restoration_says_so_and_goes_on(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C or SIGTERM ends with 130 and one line, and the next run keeps the committed segments."""
    output = tmp_path / "out.mp4"
    total = undisturbed().segments
    process = start("restore", uneven_film(*SHOTS), "-o", output, *OPTIONS)
    assert wait_until(lambda: len(records(tmp_path)) >= 1, process)
    process.send_signal(number)
    said, complained = process.communicate()
    assert process.returncode == 130
    assert said == ""
    assert len(errors_of(complained)) == 1, complained
    assert "goes on from the last committed segment" in complained
    committed = len(records(tmp_path))
    assert not output.exists()
    assert resume(output) == total - committed < total
    check(output)


def test_a_finished_film_costs_nothing(tmp_path: Path) -> None:
    """The same command for a finished film changes no file and commits nothing."""
    output = tmp_path / "out.mp4"
    resume(output)
    before = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    assert resume(output) == 0
    assert {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in tmp_path.iterdir()} == before


def test_a_damaged_film_is_made_again_when_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A film that is not what its manifest says, or has no whole manifest, is replaced with `--overwrite` alone."""
    output = tmp_path / "out.mp4"
    manifest = output.with_name("out.mp4.manifest.json")
    resume(output)
    damages: tuple[Callable[[], object], ...] = (
        lambda: output.write_bytes(output.read_bytes()[:-100]),
        lambda: manifest.write_bytes(manifest.read_bytes()[:-100]),
        manifest.unlink,
    )
    for damage in damages:
        damage()
        before = tree(tmp_path)
        capfd.readouterr()
        assert run(["restore", str(uneven_film(*SHOTS)), "-o", str(output), *OPTIONS]) == 2
        assert "--overwrite" in capfd.readouterr().err
        assert tree(tmp_path) == before
        assert resume(output, "--overwrite") == undisturbed().segments
        check(output)


def test_a_film_that_is_gone_is_made_again(tmp_path: Path) -> None:
    """Manifest and report of this source without their film are replaced without a question."""
    output = tmp_path / "out.mp4"
    resume(output)
    output.unlink()
    assert resume(output) == undisturbed().segments
    check(output)


@pytest.mark.parametrize("moved", [1, 2])
def test_an_interrupted_delivery_goes_on(moved: int, tmp_path: Path) -> None:
    """A film that was delivered without its manifest, over another recipe's film, is no foreign file."""
    output, other = tmp_path / "out.mp4", tmp_path / "elsewhere"
    assert run(["restore", str(uneven_film(*SHOTS)), "-o", str(output), "--set", "grain.keep=1"]) == 0
    other.mkdir()
    resume(other / "out.mp4")
    # As a kill leaves it: the run's folder holds what was not moved yet.
    run_folder = tmp_path / ".reelwright" / manifest_of(other / "out.mp4")["run"]
    run_folder.mkdir(parents=True)
    for number, suffix in enumerate(("", ".report.html", ".manifest.json")):
        target = output.with_name(f"out.mp4{suffix}") if number < moved else run_folder / f"film.mp4{suffix}"
        target.write_bytes((other / f"out.mp4{suffix}").read_bytes())
    resume(output)
    check(output)


def test_the_same_restoration_twice_at_once_gives_one_film(tmp_path: Path) -> None:
    """Two processes with the same request both succeed and give one film."""
    output = tmp_path / "out.mp4"
    both = [start("restore", uneven_film(*SHOTS), "-o", output, *OPTIONS) for _ in range(2)]
    ends = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert all(f"{FRAMES} frames, 0 lost" in said for said, _ in ends)
    assert set(tree(tmp_path)) == DELIVERED
    check(output)


def test_two_films_in_one_folder_at_once_do_not_meet(tmp_path: Path) -> None:
    """Restorations to different names in one folder do not disturb each other."""
    wanted = {"out.mp4": uneven_film(*SHOTS), "same.mp4": uneven_film(*SHOTS), "other.mp4": small_film(60)}
    running = [start("restore", source, "-o", tmp_path / name, *OPTIONS) for name, source in wanted.items()]
    ends = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], ends
    assert sha256(tmp_path / "out.mp4") == sha256(tmp_path / "same.mp4") == undisturbed().sha256
    assert manifest_of(tmp_path / "other.mp4")["frames_out"] == 60
    assert not (tmp_path / ".reelwright").exists()


def test_the_last_recipe_wins(tmp_path: Path) -> None:
    """Another recipe to the same output replaces the film, its manifest and its report together."""
    output = tmp_path / "out.mp4"
    for keep in ("0", "1"):
        assert run(["restore", str(small_film(60)), "-o", str(output), "--set", f"grain.keep={keep}"]) == 0
        assert manifest_of(output)["recipe"]["grain"]["keep"] == float(keep)
        assert manifest_of(output)["film_sha256"] == sha256(output)
        assert run(["verify", str(output)]) == 0
    assert set(tree(tmp_path)) == DELIVERED
