"""The Python that peers of another version run in; the peers themselves are tried by `make quality`."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.peers.environment import VARIABLE, PeerMissing, find_interpreter, vapoursynth_python


def command(folder: Path, name: str, exit_code: int) -> Path:
    """A program that ends with this exit code at once."""
    path = folder / name
    path.write_text(f"#!/bin/sh\nexit {exit_code}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which commands are found."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_a_command_that_does_not_start_is_passed_over(path: Path) -> None:
    """A version manager's command without its version is there and fails; the next older one is taken."""
    command(path, "python3.13", 127)
    older = command(path, "python3.12", 0)
    assert find_interpreter() == older


def test_the_named_interpreter_comes_first(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable counts before anything on the path."""
    command(path, "python3.14", 0)
    named = command(path, "mine", 0)
    monkeypatch.setenv(VARIABLE, str(named))
    assert find_interpreter() == named


def test_without_an_interpreter_one_line_says_what_to_do(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the version and the variable, or what is wrong with the variable's value; nothing is installed."""
    with pytest.raises(PeerMissing, match=r"^VapourSynth needs Python 3\.12 .* REELWRIGHT_PEERS_PYTHON$"):
        vapoursynth_python(path / "made")
    monkeypatch.setenv(VARIABLE, "/nowhere/python")
    with pytest.raises(PeerMissing, match=r"REELWRIGHT_PEERS_PYTHON=/nowhere/python is none$"):
        vapoursynth_python(path / "made")
    assert not (path / "made").exists()


def test_packages_that_cannot_be_installed_leave_the_peer_out(path: Path) -> None:
    """The last line of the failed command is told, and the next call tries again."""
    python = path / "python3.12"
    python.write_text('#!/bin/sh\ncase "$2" in venv) echo "no room" >&2; exit 1;; esac\n')
    python.chmod(0o755)
    for _ in range(2):
        with pytest.raises(PeerMissing, match=r"^VapourSynth was not installed: no room$"):
            vapoursynth_python(path / "made")
