"""Whether a local offset would help where parts flicker: `python -m tests.bench.bench_local_offset`.

Light of parts that flickers is made of a smooth gain, a smooth offset, or both, new in each frame. Beside the gain that
`deflicker` fits to the cells, an offset is fitted in its place, and both together; the paths are smoothed as there.
Printed is what is left from frame to frame in blocks of 8x8 samples, in levels, without the change of the whole.
"""

from __future__ import annotations

import dataclasses
from itertools import islice, pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.decoder.local_flicker import correction
from reelwright.media import local_light
from reelwright.media.light_field import TERMS, gains, terms
from reelwright.media.picture import Picture
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.media.registration import SmallLuma, register, small_luma
from reelwright.titles.recipe import Recipe
from tests.support.aged_scenes import shot
from tests.support.films import whole_film

Numbers = NDArray[np.float64]
MODELS = ("gain", "offset", "both")
# Frames of the look-ahead before and after a frame.
BEFORE, AFTER = 48, 24
# An offset takes the gain's place where its fit leaves less than this share of the gain's squares.
BETTER = 0.7
# Offsets are measured as shares of so many levels.
LEVELS = 100.0


@dataclasses.dataclass(frozen=True, slots=True)
class Fit:
    """Terms of gain and offset, (10,), in millionths, their variances, and mean of the robust squares that are left."""

    terms: NDArray[np.int64]
    variances: Numbers
    left: float


def main() -> None:
    """Prints a line per scene and kind of flicker."""
    pan = np.clip((np.arange(100) - 20) * 1.5, 0, 90)
    scenes = {
        "still": (shot(100).frames.astype(np.float64), 0, 5.0),
        "pan": (shot(100, pan=pan).frames.astype(np.float64), 0, 5.0),
        "chaplin": (_clip("chaplin", 20, 80), 16, 0.0),
        "bikes": (_clip("bikes", 30, 46), 16, 0.0),
    }
    print("Left of flicker of parts, levels: made, gain fitted, both fitted, the better of gain and offset")
    for name, (frames, black, grain) in scenes.items():
        for gain, offset in ((0.03, 0.0), (0.0, 2.5), (0.02, 2.0), (0.0, 0.0)):
            made, steady = _made(frames, black, grain, gain, offset)
            fits = _fits(made, black)
            always = {model: [model] * len(made) for model in MODELS}
            either = [_better(fits[max(0, at - BEFORE) : at + AFTER]) for at in range(len(made))]
            evened = [_evened(made, black, fits, each) for each in (always["gain"], always["both"], either)]
            left = " ".join(f"{_left(each, steady):.2f}" for each in (made, *evened))
            print(f"{name:8} gain {100 * gain:.0f} %, offset {offset:.1f}: {left}; offset in {either.count('offset')}")


def _clip(name: str, first: int, count: int) -> Numbers:
    frames = islice(FrameReader(probe(str(whole_film(name))), Recipe()), first, first + count)
    return np.stack([frame.picture.planes[0].astype(np.float64) for frame in frames])


def _made(frames: Numbers, black: int, grain: float, gain: float, offset: float) -> tuple[Numbers, Numbers]:
    """Frames with flicker and without it, in whole levels."""
    rng, shape = np.random.default_rng(2), frames.shape[1:]
    y, x = np.meshgrid(*(np.linspace(-1, 1, count) for count in shape), indexing="ij")
    bump = np.exp(-((x - 0.5) ** 2) / 0.5 - (y + 0.3) ** 2 / 0.8)
    fields = np.stack([1.2 * x, 0.8 * y, 1.5 * (bump - bump.mean())])
    fields /= np.sqrt(np.square(fields).mean(axis=(1, 2)).sum())
    made, steady = np.empty(frames.shape), np.empty(frames.shape)
    for index, frame in enumerate(frames):
        noise, (one, other) = grain * rng.standard_normal(shape), rng.standard_normal((2, 3))
        lit = (frame - black) * (1 + gain * np.tensordot(one, fields, 1)) + black
        steady[index] = np.clip(np.rint(frame + noise), 0, 255)
        made[index] = np.clip(np.rint(lit + offset * np.tensordot(other, fields, 1) + noise), 0, 255)
    return made, steady


def _fits(frames: Numbers, black: int) -> list[dict[str, Fit]]:
    rows, columns = frames.shape[1:]
    small = [small_luma(Picture("gray", columns, rows, (frame.astype(np.uint8),))) for frame in frames]
    return [_change(one, other, black) for one, other in pairwise(small)]


def _change(earlier: SmallLuma, later: SmallLuma, black: int) -> dict[str, Fit]:
    """What each model says of two frames; the cells are those of the look-ahead."""
    here, there, compared = local_light._found_again(earlier, later, register(earlier, later))
    ratios, variances = local_light._ratios(here, there, compared, black)
    counted = (variances > 0).ravel()
    light = np.maximum(local_light._sums(here) * ratios.size / here.size - black, 8).ravel()
    gain = local_light._CELL_TERMS.T / local_light._TERM_UNIT
    offset = gain * (LEVELS / light)[:, None]
    nothing = np.zeros((TERMS,))
    found, scale = dict[str, Fit](), 0.0
    for model, matrix in zip(MODELS, (gain, np.c_[gain[:, :1], offset], np.c_[gain, offset]), strict=True):
        values, spread, distances = _robust(matrix[counted], ratios.ravel()[counted], 1 / variances.ravel()[counted])
        scale = scale or float(np.median(distances)) * 1.4826
        left = float(np.square(np.minimum(distances, 3 * scale + 1e-9)).sum()) / (len(distances) - matrix.shape[1])
        places = {"gain": range(1, 6), "offset": range(2, 7), "both": (*range(1, 6), *range(7, 12))}[model]
        parts = [each[list(places)] for each in (values, spread)]
        if model != "both":
            parts = [np.r_[each, nothing] if model == "gain" else np.r_[nothing, each] for each in parts]
        found[model] = Fit(np.rint(parts[0] * 1e6).astype(np.int64), parts[1] * 1e12, left)
    return found


def _robust(matrix: Numbers, values: Numbers, weights: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Least squares with Tukey's biweight: values, their variances, and the weighted distances."""
    robust = np.ones(len(values))
    for _ in range(8):
        squares = matrix.T @ (matrix * (weights * robust)[:, None])
        inverse = np.linalg.inv(squares + 1e-9 * squares[0, 0] * np.eye(len(squares)))
        found = inverse @ (matrix.T @ (weights * robust * values))
        distances = np.abs(values - matrix @ found) * np.sqrt(weights)
        used = robust
        robust = np.maximum(0, 1 - (distances / (4.7 * 1.4826 * np.median(distances) + 1e-9)) ** 2) ** 2
    square = float((used * distances**2).sum()) / max(float(used.sum()) - len(found), 1.0)
    return found, np.diag(inverse) * square, distances


def _better(fits: list[dict[str, Fit]]) -> str:
    left = {model: sum(each[model].left for each in fits) for model in MODELS}
    return "offset" if left["offset"] < BETTER * left["gain"] else "gain"


def _evened(frames: Numbers, black: int, fits: list[dict[str, Fit]], models: list[str]) -> Numbers:
    shape = frames.shape[1], frames.shape[2]
    fields, evened = np.array(terms(shape)), np.empty(frames.shape)
    for at, (frame, model) in enumerate(zip(frames, models, strict=True)):
        first = max(0, at - BEFORE)
        window = [each[model] for each in fits[first : at + AFTER]]
        paths, noise = np.stack([each.terms for each in window]), np.mean([each.variances for each in window], axis=0)
        found = [correction(paths[:, term], at - first, float(noise[term])) for term in range(2 * TERMS)]
        lit = (frame - black) * gains(found[:TERMS], shape) + black
        evened[at] = lit + LEVELS * np.tensordot(found[TERMS:], fields, 1)
    return evened


def _left(frames: Numbers, steady: Numbers) -> float:
    size = frames.shape[2] // 8, frames.shape[1] // 8
    blocks = [cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in frames - steady]
    changes: NDArray[Any] = np.diff(np.stack(blocks), axis=0)
    changes = changes - changes.mean(axis=(1, 2), keepdims=True)
    return float(np.sqrt(np.square(changes).mean() / 2))


if __name__ == "__main__":
    main()
