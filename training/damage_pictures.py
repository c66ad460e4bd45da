"""Pictures of each kind of damage, for docs/training.md: `python -m training.damage_pictures docs/images/training`.

Each picture shows the same part of a source frame side by side: undamaged, then with each value of one parameter.
Flicker and weave are between frames, so theirs show three adjacent frames.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.damage import Damage, Kind, apply
from training.material import PIECES, read_piece

Codes = NDArray[np.uint8]

_NONE = Damage(Kind.FILM)
_GRAIN = replace(_NONE, grain=10.0)
# The parts of a picture: for each parameter of docs/training.md the ends of its range, and something between.
PICTURES: dict[str, Sequence[Damage]] = {
    "lens": [_NONE, *(replace(_NONE, lens=sigma) for sigma in (0.8, 1.7))],
    "kernel": [replace(_NONE, shrinking=kernel) for kernel in ("area", "bicubic", "lanczos", "aliased")],
    "grain": [_NONE, *(replace(_NONE, grain=sigma) for sigma in (4.0, 14.0))],
    "grain-size": [_NONE, *(replace(_GRAIN, grain_size=size) for size in (0.25, 0.95))],
    "grain-tone": [_NONE, *(replace(_GRAIN, grain_density=share) for share in (0.0, 0.8))],
    "copy": [_NONE, _GRAIN, replace(_GRAIN, copy=0.6)],
    "dust": [_NONE, *(replace(_NONE, dust=count) for count in (1.0, 4.0))],
    "scratches": [_NONE, *(replace(_NONE, scratches=count) for count in (1, 3))],
    "scan": [_NONE, *(replace(_GRAIN, scan=sigma) for sigma in (0.2, 0.6))],
    "jpeg": [_NONE, *(replace(_NONE, codec="jpeg", quality=quality) for quality in (80, 45))],
    "h264": [_NONE, *(replace(_NONE, codec="libx264", quality=crf) for crf in (20, 30))],
    "mpeg2": [_NONE, *(replace(_NONE, codec="mpeg2video", quality=quantiser) for quantiser in (4, 11))],
}
BETWEEN_FRAMES = {"flicker": replace(_NONE, flicker=0.02), "weave": replace(_NONE, weave=0.8)}

# First frame of the window in the piece, corner and side of the part in source pixels, and how often a pixel is
# repeated: damage is judged by pixels. The seed is one whose dust and scratches fall into the part.
_FIRST, _CORNER, _PART, _REPEAT = 8, (12, 90), 96, 2
_GAP, _QUALITY, _SEED = 6, 88, 272


def strip(frames: Sequence[Codes]) -> Codes:
    """The chosen part of frames (rows, columns) side by side, each pixel repeated, with white between them."""
    y, x = _CORNER
    parts = [frame[y : y + _PART, x : x + _PART].repeat(_REPEAT, 0).repeat(_REPEAT, 1) for frame in frames]
    gap = np.full((_PART * _REPEAT, _GAP), 255, np.uint8)
    return np.hstack([parts[0], *(piece for part in parts[1:] for piece in (gap, part))])


def pictures(clip: NDArray[np.float32]) -> dict[str, Codes]:
    """The picture of each parameter, by its name.

    Args:
        clip: (5, rows, columns) float32 in [0, 1], rows and columns multiples of 4.
    """
    middle = len(clip) // 2

    def damaged(damage: Damage) -> Codes:
        return apply(clip, damage, np.random.default_rng(_SEED))

    found = {name: strip([damaged(value)[middle] for value in values]) for name, values in PICTURES.items()}
    moving = {name: strip(list(damaged(value)[1:4])) for name, value in BETWEEN_FRAMES.items()}
    return found | moving


def main() -> None:
    """Reads the command line and writes the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    piece = next(piece for piece in PIECES if piece.name == "chaplin")
    clip = read_piece(piece)
    if clip is None:
        raise SystemExit(f"{piece.file} is not in ../shared/clips")
    given.folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures(clip[_FIRST : _FIRST + 5]).items():
        cv2.imwrite(str(given.folder / f"{name}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])


if __name__ == "__main__":
    main()
