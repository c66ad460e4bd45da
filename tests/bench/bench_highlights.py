"""Detail that is put back where a flare blew a shot out: `python -m tests.bench.bench_highlights [FOLDER]`.

The shots of `bench_tone` are damaged by a flare that crosses them, and opened with `tone.glare` 1, with and without the
detail of the frames around. Beside them are shots where nothing must be put back. With a folder, a frame of each shot
that a flare crosses is written there as PNG: damaged, without, with, truth.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from reelwright.decoder.tone_curves import with_tone
from reelwright.media.picture import Picture
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.frame_windows import FrameWindow, FrameWindows
from reelwright.restoration.highlights import recovered_detail
from reelwright.restoration.models import resolve_model
from reelwright.restoration.restore import Restorer
from reelwright.titles.recipe import Recipe, Tone
from tests.bench.bench_tone import shots
from tests.support.aged_scenes import decoded
from tests.support.veiled_scenes import (
    Codes,
    Numbers,
    before_sky,
    compare,
    flared,
    opened,
    pulsing,
    toned_luma,
    with_ball,
)

FLARES: dict[str, Callable[[Codes], Codes]] = {
    "flare": flared,
    "bright, narrow flare": lambda truth: flared(truth, peak=4, reach=0.07),
    "fast flare": lambda truth: flared(truth, speed=0.055),
}
LEFT: dict[str, Callable[[Codes], Codes]] = {
    "the shot itself": lambda truth: truth,
    "every third frame exposed longer": pulsing,
    "white ball": with_ball,
    "white ball, out of focus": lambda truth: with_ball(truth, blur=0.012),
    "dark thing before a white sky": before_sky,
}
# What is blown out in the damaged shot and not in the truth, in codes, and what is finer than this is detail.
_BLOWN, _KEPT, _DETAIL = 231, 225, 4.0
_ROUNDS = 8


class _Found(NamedTuple):
    """Errors before and after, in codes, and what share of the blown samples was changed."""

    blown: float
    changed: float
    error: tuple[float, float]
    detail: tuple[float, float]
    flicker: tuple[float, float]


def main() -> None:
    """Prints the tables."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    film = list(shots())
    print("| damage | shot | blown out | put back | error there | of detail | flicker |\n|---|---|---|---|---|---|---|")
    for case, damage in FLARES.items():
        for name, truth in film:
            damaged = damage(truth)
            before, after = without(damaged), opened(damaged, glare=1)
            found = _compared(truth, damaged, before, after)
            print(f"| {case} | {name} | {_row(found)}", flush=True)
            if folder:
                folder.mkdir(parents=True, exist_ok=True)
                place = int(np.abs(after.astype(int) - before).sum(axis=(1, 2)).argmax())
                parts = [each[place] for each in (damaged, before, after, truth)]
                cv2.imwrite(str(folder / f"{case} {name}.png"), np.vstack(parts))
    for case, damage in LEFT.items():
        others = [
            np.count_nonzero(without(damaged) != opened(damaged, glare=1))
            for damaged in map(damage, dict(film).values())
        ]
        print(f"{case}: {sum(others)} samples changed in {np.count_nonzero(others)} of {len(others)} shots", flush=True)
    _print_cost(dict(film))


def without(frames: Codes) -> Codes:
    """A shot with its tone, without the detail of other frames."""
    stream = with_tone(decoded(frames), Recipe(tone=Tone(glare=1)), frames[0].size, full_range=False)
    return np.stack([toned_luma(frame) for frame in stream])


def _compared(truth: Codes, damaged: Codes, before: Codes, after: Codes) -> _Found:
    region = (damaged >= _BLOWN) & (truth < _KEPT)

    def errors(found: Codes) -> tuple[float, float]:
        # Players show what is whiter than white as white.
        left = np.clip(found, 16, 235).astype(np.float64) - truth
        fine = np.stack([each - cv2.GaussianBlur(each, (0, 0), _DETAIL) for each in left])
        return _root_mean_square(left[region]), _root_mean_square(fine[region])

    (error, detail), (error_after, detail_after) = errors(before), errors(after)
    flicker = compare(truth, damaged, before).flicker_after, compare(truth, damaged, after).flicker_after
    changed = float((before != after)[region].mean())
    return _Found(float(region.mean()), changed, (error, error_after), (detail, detail_after), flicker)


def _root_mean_square(values: Numbers) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else 0.0


def _row(found: _Found) -> str:
    change = found.detail[1] / found.detail[0] - 1 if found.detail[0] else 0.0
    return (
        f"{found.blown:.1%} | {found.changed:.0%} | {found.error[0]:.2f} to {found.error[1]:.2f} "
        f"| {found.detail[0]:.2f} to {found.detail[1]:.2f}, {change:+.1%} "
        f"| {found.flicker[0]:.4f} to {found.flicker[1]:.4f} |"
    )


def _print_cost(film: dict[str, Codes]) -> None:
    """CPU time per frame of 720x576: of the network, and of looking for detail in four kinds of shots, in turn."""
    truth = np.stack([cv2.resize(frame, (720, 576)) for frame in film["bikes 3" if "bikes 3" in film else min(film)]])
    kinds = {
        "nothing blown": truth // 2 + 8,
        "the shot itself": truth,
        "sky": before_sky(truth),
        "flare": flared(truth),
    }
    restorer = Restorer(create_engine("auto", resolve_model("reel-s"), threads=1), 2, 0.4)
    spent: dict[str, list[float]] = {kind: [] for kind in ("reel-s", *kinds)}
    for index in range(3, 3 + _ROUNDS):
        for kind, frames in kinds.items():
            window, picture = _window(frames, index)
            spent[kind].append(_time(lambda: recovered_detail(window.codes, window.motion.small, 235.0)))  # noqa: B023
            if kind == "flare":
                spent["reel-s"].append(_time(lambda: restorer.restore(picture, "gray", window=window)))  # noqa: B023
    network = float(np.median(spent.pop("reel-s")))
    for kind, seconds in spent.items():
        print(f"{kind}: {1000 * np.median(seconds):.1f} ms, {np.median(seconds) / network:.1%} of reel-s", flush=True)


def _window(frames: Codes, index: int) -> tuple[FrameWindow, Picture]:
    pictures = [Picture("gray", 720, 576, (np.ascontiguousarray(each),)) for each in frames[index - 2 : index + 3]]
    return FrameWindows(pictures, 2, [True]).window(0), pictures[2]


def _time(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
