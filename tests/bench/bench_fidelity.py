"""What the certificate costs beside restoring a frame: `python -m tests.bench.bench_fidelity`.

Each round restores a frame with `reel-s` on one thread and measures it; the CPU times of a round are compared, so
that other work on the machine moves both. 480x360 of real film, at each scale.
"""

from __future__ import annotations

import time

import cv2
import numpy as np

from reelwright.media.picture import Picture
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.fidelity import Reference, measure_fidelity
from reelwright.restoration.frame_windows import FrameWindows
from reelwright.restoration.models import resolve_model
from reelwright.restoration.restore import Restorer
from reelwright.restoration.tint import tint_of
from reelwright.titles.recipe import Recipe
from tests.support.films import whole_film

_ROUNDS, _FIRST = 25, 100
_ROWS, _COLUMNS = 360, 480


def main() -> None:
    """Prints a line per scale."""
    pictures = film()
    window = FrameWindows(pictures, 2, [True]).window(0)
    luma = pictures[2].planes[0].astype(np.float32) / np.float32(255)
    reference = Reference(luma, luma, None, np.full(luma.shape, 128, np.uint8))
    for scale in (2, 3, 4):
        restorer = Restorer(create_engine("auto", resolve_model("reel-s"), threads=1), scale, 0.4)
        spent = []
        for _ in range(_ROUNDS):
            started = time.process_time()
            found = restorer.restore(pictures[2], "yuv420p", window=window).picture
            restored = time.process_time()
            enlarged = found.planes[0].astype(np.float32) / np.float32(255)
            measuring = time.process_time()
            measure_fidelity(reference, enlarged)
            tint_of(pictures[2], found, 1.0)
            spent.append((time.process_time() - measuring, restored - started))
        # The restoration measures as well.
        ratio = np.median([certificate / (whole - certificate) for certificate, whole in spent])
        certificate, whole = np.median(spent, axis=0)
        print(f"{_COLUMNS}x{_ROWS} x{scale}: reel-s {1000 * (whole - certificate):.1f} ms, ", end="")
        print(f"certificate {1000 * certificate:.2f} ms: {ratio:.1%}")


def film() -> list[Picture]:
    """Five frames of a real film in a row, cut to 480x360."""
    pictures: list[Picture] = []
    for index, frame in enumerate(FrameReader(probe(str(whole_film("chaplin"))), Recipe())):
        if index >= _FIRST:
            planes = [plane[: _ROWS >> (i > 0), : _COLUMNS >> (i > 0)] for i, plane in enumerate(frame.picture.planes)]
            whole = tuple(np.ascontiguousarray(plane, np.uint8) for plane in planes)
            pictures.append(Picture(frame.picture.pix_fmt, _COLUMNS, _ROWS, whole))
        if len(pictures) == 5:
            break
    return pictures


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main()
