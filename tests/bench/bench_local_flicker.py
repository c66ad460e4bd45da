"""Figures of flicker of parts in real clips: `python -m tests.bench.bench_local_flicker`.

120 frames of a clip get slopes and a bump of light, new in each frame, while the mean luma of each frame stays. Printed
are what `recommend` and the certificate measure, and the known change from frame to frame in the certificate's cells.
"""

from __future__ import annotations

import dataclasses
import math
from itertools import islice, pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.decoder.local_flicker import flicker_of
from reelwright.decoder.look_ahead import look_ahead
from reelwright.media.cell_light import LocalFlickerSums
from reelwright.media.frame_fidelity import CELL_COLUMNS, CELL_ROWS
from reelwright.media.frame_record import DecodedFrame
from reelwright.media.local_light import local_change
from reelwright.media.picture import Picture
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.media.registration import small_luma
from reelwright.restoration.deflicker import even_light
from reelwright.titles.recipe import Recipe
from tests.support.films import whole_film

Numbers = NDArray[np.float64]
FRAMES, BLACK = 120, 16
RECIPE = Recipe(deflicker="on")


def main() -> None:
    """Prints a line per shot."""
    print("Flicker of parts, % of the light: look-ahead's; certificate's and known, before and after deflicker")
    for name in ("chaplin", "bikes"):
        source = list(islice(FrameReader(probe(str(whole_film(name))), RECIPE), FRAMES))
        for flicker, weave in ((0.0, 0.0), (0.0, 0.5), (0.01, 0.0), (0.03, 0.0)):
            rng = np.random.default_rng(3)
            made = [_made(frame, rng, flicker, weave) for frame in source]
            even = list(look_ahead(made, RECIPE, 3 * made[0].picture.planes[0].size // 2, full_range=False))
            starts = [index for index, frame in enumerate(source) if frame.record.shot_start or not index]
            for first, last in pairwise([*starts, FRAMES]):
                steady = _cells([frame.picture for frame in source[first:last]])
                before = _cells([frame.picture for frame in made[first:last]])
                after = _cells([_evened(frame) for frame in even[first:last]])
                known = "" if weave else f", known {_known(before, steady):.2f} and {_known(after, steady):.2f}"
                print(
                    f"{name:8} {last - first:4} frames, flicker {100 * flicker:.0f} %, weave {weave:.1f}: "
                    f"{_measured(made[first:last]):.2f}; {_figure(before):.2f} and {_figure(after):.2f}{known}"
                )


def _made(frame: DecodedFrame, rng: np.random.Generator, flicker: float, weave: float) -> DecodedFrame:
    luma = frame.picture.planes[0] - float(BLACK)
    y, x = np.meshgrid(*(np.linspace(-1, 1, count) for count in luma.shape), indexing="ij")
    bump = np.exp(-((x - 0.5) ** 2) / 0.5 - (y + 0.3) ** 2 / 0.8)
    fields = np.stack([1.2 * x, 0.8 * y, 1.5 * (bump - bump.mean())])
    fields *= flicker / np.sqrt(np.square(fields).mean(axis=(1, 2)).sum())
    lit = luma * (1 + np.tensordot(rng.standard_normal(3), fields, 1))
    lit = BLACK + lit * (luma.mean() / lit.mean())
    right, down = rng.normal(0, weave, 2) if weave else (0.0, 0.0)
    if weave:
        turn, size = np.array([[1, 0, right], [0, 1, down]]), luma.shape[::-1]
        lit = np.asarray(cv2.warpAffine(lit, turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))
    codes = np.clip(np.rint(lit), 0, 255).astype(np.uint8)
    picture = dataclasses.replace(frame.picture, planes=(codes, *frame.picture.planes[1:]))
    return dataclasses.replace(frame, picture=picture)


def _evened(frame: DecodedFrame) -> Picture:
    assert frame.record.correction is not None
    return even_light(frame.picture, frame.record.correction, full_range=False)


def _cells(pictures: list[Picture]) -> Numbers:
    """Light of each picture's cells above black, in 8-bit levels."""
    means = []
    for picture in pictures:
        rows, columns = picture.planes[0].shape
        whole = picture.planes[0][: rows // CELL_ROWS * CELL_ROWS, : columns // CELL_COLUMNS * CELL_COLUMNS]
        cells = whole.reshape(CELL_ROWS, rows // CELL_ROWS, CELL_COLUMNS, columns // CELL_COLUMNS).mean(axis=(1, 3))
        means.append(cells.ravel() / (1 << (picture.format.depth - 8)) - BLACK)
    return np.array(means)


def _figure(cells: Numbers) -> float:
    sums = LocalFlickerSums()
    for light in cells:
        sums.add(light.tolist())
    return sums.per_cent() or 0.0


def _known(cells: Numbers, steady: Numbers) -> float:
    """Change from frame to frame, divided by sqrt(2), of the light against the steady one and the frame's mean."""
    light = np.log(np.maximum(cells, 8) / np.maximum(steady, 8))
    changes = np.diff(light - light.mean(axis=1, keepdims=True), axis=0)
    return 100 * float(np.sqrt(np.square(changes).mean() / 2))


def _measured(frames: list[DecodedFrame]) -> float:
    small = [small_luma(frame.picture) for frame in frames]
    changes = [change for pair in pairwise(small) if (change := local_change(*pair, black=BLACK)) is not None]
    found = flicker_of(changes)
    return math.nan if found is None else 100 * found


if __name__ == "__main__":
    main()
