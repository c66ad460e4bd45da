"""Bloom and crushed shadows of known film, opened again: `python -m tests.bench.bench_tone [FOLDER | held-out]`.

Shots of the demo's clips, or of `shared/clips` where that exists, are damaged and opened. With a folder, a frame of
each is written there as PNG: damaged, opened, truth. At the end the time of the steps beside that of the network.

With `held-out` it does so with other passages: both ends of the long shots, and the clips that `python -m
training.dataset` downloads. Of the slopes only the choice not to fix that of highlights looked at them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from reelwright.decoder.tone_curves import with_tone
from reelwright.media.frame_correction import FrameTone
from reelwright.media.picture import Picture
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.media.tone_measurement import level_range
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.frame_windows import FrameWindows
from reelwright.restoration.models import resolve_model
from reelwright.restoration.restore import Restorer
from reelwright.restoration.tone import tone_map
from reelwright.titles.recipe import Recipe, Tone
from tests.support.aged_scenes import decoded
from tests.support.films import REAL, whole_film
from tests.support.veiled_scenes import Codes, Result, bloomed, compare, crushed, opened
from training.dataset import DATA

_FRAMES, _LEAST, _LONG = 16, 20, 60
_BETWEEN = 300
_ROUNDS = 5
Damage = Callable[[Codes], Codes]
CASES: dict[str, tuple[Damage, dict[str, float]]] = {
    "bloom 25 %": (lambda truth: bloomed(truth, 0.25), {"glare": 0.5}),
    "bloom 50 %": (lambda truth: bloomed(truth, 0.5), {"glare": 1.0}),
    "bloom 50 %, narrow": (lambda truth: bloomed(truth, 0.5, reach=0.03), {"glare": 1.0}),
    "bloom 50 %, wide": (lambda truth: bloomed(truth, 0.5, reach=0.1), {"glare": 1.0}),
    "shadows to the power of 1.3": (lambda truth: crushed(truth, 1.3), {"shadows": 1.0}),
    "shadows to the power of 1.6": (lambda truth: crushed(truth, 1.6), {"shadows": 1.0}),
    "shadows to the power of 2": (lambda truth: crushed(truth, 2.0), {"shadows": 1.0}),
    "shadows to the power of 2.5": (lambda truth: crushed(truth, 2.5), {"shadows": 1.0}),
    "both": (lambda truth: crushed(bloomed(truth, 0.5), 1.6), {"glare": 1.0, "shadows": 1.0}),
}


def main() -> None:
    """Prints the tables."""
    is_held_out = sys.argv[1:] == ["held-out"]
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 and not is_held_out else None
    found: dict[str, list[Result]] = {name: [] for name in CASES}
    for name, truth in held_out() if is_held_out else shots():
        for case, (damage, strength) in CASES.items():
            damaged = damage(truth)
            result = opened(damaged, **strength)
            compared = compare(truth, damaged, result)
            print(f"{name:22}{case:29}{compared}")
            if not compared.region:
                continue
            found[case].append(compared)
            if folder:
                folder.mkdir(parents=True, exist_ok=True)
                parts = np.vstack([damaged[_FRAMES // 2], result[_FRAMES // 2], truth[_FRAMES // 2]])
                cv2.imwrite(str(folder / f"{name} {case}.png"), parts)
    print(
        "\n| damage | region | error there | change | better by 30 % | worst shot | elsewhere | mid-tones | flicker |"
    )
    for case, results in found.items():
        print(_row(case, results))
    if not is_held_out:
        _print_cost()


def shots() -> Iterator[tuple[str, Codes]]:
    """The middle of each shot of at least 20 frames, without its bars: name and luma."""
    for film in sorted({whole_film(name) for name in REAL}):
        for name, shot in _shots_of(film):
            yield name, _passage(shot, (len(shot) - _FRAMES) // 2)


def held_out() -> Iterator[tuple[str, Codes]]:
    """Both ends of each of these shots that is long, and passages of other clips, 300 frames apart."""
    for film in sorted({whole_film(name) for name in REAL}):
        for name, shot in _shots_of(film):
            if len(shot) >= _LONG:
                yield f"{name} first", _passage(shot, 0)
                yield f"{name} last", _passage(shot, len(shot) - _FRAMES)
    for film in sorted((DATA / "clips").glob("*")):
        for name, shot in _shots_of(film):
            for first in range(0, len(shot) - _FRAMES, _BETWEEN):
                yield f"{name} from {first}", _passage(shot, first)


def _shots_of(film: Path) -> Iterator[tuple[str, list[Codes]]]:
    """Shots that are long enough and no empty picture: name, and the luma of each frame without bars."""
    held: list[Codes] = []
    number = 0
    for frame in (*FrameReader(probe(str(film)), Recipe()), None):
        if held and (frame is None or frame.record.shot_start):
            if len(held) >= _LEAST and np.std(held[len(held) // 2]) > 12:
                yield f"{film.stem[:10]} {number}", held
            held, number = [], number + 1
        if frame is not None:
            held.append(np.asarray(frame.picture.planes[0], np.uint8))


def _passage(shot: list[Codes], first: int) -> Codes:
    return np.stack(shot[first : first + _FRAMES])


def _row(case: str, results: list[Result]) -> str:
    """Errors are root mean squares over all shots, flicker means; the mid-tones of the worst shot."""

    def pooled(name: str, weight: str | None) -> float:
        weights = [getattr(each, weight) if weight else 1 - each.region for each in results]
        squares = [getattr(each, name) ** 2 for each in results]
        return float(np.sqrt(np.average(squares, weights=weights)))

    before, after = pooled("before", "region"), pooled("after", "region")
    changes = sorted(each.after / each.before - 1 for each in results)
    good = sum(change <= -0.3 for change in changes)
    elsewhere = f"{pooled('elsewhere_before', None):.1f} to {pooled('elsewhere_after', None):.1f}"
    flicker = [np.mean([getattr(each, name) for each in results]) for name in ("flicker_before", "flicker_after")]
    midtones = max((each.midtones for each in results), key=abs)
    return (
        f"| {case} | {np.mean([each.region for each in results]):.0%} | {before:.1f} to {after:.1f} "
        f"| {after / before - 1:+.0%} | {good} of {len(results)} | {changes[-1]:+.0%} | {elsewhere} "
        f"| {midtones:+.1f} % | {flicker[0]:.2f} to {flicker[1]:.2f} |"
    )


def _print_cost() -> None:
    """CPU time per frame of the network and of the tone, in turn, and of the look-ahead."""
    rng = np.random.default_rng(0)
    blurred = np.asarray(cv2.GaussianBlur(rng.integers(0, 256, (576, 720), np.uint8), (0, 0), 3), np.uint8)
    frames = np.stack([blurred] * 5)
    pictures = [Picture("gray", 720, 576, (frame,)) for frame in frames]
    window = FrameWindows(pictures, 2, [True]).window(0)
    restorer = Restorer(create_engine("auto", resolve_model("reel-s"), threads=1), 2, 0.4)
    tone = FrameTone(white=0.9, shadows=1.0, highlights=1.0, veil=0.3, detail=2.0)
    luma, limits = frames[2].astype(np.float32) / np.float32(255), level_range(8, full_range=False)
    large = np.asarray(cv2.resize(luma, None, fx=2, fy=2), np.float32)
    spent: dict[str, list[float]] = {"reel-s": [], "tone": []}
    for _ in range(_ROUNDS):
        started = time.process_time()
        restorer.restore(pictures[2], "gray", window=window)
        restored = time.process_time()
        tone_map(luma, tone, limits).apply(large.copy())
        spent["reel-s"].append(restored - started)
        spent["tone"].append(time.process_time() - restored)
    plain, toned = (float(np.median(seconds)) for seconds in spent.values())
    started = time.process_time()
    for _ in with_tone(decoded(frames), Recipe(tone=Tone(glare=1)), frames[0].size, full_range=False):
        pass
    ahead = (time.process_time() - started) / len(frames)
    print(
        f"\n720x576: reel-s {plain * 1000:.0f} ms, tone {toned * 1000:.1f} ms, look-ahead {ahead * 1000:.1f} ms", end=""
    )
    print(f": {(toned + ahead) / plain:.1%} of the network's CPU time")


if __name__ == "__main__":
    main()
