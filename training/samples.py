"""Samples made once and kept: aligned windows, what was measured on them, and the truth, in memory-mapped files.

`python -m training.samples training/runs/samples --clips 6000 --processes 2` makes them; each process appends to
its own file, and a training may read the samples that exist while more are made. Clip n of a seed is always the same
clip. With `--pairs` they are pairs of windows in files of their own (`pairs.py`), from which a training learns not to
flicker.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.window import prepare
from reelwright.restoration.window_network import FRAMES, MIDDLE
from training.clips import SOFT_SHARE, draw_clip
from training.codecs import to_codes
from training.damage import Kind, apply, draw_damage
from training.dataset import FOLDER, Photograph, photographs
from training.pairs import make_pairs
from training.patches import CLIP, corners, cut
from training.recording import true_clip
from training.sample_files import Samples, pair_type, sample_type

# Windows at the end of a shot have stand-ins for missing frames.
_END_SHARE = 0.08


def make(
    shots: Sequence[Photograph],
    seed: int,
    number: int,
    *,
    scale: int = 2,
    kinds: Collection[Kind] = tuple(Kind),
    soft: float = SOFT_SHARE,
) -> Samples:
    """The four samples of one clip, a function of the arguments; (4,) of `sample_type(scale)`."""
    rng = np.random.default_rng((seed, number))
    drawn, damage = draw_clip(shots, rng, FRAMES, scale * CLIP, soft=soft), draw_damage(rng, kinds)
    clip = true_clip(drawn.frames, damage.kind, rng)
    window = apply(clip, damage, rng, scale)
    if rng.random() < _END_SHARE:
        window = _at_an_end(window, rng)
    prepared, truth = prepare(window), to_codes(clip[MIDDLE])
    samples = np.zeros(4, sample_type(scale))
    for sample, corner in zip(samples, corners(rng), strict=True):
        cut(sample, prepared, truth, corner)
        sample["kind"] = damage.kind
    return samples


def _at_an_end(window: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The window as it is where one or two frames are missing before or after: the nearest frame stands in."""
    first = int(rng.integers(1, 3))
    span = (first, None) if rng.random() < 0.5 else (None, FRAMES - 1 - first)
    order = np.clip(np.arange(FRAMES), *span)
    return np.ascontiguousarray(window[order])


def _append(path: Path, make_clip: Callable[[int], Samples], size: int, numbers: range) -> None:
    """Makes the clips of these numbers, each of `size` bytes, but for those that are in the file already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    done = path.stat().st_size // size if path.exists() else 0
    with path.open("ab") as file:
        file.truncate(done * size)
        began = time.monotonic()
        for index, number in enumerate(numbers[done:]):
            file.write(make_clip(number).tobytes())
            if index % 50 == 49:
                file.flush()
            if index % 500 == 499:
                print(f"{path.name}: {index + 1} clips in {time.monotonic() - began:.0f} s", flush=True)


def _check_unshared(folder: Path, seed: int, processes: int, suffix: str) -> None:
    """Refuses to make clips that files of another number of processes have or are to have."""
    for path in sorted(folder.glob(f"{seed}-*of*.{suffix}")):
        others = path.stem.rpartition("of")[2]
        if others != str(processes):
            what = f"{path} has clips of the same seed, shared among {others} processes"
            raise SystemExit(f"{what}: go on with --processes {others}, or give another --seed or folder")


def main() -> None:
    """Reads the command line and makes samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=Path, default=FOLDER)
    parser.add_argument("--clips", type=int, default=6000, help="four samples each")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--scale", type=int, choices=(2, 4), default=2, help="of the networks that learn from them")
    names = [kind.name.lower() for kind in Kind]
    parser.add_argument("--kinds", nargs="+", choices=names, default=names, help="damage to make; all kinds by default")
    parser.add_argument("--soft", type=float, default=SOFT_SHARE, help="share of clips that are themselves soft")
    parser.add_argument("--pairs", action="store_true", help="make pairs of windows in place of single ones")
    given = parser.parse_args()
    # OpenCV's pool of threads does not survive a fork: it must never start.
    cv2.setNumThreads(1)
    shots = photographs(given.photos)
    print(f"{len(shots)} photographs", flush=True)
    suffix = "pairs" if given.pairs else "samples"
    _check_unshared(given.folder, given.seed, given.processes, suffix)
    context = multiprocessing.get_context("fork")
    kinds = [Kind[name.upper()] for name in given.kinds]
    made, of_type = (make_pairs, pair_type) if given.pairs else (make, sample_type)
    make_clip = partial(made, shots, given.seed, scale=given.scale, kinds=kinds, soft=given.soft)
    workers = [
        context.Process(
            target=_append,
            args=(
                given.folder / f"{given.seed}-{first}of{given.processes}.{suffix}",
                make_clip,
                4 * of_type(given.scale).itemsize,
                range(first, given.clips, given.processes),
            ),
        )
        for first in range(given.processes)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failed := sum(worker.exitcode != 0 for worker in workers):
        raise SystemExit(f"{failed} of {len(workers)} processes failed: the samples are not all there")


if __name__ == "__main__":
    main()
