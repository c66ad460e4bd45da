"""A redo that ends at any moment leaves the former film or the new one, and what people said meanwhile is kept."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reelwright.cli.main import run
from reelwright.ledger.acceptance import accept_shot
from reelwright.local.redo import redo_shot
from tests.integration.test_redo import copied, restored
from tests.support.commands import TIMEOUT_SECONDS, manifest_of

SETTING = "grain.keep=1"
FILM, REPORT, MANIFEST = "film.mp4", "film.mp4.report.html", "film.mp4.manifest.json"
NEW_MANIFEST = f".{FILM}.redo/{MANIFEST}"
# Kills itself when a file is to get its name, or has it; the names as paths from the folder of the film.
KILLED = """
import os, signal, sys
from pathlib import Path
from reelwright.cli.main import run

film, name, moment = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
rename = Path.replace

def replace(self, target):
    reached = Path(target) == film.parent / name
    if reached and moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    rename(self, target)
    if reached:
        os.kill(os.getpid(), signal.SIGKILL)

Path.replace = replace
sys.exit(run(["redo", str(film), "--shot", "2", "--set", "grain.keep=1"]))
"""


def killed_at(film: Path, name: str, moment: str) -> None:
    """A process that restores a shot again and is killed before or after a file gets its name."""
    command = [sys.executable, "-c", KILLED, str(film), name, moment]
    ended = subprocess.run(command, capture_output=True, timeout=TIMEOUT_SECONDS, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def redo(film: Path, code: int = 0) -> None:
    assert run(["redo", str(film), "--shot", "2", "--set", SETTING]) == code


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("name", [NEW_MANIFEST, FILM, REPORT, MANIFEST])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_film_is_whole_after_a_kill(name: str, moment: str, tmp_path: Path) -> None:
    """Whenever the process is killed, the film is verified, as the former or as the new one, and can be redone."""
    film = copied(restored("web"), tmp_path)
    killed_at(film, name, moment)
    moved = name in {REPORT, MANIFEST} or (name, moment) == (FILM, "after")
    assert run(["verify", str(film)]) == 0
    assert len(manifest_of(film).get("redone", [])) == moved
    assert ("Shots restored again" in (tmp_path / REPORT).read_text()) == moved
    redo(film)
    assert len(manifest_of(film)["redone"]) == moved + 1
    assert run(["verify", str(film)]) == 0
    assert not hidden(tmp_path)


@pytest.mark.parametrize("command", ["redo", "accept", "restore"])
def test_a_killed_replacement_is_finished_by_the_next_command(command: str, tmp_path: Path) -> None:
    """By redo, by a judgement, which is added to the new manifest, and by a restoration, which keeps the film."""
    film = copied(restored("web"), tmp_path)
    killed_at(film, REPORT, "before")
    if command == "redo":
        redo(film)
    elif command == "accept":
        assert accept_shot(str(film), 3, "fine")
        assert [each["shot"] for each in manifest_of(film)["judgements"]] == [3]
    else:
        manifest = manifest_of(film)
        recipe, source = manifest["recipe"], manifest["source"]["location"]
        assert run(["restore", source, "-o", str(film), "--set", f"model={recipe['model']}"]) == 0
    assert manifest_of(film)["redone"][0]["shot"] == 2
    assert run(["verify", str(film)]) == 0


@pytest.mark.parametrize(("name", "moved"), [(NEW_MANIFEST, False), (FILM, False), (REPORT, True), (MANIFEST, True)])
def test_a_full_disk_leaves_a_film_that_is_verified(
    name: str, moved: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line says that there is no space; then the film is the former one, or the new one is completed."""
    film = copied(restored("web"), tmp_path)
    content = film.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", failing(tmp_path / name, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
        redo(film, code=2)
    assert "no space left" in capsys.readouterr().err
    assert (film.read_bytes() != content) == moved
    assert bool(hidden(tmp_path)) == moved
    assert run(["verify", str(film)]) == 0
    assert len(manifest_of(film).get("redone", [])) == moved
    assert not hidden(tmp_path)


@pytest.mark.parametrize(("name", "moved"), [(FILM, False), (REPORT, True)])
def test_stopped_is_said_of_a_film_that_is_as_it_was(
    name: str, moved: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C after the new film is in its place comes too late: the film is completed, and the command says so."""
    film = copied(restored("web"), tmp_path)
    content = film.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", failing(tmp_path / name, KeyboardInterrupt()))
        redo(film, code=0 if moved else 130)
    assert ("the film is as it was" in capsys.readouterr().err) != moved
    assert (film.read_bytes() != content) == moved
    assert not hidden(tmp_path)
    assert run(["verify", str(film)]) == 0


def failing(target: Path, error: BaseException) -> Any:
    """`Path.replace` that fails once, before a file gets the name `target`."""
    rename, errors = Path.replace, [error]

    def replace(self: Path, to: Path) -> Path:
        if Path(to) == target and errors:
            raise errors.pop()
        return rename(self, to)

    return replace


def test_a_judgement_during_a_redo_is_kept(tmp_path: Path) -> None:
    """It is accepted at once, and manifest and report of the new film have it."""
    film = copied(restored("web"), tmp_path)
    judged: list[int] = []

    def judge(_: object) -> None:
        if not judged:
            judged.append(3)
            assert accept_shot(str(film), 3, "seen meanwhile")

    redo_shot(film, 2, [SETTING], on_progress=judge)
    manifest = manifest_of(film)
    assert [each["remark"] for each in manifest["judgements"]] == ["seen meanwhile"]
    assert manifest["redone"][0]["shot"] == 2
    assert "<td>seen meanwhile</td>" in (tmp_path / REPORT).read_text()
    assert run(["verify", str(film)]) == 0


def test_a_film_that_was_replaced_during_a_redo_stays(tmp_path: Path) -> None:
    """Another restoration to the same name is not overwritten by a shot of the former film."""
    film = copied(restored("web"), tmp_path)
    (other := tmp_path / "other").mkdir()
    newer = copied(restored("web", "grain.keep=0"), other)

    def replace(_: object) -> None:
        for path in list(other.iterdir()):
            path.replace(tmp_path / path.name)

    content = newer.read_bytes()
    with pytest.raises(Exception, match="another film was put in its place"):
        redo_shot(film, 2, [SETTING], on_progress=replace)
    assert film.read_bytes() == content
    assert run(["verify", str(film)]) == 0


def test_a_film_that_is_not_there_makes_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that was mistyped is refused before anything is written."""
    for name in ("none/film.mp4", "long" * 80):
        redo(tmp_path / name, code=2)
        assert "no such file" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
