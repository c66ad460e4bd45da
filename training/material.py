"""The moving pictures that training never sees, and the damage they are tried with."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from training import artefacts
from training.codecs import compress, to_codes
from training.damage import Damage, Kind, apply

Codes = NDArray[np.uint8]
Field = NDArray[np.float32]

_ROOT = Path(__file__).resolve().parent
SHARED = _ROOT.parent.parent / "shared" / "clips"
# Where `training.dataset` puts the clips of Debian's source package libopenshot.
FETCHED = _ROOT / "data" / "clips"
FRAMES = 24


@dataclass(frozen=True, slots=True)
class Piece:
    """A moving piece of a clip.

    Attributes:
        name: what the tables call it.
        file: name of the clip's file.
        first: number of the piece's first frame.
    """

    name: str
    file: str
    first: int


# Chosen for their motion before anything was measured on them: walkers, cars, a hand-held view, fights, dust.
PIECES = (
    Piece("bikes", "bikes.mp4", 186),
    Piece("cars", "bikes.mp4", 36),
    Piece("chaplin", "chaplin.mp4", 100),
    Piece("sintel", "sintel_with_14_chapters.mp4", 590),
    Piece("run", "run.mp4", 60),
    Piece("motorway", "test_video.mp4", 600),
    Piece("city", "test.avi", 190),
)


def read_piece(piece: Piece, multiple: int = 4, folders: tuple[Path, ...] = (SHARED, FETCHED)) -> Field | None:
    """Luma of a piece; None where its file is in none of the folders.

    Returns:
        (24, rows, columns) float32 in [0, 1], rows and columns multiples of `multiple`.
    """
    found = [folder / piece.file for folder in folders if (folder / piece.file).exists()]
    if not found:
        return None
    with av.open(str(found[0])) as container:
        frames = islice(container.decode(video=0), piece.first, piece.first + FRAMES)
        luma = [frame.to_ndarray(format="yuv420p")[: frame.height] for frame in frames]
    rows, columns = (side // multiple * multiple for side in luma[0].shape)
    return np.stack([frame[:rows, :columns] for frame in luma]).astype(np.float32) / np.float32(255)


def film(grain: float, blur: float, quality: int) -> Damage:
    """Damage like a film's: blur, grain, then JPEG of this quality."""
    return Damage(Kind.FILM, lens=blur, grain=grain, grain_size=0.5, codec="jpeg", quality=quality)


# Blur 1.2, grain of 8 levels, JPEG 80: the damage that issue and cards speak of.
FILM = film(8, 1.2, 80)
# Grain of 8 levels and JPEG 80 alone, to see what alignment does for it.
GRAINY = film(8, 0, 80)
AREA = Damage(Kind.CLEAN_AREA)
BICUBIC = Damage(Kind.CLEAN_BICUBIC, shrinking="bicubic")
TREATMENTS = {
    "film": FILM,
    "area": AREA,
    "bicubic": BICUBIC,
    "light": film(4, 0.8, 90),
    "heavy": film(14, 1.6, 60),
    "codec": Damage(Kind.CODEC, codec="libx264", quality=26),
}
"""Film of three strengths, undamaged film made smaller by two kernels, and H.264 of crf 26 alone."""


def treat(clip: Field, damage: Damage, seed: int, scale: int) -> Codes:
    """What is left of a clip, `scale` times smaller; (n, rows, columns) uint8."""
    return apply(clip, damage, np.random.default_rng(seed), scale)


@dataclass(frozen=True, slots=True)
class Dirtied:
    """A film with and without known dust and scratches, everything else being equal.

    Attributes:
        clean: (n, rows, columns) uint8.
        dusty: (n, rows, columns) uint8, with artefacts of one frame.
        scratched: (n, rows, columns) uint8, with two scratches over all frames.
        dust: (n, rows, columns) float32, opacity of the dust.
        scratches: (n, rows, columns) float32, absolute levels of 255 that the scratches added.
    """

    clean: Codes
    dusty: Codes
    scratched: Codes
    dust: Field
    scratches: Field


def dirtied(clip: Field, seed: int, scale: int) -> Dirtied:
    """Grain of 4 levels, dust or scratches, JPEG 90; `scale` times smaller than the clip."""
    rng = np.random.default_rng(seed)
    base = apply(clip, Damage(Kind.FILM, lens=0.6, grain=4), rng, scale).astype(np.float32) / np.float32(255)
    dusty, scratched = base.copy(), base.copy()
    share = base[0].size / 160**2
    dust = np.stack([artefacts.dust(frame, rng, int(rng.poisson(2 * share))) for frame in dusty])
    lines = sum((np.abs(artefacts.scratch(scratched, rng)) for _ in range(2)), np.zeros_like(base))
    coded = [compress(to_codes(film_), "jpeg", 90) for film_ in (base, dusty, scratched)]
    return Dirtied(coded[0], coded[1], coded[2], dust, np.asarray(lines * 255, np.float32))
