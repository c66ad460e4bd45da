"""Runs the `reelwright` command as a separate process."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

COMMAND = str(Path(sys.executable).with_name("reelwright"))
# So long that only a process that hangs exceeds it.
TIMEOUT_SECONDS = 240.0
_POLL_SECONDS = 0.002


def reelwright(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs the command until it ends."""
    command = [COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False, **options)


def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """Starts the command."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([COMMAND, *map(str, arguments)], **{**pipes, **options})


def wait_until(
    condition: Callable[[], bool], process: subprocess.Popen[str], poll_seconds: float = _POLL_SECONDS
) -> bool:
    """Waits for a condition; False when the process ended before it came true."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        if process.poll() is not None:
            return False
        assert time.monotonic() < deadline, "it hangs"
        time.sleep(poll_seconds)
    return True


def kill_after_commits(folder: Path, *arguments: object, commits: int = 1) -> None:
    """Starts a restoration into a folder, and kills it with SIGKILL when so many segments are committed.

    Args:
        folder: of the film.
        arguments: of the command.
        commits: number of segments.
    """
    process = start(*arguments)
    assert wait_until(lambda: len(list(folder.glob(".reelwright/*/segments/[0-9]*.json"))) >= commits, process)
    process.kill()
    process.communicate()


def errors_of(stderr: str) -> list[str]:
    """The lines of stderr without the progress lines of a long restoration."""
    return [line for line in stderr.splitlines() if " frames, " not in line]


def manifest_of(film: Path) -> dict[str, Any]:
    """The manifest beside a film."""
    return dict(json.loads(film.with_name(film.name + ".manifest.json").read_text()))


def sha256(path: Path) -> str:
    """SHA-256 of a file, as hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tree(folder: Path) -> dict[str, str]:
    """Every file under a folder with its hash, and every folder."""
    return {str(path.relative_to(folder)): sha256(path) if path.is_file() else "" for path in sorted(folder.rglob("*"))}
