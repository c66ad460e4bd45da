"""Samples made once and kept: aligned windows, what was measured on them, and the truth, in memory-mapped files.

`python -m training.samples training/runs/samples --clips 6000 --processes 2` makes them; each process appends to
its own file, and a training may read the samples that exist while more are made. Clip n of a seed is always the same
clip.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.window import prepare
from reelwright.restoration.window_network import FIGURES, FRAMES, MIDDLE
from training.clips import SOFT_SHARE, draw_clip
from training.codecs import to_codes
from training.damage import Kind, apply, draw_damage
from training.dataset import FOLDER, Photograph, photographs
from training.recording import recorded

# A clip's frames and the four patches cut from it, in source pixels.
CLIP, PATCH = 160, 64
# Patches keep away from the clip's rim, where neighbours show what the clip does not.
_RIM = 8
# Windows at the end of a shot have stand-ins for missing frames.
_END_SHARE = 0.08


def sample_type(scale: int) -> np.dtype[Any]:
    """One sample as it lies in the files, for networks that enlarge `scale` times."""
    return np.dtype(
        [
            ("frames", "u1", (FRAMES, PATCH, PATCH)),
            ("agreement", "u1", (FRAMES - 1, PATCH // 2, PATCH // 2)),
            ("dust", "u1", (PATCH, PATCH)),
            ("scratch", "u1", (PATCH, PATCH)),
            ("truth", "u1", (scale * PATCH, scale * PATCH)),
            ("figures", "f4", (FIGURES,)),
            ("kind", "i4"),
        ]
    )


Samples = NDArray[Any]


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
    clip, damage = draw_clip(shots, rng, FRAMES, scale * CLIP, soft=soft), draw_damage(rng, kinds)
    if damage.kind is not Kind.FILM:
        clip = recorded(clip, rng)
    window = apply(clip, damage, rng, scale)
    if rng.random() < _END_SHARE:
        window = _at_an_end(window, rng)
    prepared = prepare(window)
    found = prepared.measurement
    truth = to_codes(clip[MIDDLE])
    samples = np.zeros(4, sample_type(scale))
    for sample, corner in zip(samples, _corners(rng), strict=True):
        y, x = corner
        here = slice(y, y + PATCH), slice(x, x + PATCH)
        half = slice(y // 2, (y + PATCH) // 2), slice(x // 2, (x + PATCH) // 2)
        sample["frames"] = prepared.frames[:, here[0], here[1]]
        sample["agreement"] = prepared.agreement[:, half[0], half[1]]
        sample["dust"], sample["scratch"] = found.dust[here], found.scratch[here]
        sample["truth"] = truth[scale * y : scale * (y + PATCH), scale * x : scale * (x + PATCH)]
        sample["figures"], sample["kind"] = found.figures(), damage.kind
    return samples


class SampleFiles:
    """What there is of the samples in a folder; grows while they are made.

    Args:
        folder: with `*.samples` files.
        scale: of the networks that learn from them.
        kinds: the kinds of damage to read.
    """

    def __init__(self, folder: Path, scale: int = 2, kinds: Collection[Kind] = tuple(Kind)) -> None:
        self._folder, self._type = folder, sample_type(scale)
        self._kinds = np.array(sorted(kinds), np.int32)
        self._maps: list[Samples] = []
        self._chosen: list[NDArray[np.int64]] = []
        self.refresh()

    def __len__(self) -> int:
        return sum(len(chosen) for chosen in self._chosen)

    def refresh(self) -> None:
        """Looks for what has been added; a sample that is half written does not count."""
        self._maps, self._chosen = [], []
        for path in sorted(self._folder.glob("*.samples")):
            count = path.stat().st_size // self._type.itemsize
            if count:
                samples = np.memmap(path, self._type, "r", shape=(count,))
                self._maps.append(samples)
                self._chosen.append(np.flatnonzero(np.isin(samples["kind"], self._kinds)))

    def read(self, indices: NDArray[np.int64]) -> Samples:
        """The samples of these numbers, 0 to `len(self)` - 1; they count through the files in the order of names."""
        ends = np.cumsum([len(chosen) for chosen in self._chosen])
        files = np.searchsorted(ends, indices, side="right")
        starts = ends - [len(chosen) for chosen in self._chosen]
        found = zip(files, indices, strict=True)
        return np.array([self._maps[f][self._chosen[f][i - starts[f]]] for f, i in found], self._type)


def _at_an_end(window: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The window as it is where one or two frames are missing before or after: the nearest frame stands in."""
    first = int(rng.integers(1, 3))
    span = (first, None) if rng.random() < 0.5 else (None, FRAMES - 1 - first)
    order = np.clip(np.arange(FRAMES), *span)
    return np.ascontiguousarray(window[order])


def _corners(rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """One patch in each quarter of a clip, its corner at even pixels."""
    room = CLIP // 2 - PATCH // 2 - _RIM
    for top in (0, 1):
        for left in (0, 1):
            y, x = (int(v) * 2 for v in rng.integers(0, (CLIP - 2 * _RIM - PATCH) // 4 + 1, 2))
            spread = (CLIP - 2 * _RIM - PATCH) // 4 * 2
            yield _RIM + y + top * (2 * room - spread), _RIM + x + left * (2 * room - spread)


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
    given = parser.parse_args()
    # OpenCV's pool of threads does not survive a fork: it must never start.
    cv2.setNumThreads(1)
    shots = photographs(given.photos)
    print(f"{len(shots)} photographs", flush=True)
    context = multiprocessing.get_context("fork")
    kinds = [Kind[name.upper()] for name in given.kinds]
    make_clip = partial(make, shots, given.seed, scale=given.scale, kinds=kinds, soft=given.soft)
    workers = [
        context.Process(
            target=_append,
            args=(
                given.folder / f"{given.seed}-{first}of{given.processes}.samples",
                make_clip,
                4 * sample_type(given.scale).itemsize,
                range(first, given.clips, given.processes),
            ),
        )
        for first in range(given.processes)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main()
