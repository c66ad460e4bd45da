"""A film of ten times the length needs no more memory, and disk and bus stay within limits."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from tests.support.commands import COMMAND, manifest_of, wait_until
from tests.support.films import small_film

SHORT, LONG = 160, 1600
# More often takes as much of the processor as the restoration.
_POLL_SECONDS = 0.05
# What lies in the folders beside films and their segments: plans, samples, the library's own files.
WINDOW_BYTES = 2 << 20
# A shot's previews, repair masks and motion strips for the report, until the film is complete.
SHOT_BYTES = 100 << 10
# A window of three segments of at most 48 frames, raw, with what is on its way through the dispatcher.
BUS_BYTES = 3 << 20
_BUS = re.compile(r'^reelwright_bus_held_bytes\{topic="[^"]+"\} (\S+)$', re.MULTILINE)
# Only its parent learns how much memory a process took, so this one has no other child.
_MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


class Watched:
    """A restoration in a separate process, measured while it runs.

    Attributes:
        memory: most resident KiB of the process.
        disk: most bytes at one time in the output folder and the temporary one.
        bus: most bytes that a topic of the bus held when looked at.
        shots: shots of the film.
    """

    def __init__(self, frames: int, folder: Path) -> None:
        temporary, output, port = folder / "tmp", folder / "out" / "film.mp4", _free_port()
        temporary.mkdir(parents=True)
        output.parent.mkdir()
        arguments = ["restore", str(small_film(frames)), "-o", str(output), "--metrics-port", str(port)]
        process = subprocess.Popen(
            [sys.executable, "-c", _MEASURE, COMMAND, *arguments],
            env={**os.environ, "TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.disk = self.bus = 0.0

        def look() -> bool:
            self.disk = max(self.disk, _bytes_under(folder))
            self.bus = max(self.bus, *_bus_bytes(port), 0.0)
            return False

        wait_until(look, process, _POLL_SECONDS)
        look()
        said, complained = process.communicate()
        assert process.returncode == 0, complained
        assert manifest_of(output)["frames_out"] == frames
        self.memory = int(said.split()[-1])
        self.film_bytes = output.stat().st_size
        self.shots = len(manifest_of(output)["shots"])


def test_a_long_film_takes_no_more_than_a_short_one(tmp_path: Path) -> None:
    """Peak memory is within 5 % of the short film's; film, its shots' pictures and window limit disk and bus."""
    short, long = Watched(SHORT, tmp_path / "short"), Watched(LONG, tmp_path / "long")
    print({"short": vars(short), "long": vars(long)})  # noqa: T201 - the figures behind the verdict
    assert long.memory <= 1.05 * short.memory
    for watched in (short, long):
        # The film's segments, and the film as it is put together from them.
        most = 2 * watched.film_bytes + SHOT_BYTES * watched.shots + WINDOW_BYTES
        assert watched.film_bytes <= watched.disk <= most
        assert 0 < watched.bus <= BUS_BYTES


def _bytes_under(folder: Path) -> float:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            # Files come and go while they are counted.
            with suppress(FileNotFoundError):
                total += Path(place, name).stat().st_size
    return float(total)


def _bus_bytes(port: int) -> list[float]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
            return [float(value) for value in _BUS.findall(page.read().decode())]
    except (urllib.error.URLError, OSError):
        return []


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
