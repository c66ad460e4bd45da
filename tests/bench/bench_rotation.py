"""Measures what `stabilise_rotation` costs beside `stabilise`: `python -m tests.bench.bench_rotation`.

CPU time of one thread for a frame of 480x360, x2, the median of rounds in which the cases alternate.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import cv2
import numpy as np

from reelwright.media.frame_correction import UNMOVED, Move
from reelwright.media.picture import Picture
from reelwright.media.scene_tracker import SceneTracker
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.frame_windows import FrameWindows
from reelwright.restoration.models import resolve_model
from reelwright.restoration.restore import Restorer
from reelwright.restoration.window_network import FRAMES, MIDDLE
from tests.support.windows import codes, grainy, panned

_ROWS, _COLUMNS, _ROUNDS = 360, 480, 25


def main() -> None:
    """Prints the figures."""
    cv2.setNumThreads(1)
    chroma = (np.full((_ROWS // 2, _COLUMNS // 2), 128, np.uint8),) * 2
    frames = codes(grainy(panned((3, 1), _ROWS, _COLUMNS), 6))
    pictures = [Picture("yuv420p", _COLUMNS, _ROWS, (frame, *chroma)) for frame in frames]
    restorer = Restorer(create_engine("openvino", resolve_model("reel-s")), 2, 0.4)
    windows = FrameWindows(pictures, 0, [True] + [False] * (FRAMES - 1))

    def restore(moved: Move) -> object:
        return restorer.restore(pictures[MIDDLE], "yuv420p", window=windows.window(MIDDLE), moved=moved)

    def follow(*, rotation: bool) -> object:
        tracker = SceneTracker(rotation=rotation)
        return [tracker.place(picture, shot_start=index == 0) for index, picture in enumerate(pictures)]

    still, shifted, turned, places, turns = _times(
        [
            lambda: restore(UNMOVED),
            lambda: restore(Move(0.3, 0.2)),
            lambda: restore(Move(0.3, 0.2, 0.1)),
            lambda: follow(rotation=False),
            lambda: follow(rotation=True),
        ]
    )
    # The first frame of a shot is compared with none.
    measured = (turns - places) / (FRAMES - 1)
    print(f"a frame without moves {still:.1f} ms, shifted {shifted:.1f}, also turned {turned:.1f}")
    print(f"rotation: {measured:.1f} ms to measure, {turned - shifted:.1f} to turn: ", end="")
    print(f"{(measured + turned - shifted) / still:.1%} of a frame")


def _times(works: list[Callable[[], object]]) -> list[float]:
    """Milliseconds of CPU time of each."""
    found: list[list[float]] = [[] for _ in works]
    for _ in range(_ROUNDS):
        for work, times in zip(works, found, strict=True):
            started = time.process_time()
            work()
            times.append((time.process_time() - started) * 1000)
    return [median(times) for times in found]


if __name__ == "__main__":
    main()
