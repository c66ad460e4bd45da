"""Up to which grain the set for undamaged film is the better one: `python -m training.weight_sets reel-s.safetensors`.

For each piece and strength of grain: the grain that was measured, in levels, and the gain over bicubic of each set and
of their mixture, in dB of PSNR-Y. `reelwright.restoration.weight_sets` takes its two limits from these tables.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.models import resolve_model
from reelwright.restoration.weight_sets import NetworkWeights
from reelwright.restoration.window import prepare
from reelwright.restoration.window_network import SCALES
from training import material
from training.damage import Damage, Kind
from training.export import read, write
from training.metrics import psnr
from training.quality.methods import Restore, bicubic, restore_window, window_of

_GRAINS = (0.0, 1.0, 1.5, 2.0, 3.0, 4.0)
_SEED = 5


def main() -> None:
    """Prints the tables, without and with a codec."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--scale", type=int, choices=SCALES, help="of the network; of the file's first by default")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    found = read(given.model, given.scale)
    if len(found.sets) < 2:
        parser.error(f"{given.model} has one weight set")
    chosen = {"damaged": found.sets[:1], "undamaged": found.sets[1:], "mixed": found.sets}
    methods: dict[str, Restore] = {}
    scale = found.network.scale
    with tempfile.TemporaryDirectory() as folder:
        for name, sets in chosen.items():
            file = Path(folder) / f"{name}.safetensors"
            write(file, NetworkWeights(sets))
            engine = create_engine("openvino", resolve_model(str(file)), threads=given.threads, precision="fp32")
            methods[name] = partial(restore_window, engine, scale)
    for quality in (0, 80):
        print(f"\n{'JPEG ' + str(quality) if quality else 'no codec'}")
        print(f"{'piece':10}{'grain':>7}{'measured':>10}" + "".join(f"{name:>11}" for name in methods))
        for piece in material.PIECES:
            for grain in _GRAINS:
                damage = Damage(Kind.FILM, grain=grain, codec="jpeg" if quality else "none", quality=quality)
                print(_row(piece, damage, methods, scale), flush=True)


def _row(piece: material.Piece, damage: Damage, methods: dict[str, Restore], scale: int) -> str:
    clip = material.read_piece(piece, 2 * scale)
    if clip is None:
        return f"{piece.name:10} is not here"
    middle = len(clip) // 2
    window = window_of(material.treat(clip, damage, _SEED, scale), middle)

    def decibels(restore: Restore) -> float:
        return psnr(float(np.square(np.clip(restore(window), 0, 1) - clip[middle]).mean()))

    base, grain = decibels(bicubic(scale)), prepare(window).measurement.grain
    gains = "".join(f"{decibels(restore) - base:+11.2f}" for restore in methods.values())
    return f"{piece.name:10}{damage.grain:7.1f}{grain:10.2f}{gains}"


if __name__ == "__main__":
    main()
