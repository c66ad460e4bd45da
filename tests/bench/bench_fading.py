"""How far dark and bright ends of shots are off before and after, where shots of real film have faded on purpose.

    python -m tests.bench.bench_fading

Two views alternate in pieces of 20 frames, as cutting does. The pieces of a view are cut from one shot, so that they
differ by what moved, or are the same 20 frames with other grain. Each piece but the first of its view has faded with a
probability of one half: levels are multiplied by 0.6 to 0.9, and black is lifted by 2 to 12 % of white.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from reelwright.media.fading import contrast_points
from reelwright.media.frame_correction import ContrastPoints
from reelwright.media.frame_record import DecodedFrame
from reelwright.media.picture import Picture
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.titles.recipe import Recipe
from tests.support.faded_films import faded, film_of, mended, with_curves
from tests.support.films import REAL, whole_film

_PIECE = 20
_ROUNDS = 4
# Standard deviation, in levels.
_GRAIN = 4.0

Piece = Sequence[Picture]


def shots_of(source: Path) -> list[list[Picture]]:
    """The pictures of a film, shot by shot."""
    shots: list[list[Picture]] = []
    for frame in FrameReader(probe(str(source)), Recipe()):
        if frame.record.shot_start:
            shots.append([])
        shots[-1].append(frame.picture)
    return shots


def alternating(shots: Sequence[Sequence[Picture]]) -> list[list[Piece]]:
    """Films in which the pieces of one shot alternate with those of the next; each as its pieces."""
    pieces = [
        [shot[at : at + _PIECE] for at in range(0, min(len(shot), 10 * _PIECE) - _PIECE + 1, _PIECE)] for shot in shots
    ]
    whole = [each for each in pieces if len(each) > 1] or [[]]
    pairs = zip(whole, whole[1:] + whole[:1], strict=True)
    return [[piece for pair in zip(one, other, strict=False) for piece in pair] for one, other in pairs]


def repeating(shots: Sequence[Sequence[Picture]], rng: np.random.Generator) -> list[list[Piece]]:
    """The same films with one piece of each shot, which comes five times with grain of its own."""
    views = [shot[:_PIECE] for shot in shots if len(shot) >= _PIECE]
    again = [[_grainy(each, rng) for each in view] for view in views for _ in range(5)]
    pieces = [again[5 * at : 5 * at + 5] for at in range(len(views))]
    pairs = zip(pieces, pieces[1:] + pieces[:1], strict=True)
    return [[piece for pair in zip(one, other, strict=True) for piece in pair] for one, other in pairs]


def _grainy(picture: Picture, rng: np.random.Generator) -> Picture:
    luma, *chroma = picture.planes
    grain = rng.normal(0, _GRAIN, luma.shape)
    noisy = np.clip(np.rint(luma + grain), 0, 255).astype(np.uint8)
    return Picture(picture.pix_fmt, picture.width, picture.height, (noisy, *chroma))


def ends_of(pieces: Sequence[Piece]) -> list[list[ContrastPoints]]:
    """Dark and bright end of every frame of each piece."""
    return [[contrast_points(picture, full_range=False) for picture in piece] for piece in pieces]


def error(found: Sequence[ContrastPoints], truth: Sequence[ContrastPoints]) -> tuple[float, float]:
    """Mean error of the dark and of the bright end, in per cent of the way from black to white."""
    pairs = list(zip(found, truth, strict=True))
    black = statistics.fmean(abs(a.black - b.black) for a, b in pairs)
    white = statistics.fmean(abs(a.white - b.white) for a, b in pairs)
    return 100 * black, 100 * white


def measure(name: str, films: Sequence[list[Piece]], rng: np.random.Generator) -> str:
    """A row of the table."""
    before: list[tuple[float, float]] = []
    after: list[tuple[float, float]] = []
    sound: list[tuple[float, float]] = []
    count = brought = 0
    for pieces in films:
        marks = [at >= 2 and rng.random() < 0.5 for at in range(len(pieces))]
        shown = [
            [faded(each, gain, lift) for each in piece] if mark else piece
            for piece, mark in zip(pieces, marks, strict=True)
            for gain, lift in [(rng.uniform(0.6, 0.9), rng.uniform(0.02, 0.12))]
        ]
        frames = mended(film_of(shown))
        starts = [at for at, frame in enumerate(frames) if frame.record.shot_start] + [len(frames)]
        results = [[frame.picture for frame in frames[a:b]] for a, b in pairwise(starts)]
        rows = zip(ends_of(pieces), ends_of(shown), ends_of(results), marks, starts, strict=False)
        for truth, aged, result, mark, start in rows:
            if mark:
                count += 1
                fading = frames[start].record.fading
                brought += fading is not None and fading.gain != 1
                before.append(error(aged, truth))
                after.append(error(result, truth))
            else:
                sound.append(error(result, truth))
    columns = [tuple(statistics.fmean(column) for column in zip(*rows, strict=True)) for rows in (before, after, sound)]
    cells = " | ".join(f"{black:.1f} | {white:.1f}" for black, white in columns)
    return f"| {name} | {brought} of {count} | {cells} |"


def main() -> None:
    """Prints the table, and what the step changes in the films as they are."""
    rng = np.random.default_rng(13)
    for name in REAL:
        shots = shots_of(whole_film(name))
        frames = film_of(shots)
        started = time.process_time()
        found = with_curves(frames)
        spent = 1000 * (time.process_time() - started) / len(frames)
        print(f"{name} as it is: {len(changed(found))} of {len(shots)} shots changed, {spent:.2f} ms per frame")
        for what, films in (("moves on", alternating(shots)), ("comes again", repeating(shots, rng))):
            sound = [gain for pieces in films for gain in changed(with_curves(film_of(pieces)))]
            count = sum(map(len, films))
            print(f"not faded: {len(sound)} of {count} pieces changed, contrast by {max(sound, default=1):.2f} at most")
            print(measure(f"{name}, {what}", films * _ROUNDS, rng))


def changed(frames: Sequence[DecodedFrame]) -> list[float]:
    """The gain of each shot whose contrast was raised."""
    starts = [frame.record.fading for frame in frames if frame.record.shot_start]
    return [fading.gain for fading in starts if fading is not None and fading.gain != 1]


if __name__ == "__main__":
    main()
