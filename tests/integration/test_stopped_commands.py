"""A command on one machine that is stopped removes its unfinished film; after a kill the next one does."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from reelwright.cli.main import run
from tests.support.commands import start, wait_until
from tests.support.films import small_film, small_network

INTERRUPTED = 130


@pytest.fixture(autouse=True)
def hangup() -> Iterator[None]:
    """Commands inherit what SIGHUP does here; it is ignored where the tests themselves run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def hidden(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name.startswith(".")}


def stopped(command: str, folder: Path, number: signal.Signals) -> int:
    """Stops a command while it makes a film in a folder; the exit code. The film is there already."""
    options = [str(small_film(240)), "-o", str(folder / "film.mp4")]
    assert run(["restore", *options, f"--set=model={small_network()}"]) == 0
    again = ["age", *options, "--overwrite"]
    if command == "redo":
        again = ["redo", str(folder / "film.mp4"), "--shot", "1", "--set", "grain.keep=1"]
    process = start(*again)
    assert wait_until((folder / f".film.mp4.{command}").is_dir, process)
    process.send_signal(number)
    process.communicate()
    return process.returncode


@pytest.mark.parametrize("command", ["age", "redo"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_command_leaves_no_film_under_way(command: str, number: signal.Signals, tmp_path: Path) -> None:
    """SIGTERM and SIGHUP are as Ctrl-C: the film is as it was, and nothing hidden is beside it."""
    assert stopped(command, tmp_path, number) == INTERRUPTED
    assert not hidden(tmp_path)
    assert run(["verify", str(tmp_path / "film.mp4")]) == 0


def test_a_command_under_nohup_goes_on(tmp_path: Path) -> None:
    """Where SIGHUP is ignored when a command starts, it makes its film in spite of one."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert stopped("age", tmp_path, signal.SIGHUP) == 0
    assert not hidden(tmp_path)


@pytest.mark.parametrize("command", ["age", "redo"])
def test_what_a_killed_command_left_goes_with_the_next(command: str, tmp_path: Path) -> None:
    """The folder of the unfinished film has the name of the film, so the same command clears it."""
    assert stopped(command, tmp_path, signal.SIGKILL) == -signal.SIGKILL
    assert f".film.mp4.{command}" in hidden(tmp_path)
    film = str(tmp_path / "film.mp4")
    again = ["age", str(small_film(240)), "-o", film, "--overwrite"]
    assert run(["redo", film, "--shot", "1", "--set", "grain.keep=1"] if command == "redo" else again) == 0
    assert not hidden(tmp_path)
