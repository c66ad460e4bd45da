"""What offsets are worth where parts flicker: `python -m tests.bench.bench_local_offset`.

Light of parts that flickers is made of a smooth gain, a smooth offset, both, or a light leak at one side, new in each
frame. It is evened out by `deflicker`, and by the same step as if its fields were gains alone. Printed is what is left
from frame to frame in blocks of 8x8 samples, in levels, without the change of the whole; the same of aged film; and
what the step takes.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from itertools import islice, pairwise
from unittest import mock

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.aging import Ager, age_preset
from reelwright.decoder import local_flicker
from reelwright.decoder.look_ahead import look_ahead
from reelwright.media.frame_record import DecodedFrame, FrameRecord
from reelwright.media.picture import Picture
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.restoration.deflicker import even_light
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.frame_windows import FrameWindows
from reelwright.restoration.models import resolve_model
from reelwright.restoration.restore import Restorer
from reelwright.restoration.window_network import FRAMES, MIDDLE
from reelwright.titles.recipe import Recipe
from tests.support.aged_scenes import shot, uneven_fields
from tests.support.films import whole_film

Numbers = NDArray[np.float64]
# Frames that are timed, and how often.
TIMED, ROUNDS = 60, 4
# Frames of the aged film.
AGED = 230


@dataclass(frozen=True, slots=True)
class Flicker:
    """Standard deviations over the picture and the frames; all but the gains in levels."""

    gain: float = 0.0
    offset: float = 0.0
    leak: float = 0.0
    whole_gain: float = 0.0
    whole_offset: float = 0.0


KINDS = {
    "gain 3 %": Flicker(gain=0.03),
    "offset 2.5": Flicker(offset=2.5),
    "leak 2.5": Flicker(leak=2.5),
    "gain 2 %, offset 2": Flicker(gain=0.02, offset=2.0),
    "whole: gain 3 %": Flicker(whole_gain=0.03),
    "whole: offset 2.5": Flicker(whole_offset=2.5),
    "none": Flicker(),
}


def main() -> None:
    """Prints a line per scene and kind of flicker."""
    pan = np.clip((np.arange(100) - 20) * 1.5, 0, 90)
    scenes = {
        "still": (shot(100).frames.astype(np.float64), True, 5.0),
        "pan": (shot(100, pan=pan).frames.astype(np.float64), True, 5.0),
        "chaplin": (_clip("chaplin", 20, 80), False, 0.0),
        "bikes": (_clip("bikes", 30, 46), False, 0.0),
    }
    print("Left of flicker of parts, levels: made, evened out by gains alone, by deflicker; frames with offsets")
    for name, (frames, full_range, grain) in scenes.items():
        for kind, flicker in KINDS.items():
            made, steady = _made(frames, 0 if full_range else 16, grain, flicker)
            gained, _ = _evened(made, better=0.0, full_range=full_range)
            evened, added = _evened(made, better=local_flicker.BETTER, full_range=full_range)
            left = " ".join(f"{_left(each, steady):.2f}" for each in (made, gained, evened))
            print(f"{name:8} {kind:18} {left}; {added} of {len(made)}", flush=True)
    for seed in (5, 3, 7):
        _print_aged(seed)
    cv2.setNumThreads(1)
    print("CPU time of a frame, best of rounds taken in turn: look-ahead, step, both as a share of reel-s")
    for size in ((360, 480), (576, 720)):
        for kind in ("none", "gain 3 %", "offset 2.5"):
            for name in ("still", "chaplin"):
                _print_time(size, kind, name)


def _clip(name: str, first: int, count: int) -> Numbers:
    frames = islice(FrameReader(probe(str(whole_film(name))), Recipe()), first, first + count)
    return np.stack([frame.picture.planes[0].astype(np.float64) for frame in frames])


def _print_aged(seed: int) -> None:
    """The shots of `bikes` aged by the film-damage simulator: flicker of parts, and of the whole, before and after."""
    frames = list(islice(FrameReader(probe(str(whole_film("bikes"))), Recipe()), AGED))
    starts = [index for index, frame in enumerate(frames) if frame.record.shot_start or not index]
    lumas, damage = [frame.picture.planes[0].astype(np.uint8) for frame in frames], age_preset("print-1940")
    agers = [Ager(each, seed, *lumas[0].shape[::-1]) for each in (damage, dataclasses.replace(damage, flicker=0))]
    made, steady = (
        np.stack([ager.age(index, (luma,))[0] for index, luma in enumerate(lumas)]).astype(np.float64) for ager in agers
    )
    for first, last in pairwise([*starts, AGED]):
        if last - first >= 8:
            evened, _ = _evened(made[first:last], better=local_flicker.BETTER, full_range=False)
            left = [f"{_left(each, steady[first:last]):.2f}" for each in (made[first:last], evened)]
            whole = [f"{_left_of_whole(each, steady[first:last]):.2f}" for each in (made[first:last], evened)]
            print(f"bikes print-1940 {seed} from {first}: {' to '.join(left)}, whole {' to '.join(whole)}", flush=True)


def _made(frames: Numbers, black: int, grain: float, flicker: Flicker) -> tuple[Numbers, Numbers]:
    """Frames with flicker and without it, in whole levels."""
    rng, shape = np.random.default_rng(2), frames.shape[1:]
    fields = uneven_fields((shape[0], shape[1]))
    x = np.tile(np.linspace(-1, 1, shape[1]), (shape[0], 1))
    side = np.exp(-((x - 1) ** 2) / 0.5)
    # Light leaks in, and never out.
    side *= flicker.leak * 12**0.5 / side.std()
    made, steady = np.empty(frames.shape), np.empty(frames.shape)
    for index, frame in enumerate(frames):
        noise, (one, other) = grain * rng.standard_normal(shape), rng.standard_normal((2, 3))
        whole, more = rng.standard_normal(2)
        gain = 1 + flicker.gain * np.tensordot(one, fields, 1) + flicker.whole_gain * whole
        added = flicker.offset * np.tensordot(other, fields, 1) + flicker.whole_offset * more + rng.random() * side
        steady[index] = np.clip(np.rint(frame + noise), 0, 255)
        made[index] = np.clip(np.rint((frame - black) * gain + black + added + noise), 0, 255)
    return made, steady


def _decoded(pictures: list[Picture]) -> list[DecodedFrame]:
    """The frames of a shot as the decoder's reader gives them."""
    records = (FrameRecord(pts=index, duration=1, shot_start=not index) for index in range(len(pictures)))
    return [DecodedFrame(record.pts, record, picture) for record, picture in zip(records, pictures, strict=True)]


def _evened(frames: Numbers, *, better: float, full_range: bool) -> tuple[Numbers, int]:
    """The frames after the step, in levels, and how many of them were added to."""
    rows, columns = frames.shape[1:]
    pictures = [Picture("gray", columns, rows, (frame.astype(np.uint8),)) for frame in frames]
    with mock.patch.object(local_flicker, "BETTER", better):
        steadied = list(look_ahead(_decoded(pictures), Recipe(deflicker="on"), rows * columns, full_range=full_range))
    found = [frame.record.correction for frame in steadied if frame.record.correction is not None]
    lit = [even_light(each, how, full_range=full_range) for each, how in zip(pictures, found, strict=True)]
    level = 255 / 4095 if full_range else 1 / 16
    return np.stack([each.planes[0] * level for each in lit]), sum(bool(each.local_offset) for each in found)


def _print_time(size: tuple[int, int], kind: str, name: str) -> None:
    """CPU time of look-ahead and worker's step, and that of a frame with `reel-s` enlarged twice."""
    frames = _clip("chaplin", 20, TIMED) if name == "chaplin" else np.tile(shot(1).frames[0], (TIMED, 1, 1))
    grain = 0.0 if name == "chaplin" else 4.0
    resized = [cv2.resize(frame.astype(np.float64), size[::-1], interpolation=cv2.INTER_AREA) for frame in frames]
    made, _ = _made(np.stack(resized), 16, grain, KINDS[kind])
    chroma = (np.full((size[0] // 2, size[1] // 2), 128, np.uint8),) * 2
    pictures = [Picture("yuv420p", size[1], size[0], (luma.astype(np.uint8), *chroma)) for luma in made]
    restorer = Restorer(create_engine("openvino", resolve_model("reel-s")), 2, 0.4)
    window = FrameWindows(pictures[:FRAMES], 0, [True] + [False] * (FRAMES - 1)).window(MIDDLE)
    ahead, step, restored = [], [], []
    for _ in range(ROUNDS):
        started = time.process_time()
        steadied = list(look_ahead(_decoded(pictures), Recipe(deflicker="on"), 3 * made[0].size // 2, full_range=False))
        ahead.append((time.process_time() - started) / TIMED)
        started = time.process_time()
        for frame in steadied:
            assert frame.record.correction is not None
            even_light(frame.picture, frame.record.correction, full_range=False)
        step.append((time.process_time() - started) / TIMED)
        for _ in range(3):
            started = time.process_time()
            restorer.restore(pictures[MIDDLE], "yuv420p", window=window)
            restored.append(time.process_time() - started)
    both, whole = min(ahead) + min(step), min(restored)
    print(f"{size[1]}x{size[0]} {name:8} {kind:12} {1000 * min(ahead):4.1f} ms, {1000 * min(step):3.1f} ms: ", end="")
    print(f"{both / whole:.1%} of {1000 * whole:.0f} ms", flush=True)


def _left(frames: Numbers, steady: Numbers) -> float:
    size = frames.shape[2] // 8, frames.shape[1] // 8
    blocks = np.stack([cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in frames - steady])
    changes = np.diff(blocks, axis=0)
    changes = changes - changes.mean(axis=(1, 2), keepdims=True)
    return float(np.sqrt(np.square(changes).mean() / 2))


def _left_of_whole(frames: Numbers, steady: Numbers) -> float:
    changes = np.diff((frames - steady).mean(axis=(1, 2)))
    return float(np.sqrt(np.square(changes).mean() / 2))


if __name__ == "__main__":
    main()
