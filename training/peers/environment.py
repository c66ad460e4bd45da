"""The Python in which VapourSynth runs: an interpreter of 3.12 or later, and an environment with pinned packages."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

VARIABLE = "REELWRIGHT_PEERS_PYTHON"
_COMMANDS = ("python3.14", "python3.13", "python3.12")
_FOLDER = Path(__file__).resolve().parents[2] / ".cache" / "vapoursynth"
_REQUIREMENTS = Path(__file__).with_name("requirements.txt")
# VapourSynth's wheels begin with 3.12. Debian has the modules of virtual environments in a package of their own.
_SUITABLE = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))"


class PeerMissing(Exception):
    """A peer cannot run here; the text is one line that says what to do."""


def vapoursynth_python(folder: Path = _FOLDER) -> Path:
    """The interpreter of an environment with VapourSynth, made on first use and when the pinned versions change.

    Raises:
        PeerMissing: there is no Python of 3.12 or later, or its packages could not be installed.
    """
    base, python, done = find_interpreter(), folder / "bin" / "python", folder / "packages.sha256"
    wanted = hashlib.sha256(_REQUIREMENTS.read_bytes() + str(base).encode()).hexdigest()
    if not done.exists() or done.read_text() != wanted:
        print("installing VapourSynth", flush=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([str(base), "-m", "venv", "--clear", str(folder)])
        _run([*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(_REQUIREMENTS)])
        done.write_text(wanted)
    return python


def find_interpreter() -> Path:
    """The Python that `REELWRIGHT_PEERS_PYTHON` names, or else the newest on the path.

    Raises:
        PeerMissing: there is none of 3.12 or later that starts and makes virtual environments.
    """
    given = os.environ.get(VARIABLE)
    for command in [given] if given else _COMMANDS:
        found = shutil.which(command)
        if found and _starts(found):
            return Path(found)
    wrong = f"{VARIABLE}={given} is none" if given else f"name one in {VARIABLE}"
    raise PeerMissing(f"VapourSynth needs Python 3.12 or later with venv: {wrong}")


def _starts(python: str) -> bool:
    # A command of a version manager may be there without its version.
    done = subprocess.run([python, "-c", _SUITABLE], capture_output=True, check=False)  # noqa: S603 - our own words
    return done.returncode == 0


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        last = [line for line in (done.stderr or done.stdout).splitlines() if line][-1:]
        raise PeerMissing(f"VapourSynth was not installed: {' '.join(last)}")
