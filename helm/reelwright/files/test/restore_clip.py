"""What `helm test` runs in a pod: restores a clip of two seconds by the installed services, and verifies the film."""

import os
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import fsspec
import numpy as np

from reelwright.store.allowed_locations import own_store

WIDTH, HEIGHT, RATE, SECONDS = 96, 72, 12, 2


def write_clip(path: Path) -> None:
    """A gradient that moves to the right."""
    with av.open(str(path), "w") as clip:
        stream = clip.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(RATE * SECONDS):
            row = (np.arange(WIDTH) * 2 + number * 5) % 200 + 20
            gray = np.broadcast_to(row.astype(np.uint8), (HEIGHT, WIDTH))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(gray), "gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            clip.mux(stream.encode(frame))
        clip.mux(stream.encode(None))


def main() -> None:
    """Ends with an error when a step fails; removes clip and film."""
    ledger = os.environ["REELWRIGHT_STORE_LEDGER"]
    folders = os.environ["REELWRIGHT_STORE_OUTPUTS"] or own_store(ledger)
    folder = f"{folders.split(',')[0].rstrip('/')}/helm-test-{os.environ['POD_UID']}"
    source, film = f"{folder}/clip.mp4", f"{folder}/film.mp4"
    store, path = fsspec.core.url_to_fs(folder)
    store.makedirs(path, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            clip = Path(scratch, "clip.mp4")
            write_clip(clip)
            store.put_file(str(clip), f"{path}/clip.mp4")
        run("submit", source, "-o", film, "--class", "express", "--wait")
        run("verify", film)
    finally:
        store.rm(path, recursive=True)


def run(*arguments: str) -> None:
    """Runs a command of Reelwright."""
    print("reelwright", *arguments, flush=True)
    code = subprocess.run(["reelwright", *arguments], check=False).returncode
    if code:
        sys.exit(code)


if __name__ == "__main__":
    main()
