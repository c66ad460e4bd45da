"""Grain that is made anew beside the grain that was removed: `python -m tests.bench.bench_grain [FOLDER]`.

Real films are aged by the simulator and restored with `reel-s`, once with all of their grain and once with grain that
is made anew. What was added is made small again, and compared where the picture is flat. With a folder, a part of a
frame of each is written there as PNG: source, without grain, with its own grain, with new grain. At the end the CPU
time.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.picture import Picture
from reelwright.restoration.engine import Engine
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.frame_windows import FrameWindows
from reelwright.restoration.grain import GrainWanted, reduced
from reelwright.restoration.grain_model import flat_parts
from reelwright.restoration.models import resolve_model
from reelwright.restoration.restore import Restorer
from tests.support.grain import band_energies
from tests.support.grainy_films import GrainyFrame, aged_frames, restored
from tests.support.windows import texture

_FIRST, _FRAMES, _ROUNDS = 100, 6, 9
_FILMS = ("chaplin", "sintel_with_14_chapters", "bikes")
_PRESETS = ("print-1940", "print-1910")
OWN, NEW = GrainWanted(1.0), GrainWanted(1.0, is_synthetic=True, seed=1)


def main() -> None:
    """Prints the table."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    engine = create_engine("auto", resolve_model("reel-s"), threads=1)
    print("| film | scale | grain, levels | in the dark, middle, bright | size | octaves: finest, middle, coarse |")
    for film in _FILMS:
        for preset in _PRESETS:
            for scale in (2, 4) if film == "chaplin" else (2,):
                frames = list(aged_frames(film, preset, _FIRST, _FRAMES))
                print(_row(f"{film.split('_')[0]}, `{preset}`", engine, scale, frames))
                if folder and scale == 2:
                    _draw(folder / f"{film}-{preset}.png", engine, frames[0])
    _print_cost(engine)


def _row(name: str, engine: Engine, scale: int, frames: list[GrainyFrame]) -> str:
    found = np.mean([_compared(engine, scale, frame) for frame in frames], axis=0)
    own, new = found
    ratios = np.sqrt(new[1:4] / np.maximum(own[1:4], 1e-9))
    return (
        f"| {name} | {scale} | {own[0] ** 0.5:.1f} to {new[0] ** 0.5:.1f} "
        f"| {', '.join(f'{each:.0%}' if before else '-' for each, before in zip(ratios, own[1:4], strict=True))} "
        f"| {own[4]:.2f} to {new[4]:.2f} | {', '.join(f'{each:.0%}' for each in new[5:] / own[5:])} |"
    )


def _compared(engine: Engine, scale: int, frame: GrainyFrame) -> NDArray[np.float64]:
    """Energy (whole, of three ranges of levels), correlation of adjacent samples, energy of octaves; own and new."""
    shape = frame.picture.planes[0].shape
    own, new, clean = (
        255 * reduced(restored(engine, scale, frame, each), shape) for each in (OWN, NEW, GrainWanted(0.0))
    )
    flat, level = flat_parts(clean / np.float32(255)), np.digitize(clean, (255 / 3, 510 / 3))
    found = []
    for grain in (own - clean, new - clean):
        parts = [flat, *(flat & (level == part) for part in range(3))]
        energies = [float(np.square(grain[part]).mean()) if part.sum() > 2000 else 0.0 for part in parts]
        pairs = flat[:, 1:] & flat[:, :-1]
        size = float((grain[:, 1:] * grain[:, :-1])[pairs].mean()) / energies[0]
        found.append([*energies, size, *band_energies(grain, flat)])
    return np.array(found)


def _draw(path: Path, engine: Engine, frame: GrainyFrame) -> None:
    """The middle 320x320 samples of each at 1:1, beside each other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    clean = restored(engine, 2, frame, GrainWanted(0.0))
    source = cv2.resize(frame.picture.planes[0], clean.shape[::-1], interpolation=cv2.INTER_CUBIC)
    pictures = [source / np.float32(255), clean, *(restored(engine, 2, frame, each) for each in (OWN, NEW))]
    rows, columns = (side // 2 - 160 for side in clean.shape)
    parts = [picture[rows : rows + 320, columns : columns + 320] for picture in pictures]
    cv2.imwrite(str(path), np.clip(np.hstack(parts) * 255, 0, 255).astype(np.uint8))


def _print_cost(engine: Engine) -> None:
    """CPU time of a frame of 720x576 with each kind of grain, in turn."""
    rng = np.random.default_rng(0)
    frames = np.clip(texture(576, 720) + rng.normal(0, 6, (5, 576, 720)), 0, 255).astype(np.uint8)
    pictures = [Picture("gray", 720, 576, (frame,)) for frame in frames]
    frame = GrainyFrame(2, pictures[2], FrameWindows(pictures, 2, [True]).window(0))
    spent: dict[str, list[float]] = {"own": [], "new": []}
    for _ in range(_ROUNDS):
        for name, wanted in (("own", OWN), ("new", NEW)):
            restorer = Restorer(engine, 2, wanted)
            started = time.process_time()
            restorer.restore(frame.picture, "gray", window=frame.window, frame=frame.number)
            spent[name].append(1000 * (time.process_time() - started))
    own, new = (float(np.median(spent[name])) for name in ("own", "new"))
    print(
        f"\n{frame.picture.width}x{frame.picture.height}: {own:.0f} ms with its own grain, {new:.0f} ms with new grain,"
    )
    print(f"{new / own - 1:+.1%} of the time")


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main()
