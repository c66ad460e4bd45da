"""Scratches on film without grain, which the set for undamaged film restores: `python -m tests.bench.bench_scratches`.

Film is made smaller by area averaging and restored by `reelwright restore`'s network, with scratches and without, where
the set for damaged film restores the lines that `scratch_lines` finds, and where it does not. What differs between the
results with and without scratches is what is left of them.
"""

from __future__ import annotations

import time
from dataclasses import replace
from statistics import fmean, median
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.engine import Engine
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.models import resolve_model
from reelwright.restoration.scratch_lines import scratch_lines
from reelwright.restoration.window import prepare
from reelwright.restoration.window_network import MIDDLE
from training import artefacts, material
from training.codecs import to_codes
from training.damage import shrink
from training.quality.methods import window_of

Field = NDArray[np.float32]

_SCALE, _FRAME, _FILMS = 2, 4, 4
# A pixel belongs to a scratch where that added more levels.
_SCRATCHED = 2.0


class _Results(NamedTuple):
    """A restored frame with the lines that were found, and without looking for them; in levels."""

    with_lines: Field
    without: Field


def main() -> None:
    """Prints a line per piece, and the time of looking for lines."""
    engine = create_engine("openvino", resolve_model("reel-s"))
    print("scratches: energy gone; on film without scratches: dB over the set for undamaged film, frames with lines")
    totals, milliseconds = np.zeros(3), []
    for piece in material.PIECES:
        clip = material.read_piece(piece, 2 * _SCALE)
        assert clip is not None, "python -m training.dataset fetches the clips"
        small = np.stack([shrink(frame.astype(np.float32), "area") for frame in clip])
        clean = to_codes(small)
        restored = _restored(engine, clean, _FRAME)
        energies = np.zeros(3)
        for seed in range(_FILMS):
            rng, film = np.random.default_rng(seed), small[: 2 * _FRAME + 1].copy()
            added = np.sum([np.abs(artefacts.scratch(film, rng)) for _ in range(2)], axis=0)[_FRAME] * 255
            scratched = to_codes(film)
            difference = scratched[_FRAME].astype(np.float32) - clean[_FRAME]
            found = _restored(engine, scratched, _FRAME)
            left = [_reduced(with_ - without) for with_, without in zip(found, restored, strict=True)]
            energies += [float(np.square(each)[added > _SCRATCHED].sum()) for each in (difference, *left)]
        lines = []
        for number in range(MIDDLE, len(clean) - MIDDLE):
            window = window_of(clean, number)
            began = time.perf_counter()
            lines.append(scratch_lines(window) is not None)
            milliseconds.append(1000 * (time.perf_counter() - began))
        harm = [_decibels(each, clip[_FRAME].astype(np.float32) * 255) for each in restored]
        _print(piece.name, energies, f"{harm[0] - harm[1]:+.3f} dB, {fmean(lines):.0%} of {len(lines)} frames")
        totals += energies
    _print("all", totals, f"looking for lines takes {median(milliseconds):.2f} ms")


def _print(name: str, energies: NDArray[np.float64], rest: str) -> None:
    whole, with_lines, without = energies
    print(f"  {name:<9} {1 - with_lines / whole:.0%} gone, {1 - without / whole:.0%} without lines; {rest}", flush=True)


def _restored(engine: Engine, film: NDArray[np.uint8], number: int) -> _Results:
    prepared = prepare(window_of(film, number))
    luma, window = prepared.frames[MIDDLE].astype(np.float32) / 255, prepared.network_input()
    inputs = (window, replace(window, scratched=None))
    return _Results(*(np.clip(engine.upscale(luma, each, _SCALE), 0, 1) * 255 for each in inputs))


def _reduced(field: Field) -> Field:
    size = (field.shape[1] // _SCALE, field.shape[0] // _SCALE)
    return np.asarray(cv2.resize(field, size, interpolation=cv2.INTER_AREA), np.float32)


def _decibels(found: Field, truth: Field) -> float:
    return float(10 * np.log10(255**2 / np.square(found - truth).mean()))


if __name__ == "__main__":
    main()
