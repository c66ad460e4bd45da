"""What the dust repair changes on film without dust, over many frames: `python -m training.quality.clean_film`.

Prints a table, and ends with exit code 1 where the limits are exceeded. A few frames of each piece, as in
docs/quality.md, say little about it: what is taken for dust is rare, and large where it happens. The films are those of
the pieces, within a second of each piece, and films that nothing was learnt from. What is not on this machine is left
out.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.window import prepare
from reelwright.restoration.window_network import MIDDLE
from training import material
from training.codecs import compress, to_codes
from training.damage import grained
from training.film_windows import find_film, middles, near_piece, spread, windows

Codes = NDArray[np.uint8]

# Films that nothing was learnt from; `training.dataset` fetches them.
FURTHER = ("Megamind.avi", "vtest.avi", "cup.mp4", "box.mp4", "tree.avi", "test.mp4")
# Levels of grain and quality of the JPEG that are added; the first film is as it is.
TREATMENTS = {"undamaged": (0.0, 0), "grain 4, JPEG 90": (4.0, 90), "grain 8, JPEG 80": (8.0, 80)}
# A pixel is changed by more levels than this, as in `training.quality.dirt`.
_CHANGED = 4.0
# Shares of the pixels of undamaged film that may change: on average, and in the worst film.
_MEAN, _WORST = 1e-4, 1e-3
_SEED = 1


class Film(NamedTuple):
    """A film or the surroundings of a piece.

    Attributes:
        name: what the table calls it.
        file: name of the film's file.
        piece: whose surroundings are meant; None for the whole film.
    """

    name: str
    file: str
    piece: material.Piece | None


class Changed(NamedTuple):
    """Shares of a film's pixels that the repair changes, by treatment: on average over the frames, and of the worst."""

    frames: int
    mean: dict[str, float]
    worst: dict[str, float]


FILMS = (*(Film(each.name, each.file, each) for each in material.PIECES), *(Film(n, n, None) for n in FURTHER))


def changed_of(film: Film, folders: tuple[Path, ...], frames: int) -> Changed | None:
    """Repairs frames of a film, evenly spread over its shots; None where it is not on this machine."""
    cv2.setNumThreads(1)
    path = find_film(film.file, folders)
    if path is None:
        return None
    numbers = [k for k in middles(path) if film.piece is None or near_piece(film.piece, k)]
    rng = np.random.default_rng(_SEED)
    found = [
        [_changed(_treated(window, *treatment, rng)) for treatment in TREATMENTS.values()]
        for window in windows(path, spread(numbers, frames))
    ]
    columns = dict(zip(TREATMENTS, zip(*found, strict=True), strict=True))
    return Changed(
        len(found),
        {name: fmean(shares) for name, shares in columns.items()},
        {name: max(shares) for name, shares in columns.items()},
    )


def _treated(window: Codes, grain: float, quality: int, rng: np.random.Generator) -> Codes:
    if not grain:
        return window
    film = grained(window.astype(np.float32) / np.float32(255), sigma=grain, size=0.5, density=0.0, rng=rng)
    return compress(to_codes(film), "jpeg", quality)


def _changed(window: Codes) -> float:
    repaired = prepare(window).frames[MIDDLE].astype(np.float32)
    return float((np.abs(repaired - window[MIDDLE]) > _CHANGED).mean())


def table(found: dict[str, Changed]) -> Iterator[str]:
    """A table in Markdown: of each film the mean, and in brackets the worst frame."""
    yield f"| film | frames | {' | '.join(TREATMENTS)} |"
    yield "|---|---|" + "---|" * len(TREATMENTS)
    for name, changed in found.items():
        cells = [f"{changed.mean[each]:.3%} ({changed.worst[each]:.2%})" for each in TREATMENTS]
        yield f"| {name} | {changed.frames} | {' | '.join(cells)} |"
    means = [f"{fmean(each.mean[name] for each in found.values()):.4%}" for name in TREATMENTS]
    worst = [f"{max(each.mean[name] for each in found.values()):.3%}" for name in TREATMENTS]
    yield f"| mean | {sum(each.frames for each in found.values())} | {' | '.join(means)} |"
    yield f"| worst film | | {' | '.join(worst)} |"


def holds(found: dict[str, Changed]) -> bool:
    """Whether the repair changes little enough of undamaged film."""
    shares = [each.mean["undamaged"] for each in found.values()]
    return fmean(shares) <= _MEAN and max(shares) <= _WORST


def main() -> int:
    """Reads the command line, measures and prints; 1 where the limits are exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=44, help="of each film")
    parser.add_argument("--folders", type=Path, nargs="+", default=[material.SHARED, material.FETCHED])
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    measure = partial(changed_of, folders=tuple(given.folders), frames=given.frames)
    with ProcessPoolExecutor(given.processes, get_context("spawn")) as pool:
        pairs = zip(FILMS, pool.map(measure, FILMS), strict=True)
        found = {film.name: changed for film, changed in pairs if changed is not None}
    if not found:
        print("none of the films is on this machine")
        return 2
    print("\n".join(table(found)))
    return 0 if holds(found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
