"""How clips are turned that turn and that do not: `python -m tests.bench.bench_rotation_clips FILM...`.

Of each film 120 frames of at most 480 columns are taken as they are and aged, and each of them turned by an amount of
its own with a standard deviation of 0.11 degrees. Printed is the largest rotation by the step where nothing turned,
what is left of the rotation (standard deviation from frame to frame in brackets), and the rotation that `recommend`
goes by.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.aging import Ager, age_preset
from reelwright.local.film_measurement import measure_film
from reelwright.media.picture import Picture, eight_bits
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.titles.recipe import Recipe
from tests.support.aged_scenes import Codes, Numbers, corrections, turning, turns
from tests.support.clipmaker import Film, write_film
from tests.support.clips import F

_FRAMES, _COLUMNS, _DEGREES = 120, 480, 0.11
_PRESETS = ("", "print-1940", "print-1910")
_RECIPE = Recipe(stabilise="on", stabilise_rotation="on")


def main(paths: Sequence[str]) -> None:
    """Prints the figures of films."""
    for name in paths:
        frames, cuts = _frames(name)
        rotation = np.random.default_rng(5).normal(0, _DEGREES, len(frames))
        turned = np.stack([_turned(frame, degrees) for frame, degrees in zip(frames, rotation, strict=True)])
        cells = []
        for preset in _PRESETS:
            still, moved = _aged(frames, preset), _aged(turned, preset)
            largest = np.abs(turns(corrections(still, cuts, _RECIPE))).max()
            slow, fast = _left(rotation + turns(corrections(moved, cuts, _RECIPE)), cuts)
            cells.append(f"{largest:.3f} {slow:.3f} ({fast:.3f}) {_measured(still):.3f} {_measured(moved):.3f}")
        print(f"{Path(name).name:32}", " | ".join(cells), flush=True)


def _frames(name: str) -> tuple[Codes, list[int]]:
    """Frames from the fourth second of a long film on, and where its shots begin."""
    reader = FrameReader(probe(name), Recipe())
    found = list(islice(reader, 100 + _FRAMES))[-_FRAMES:]
    cuts = [at for at, frame in enumerate(found) if frame.record.shot_start or at == 0]
    return np.stack([_small(frame.picture) for frame in found]), cuts


def _small(picture: Picture) -> Codes:
    luma = eight_bits(picture.planes[0], picture.format.depth)
    rows, columns = luma.shape
    step = -(-columns // _COLUMNS)
    size = (columns // step // 2 * 2, rows // step // 2 * 2)
    whole = np.asarray(luma[: size[1] * step, : size[0] * step], np.uint8)
    return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.uint8)


def _turned(frame: Codes, degrees: float) -> Codes:
    size = (frame.shape[1], frame.shape[0])
    # OpenCV's cubic filter turns a picture by small angles up to 1.5 times as far.
    flags, border = cv2.INTER_LANCZOS4, cv2.BORDER_REFLECT
    return np.asarray(cv2.warpAffine(frame, turning(degrees, size), size, flags=flags, borderMode=border), np.uint8)


def _aged(frames: Codes, preset: str) -> Codes:
    if not preset:
        return frames
    ager = Ager(age_preset(preset), 5, frames.shape[2], frames.shape[1])
    return np.stack([ager.age(index, (frame,))[0] for index, frame in enumerate(frames)])


def _left(rotation: Numbers, cuts: Sequence[int]) -> tuple[float, float]:
    """Standard deviation within shots, and from frame to frame divided by sqrt(2)."""
    shots = np.split(rotation, cuts[1:])
    fast: NDArray[np.float64] = np.concatenate([np.diff(each) for each in shots])
    slow = np.concatenate([each - each.mean() for each in shots])
    return float(np.sqrt(np.mean(slow**2))), float(fast.std() / 2**0.5)


def _measured(frames: Codes) -> float:
    rows, columns = frames[0].shape
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mkv"
        film = [(F(at, 25), Picture("gray", columns, rows, (frame,))) for at, frame in enumerate(frames)]
        write_film(path, Film(film, codec="ffv1"))
        return measure_film(probe(str(path))).rotation


if __name__ == "__main__":
    main(sys.argv[1:])
