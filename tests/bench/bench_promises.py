"""Measures the guarantees on frames, times and memory, by reading each restored film with PyAV alone."""

from __future__ import annotations

import contextlib
import io
import tempfile
from fractions import Fraction
from pathlib import Path

from reelwright.cli.main import run
from tests.integration.test_bounds import LONG, SHORT, Watched
from tests.integration.test_restore import resolution, shown
from tests.support import clips
from tests.support.films import REAL, whole_film


def count_frames(source: Path, wanted: list[Fraction], folder: Path) -> tuple[int, int, int]:
    """Restores a film and compares its frames with the source's.

    Args:
        source: the source.
        wanted: time of each frame of the source, in seconds.
        folder: for the film.

    Returns:
        Frames in the source, frames lost or doubled, and frames more than one tick from their time.
    """
    output = folder / f"{source.stem}.mp4"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        if run(["restore", str(source), "-o", str(output)]) != 0:
            raise SystemExit(f"{source.name} was not restored")
    found = shown(output)
    tick, start = max(resolution(source), resolution(output)), found[0] - wanted[0]
    late = sum(abs(f - w - start) > tick for f, w in zip(found, wanted, strict=False))
    return len(wanted), abs(len(wanted) - len(found)), late


def main() -> None:
    """Counts the frames of the real films and the generated clips, and compares the memory for two film lengths."""
    films = [(path, shown(path)) for path in dict.fromkeys(map(whole_film, REAL))]
    films += [(clips.clip(name), list(clips.truth(name).times)) for name in clips.FILMS]
    with tempfile.TemporaryDirectory() as folder:
        counts = [count_frames(path, times, Path(folder)) for path, times in films]
    frames, missing, late = (sum(column) for column in zip(*counts, strict=True))
    print(f"frames: {len(films)} films, {frames} frames, {missing} lost or doubled, {late} off their time")
    with tempfile.TemporaryDirectory() as folder:
        short, long = Watched(SHORT, Path(folder) / "short"), Watched(LONG, Path(folder) / "long")
    print(f"memory: peak {short.memory >> 10} MiB for {SHORT} frames, {long.memory >> 10} MiB for {LONG}")
    print(f"  {long.memory / short.memory:.3f} of the short film's (goal: at most 1.05)")
    print(f"disk: at most {long.disk / long.film_bytes:.2f} of the film's size while it is restored")


if __name__ == "__main__":
    main()
