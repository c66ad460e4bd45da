"""Scratches on film without grain, which the set for undamaged film restores: `python -m tests.bench.bench_scratches`.

Film is made smaller by area averaging and restored by `reelwright restore`'s network, with scratches and without, where
the set for damaged film restores the lines that `scratch_lines` finds, and where it does not. What differs between the
results with and without scratches is what is left of them. The time is that of looking for lines and of the network, of
film without scratches, where posts and edges pass for lines.
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
    print(
        "scratches: energy gone; on film without scratches: dB over the set for undamaged film, frames with lines, time"
    )
    totals = np.zeros(3)
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
        windows = [window_of(clean, number) for number in range(MIDDLE, len(clean) - MIDDLE)]
        lines = fmean(scratch_lines(window) is not None for window in windows)
        with_lines, without = (_decibels(each, clip[_FRAME].astype(np.float32) * 255) for each in restored)
        rest = (
            f"{with_lines - without:+.3f} dB, {lines:.0%} of {len(windows)} frames, {_time(engine, windows[::4]):.2f}"
        )
        _print(piece.name, energies, rest)
        totals += energies
    _print("all", totals, "")


def _print(name: str, energies: NDArray[np.float64], rest: str) -> None:
    whole, with_lines, without = energies
    print(f"  {name:<9} {1 - with_lines / whole:.0%} gone, {1 - without / whole:.0%} without lines; {rest}", flush=True)


def _time(engine: Engine, windows: list[NDArray[np.uint8]]) -> float:
    """The network's time with lines, looking for them included, over that without: the median of three runs in turn."""
    inputs = [(prepared.frames[MIDDLE], prepared.network_input()) for prepared in map(prepare, windows)]

    def seconds(*, with_lines: bool) -> float:
        began = time.process_time()
        for window, (codes, network_input) in zip(windows, inputs, strict=True):
            lines = scratch_lines(window) if with_lines else None
            engine.upscale(codes.astype(np.float32) / 255, replace(network_input, lines=lines), _SCALE)
        return time.process_time() - began

    return median(seconds(with_lines=True) / seconds(with_lines=False) for _ in range(3))


def _restored(engine: Engine, film: NDArray[np.uint8], number: int) -> _Results:
    prepared = prepare(window_of(film, number))
    luma, window = prepared.frames[MIDDLE].astype(np.float32) / 255, prepared.network_input()
    inputs = (window, replace(window, lines=None))
    return _Results(*(np.clip(engine.upscale(luma, each, _SCALE), 0, 1) * 255 for each in inputs))


def _reduced(field: Field) -> Field:
    size = (field.shape[1] // _SCALE, field.shape[0] // _SCALE)
    return np.asarray(cv2.resize(field, size, interpolation=cv2.INTER_AREA), np.float32)


def _decibels(found: Field, truth: Field) -> float:
    return float(10 * np.log10(255**2 / np.square(found - truth).mean()))


if __name__ == "__main__":
    main()
