"""What the temporal filter costs: `python -m tests.bench.bench_temporal_filter`.

A batch of an aged film is restored with it and without it, in turn. Printed are the CPU time of a frame without it, and
the ratio of both. With it a batch has three halo frames on either side in place of two. One of each is restored too.
"""

from __future__ import annotations

import time
from itertools import islice
from statistics import median

import numpy as np

from reelwright.aging.ager import Ager
from reelwright.aging.presets import PRESETS
from reelwright.decoder.segmenter import BATCH_MAX_FRAMES
from reelwright.media.picture import Picture
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.frame_windows import FrameWindows
from reelwright.restoration.models import resolve_model
from reelwright.restoration.restore import Restorer
from reelwright.titles.recipe import Recipe
from tests.support.films import whole_film

_PAIRS, _HALO, _FIRST = 3, 3, 40


def main() -> None:
    """Prints a line per network."""
    pictures = _aged()
    print(f"{pictures[0].width}x{pictures[0].height}, a batch of {BATCH_MAX_FRAMES} frames, one thread")
    for name in ("reel-s", "reel-m"):
        model = resolve_model(name)
        engine = create_engine("openvino", model, threads=1, streams=1)
        for scale in model.scales:
            restorers = [
                Restorer(engine, scale, Recipe().grain.keep, detail=model.detail, filtered=filtered)
                for filtered in (False, True)
            ]
            _seconds(restorers[1], pictures, filtered=True)
            pairs = [
                [
                    _seconds(restorer, pictures, filtered=filtered)
                    for filtered, restorer in zip((False, True), restorers, strict=True)
                ]
                for _ in range(_PAIRS)
            ]
            ratio, without = median(after / before for before, after in pairs), min(before for before, _ in pairs)
            print(f"{name} x{scale}: {1000 * without:.0f} ms a frame without, {ratio:.2f} times that with it")


def _aged() -> list[Picture]:
    frames = islice(FrameReader(probe(str(whole_film("chaplin"))), Recipe()), _FIRST, None)
    pictures = []
    for number, frame in enumerate(islice(frames, BATCH_MAX_FRAMES + 2 * _HALO)):
        luma = np.asarray(frame.picture.planes[0], np.uint8)
        rows, columns = luma.shape
        (aged,) = Ager(PRESETS["print-1940"], 3, columns, rows).age(number, (luma,))
        pictures.append(Picture("gray", columns, rows, (aged,)))
    return pictures


def _seconds(restorer: Restorer, pictures: list[Picture], *, filtered: bool) -> float:
    """CPU time of a frame of a batch."""
    left_out = 0 if filtered else 1
    sent = pictures[left_out : len(pictures) - left_out]
    windows = FrameWindows(sent, _HALO - left_out, [False] * BATCH_MAX_FRAMES, near=filtered)
    started = time.process_time()
    for number in range(BATCH_MAX_FRAMES):
        restorer.restore(pictures[_HALO + number], "yuv420p", window=windows.window(number))
    return (time.process_time() - started) / BATCH_MAX_FRAMES


if __name__ == "__main__":
    main()
