"""Flicker, weave and rotation that are left, beside FFmpeg's filters: `python -m tests.bench.bench_steadiness`.

Scenes are drawn, so camera and light are known; the film-damage simulator ages them. Each result is compared with the
same frames aged without flicker and weave. Flicker of parts of the picture and rotation are drawn as well: the
simulator's flicker of parts is slow, and it turns nothing.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial

import av
import numpy as np
from av.filter import Graph
from av.video.format import VideoFormat
from numpy.typing import NDArray

from reelwright.aging import Ager, age_preset
from reelwright.decoder.look_ahead import look_ahead
from reelwright.media.picture import Picture
from reelwright.media.registration import SmallLuma, register, small_luma
from reelwright.restoration.deflicker import even_light
from reelwright.restoration.stabilise import move
from reelwright.titles.recipe import Recipe
from tests.support.aged_scenes import (
    STEADY,
    UPRIGHT,
    Codes,
    decoded,
    evened,
    local_light,
    shot,
    turn_between,
    uneven_light,
    unsteady,
)

Numbers = NDArray[np.float64]
FRAMES = 100
RAMP = np.arange(FRAMES) - 20
SCENES = {
    "still": shot(FRAMES),
    "pan": shot(FRAMES, pan=np.clip(RAMP * 1.5, 0, 90)),
    "fade in": shot(FRAMES, light=np.clip(RAMP / 24, 0.1, 1)),
    "lights on": shot(FRAMES, light=[0.5] * 50 + [1.0] * 50),
}
Method = Callable[[Codes], Codes]


def ours(frames: Codes, recipe: Recipe = STEADY) -> Codes:
    """The steps of a recipe as the worker applies them, without the enlargement."""
    steadied = []
    for frame in look_ahead(decoded(frames), recipe, frames[0].size, full_range=True):
        correction = frame.record.correction
        assert correction is not None
        luma = even_light(frame.picture, correction, full_range=True).planes[0].astype(np.float32)
        moved = move(luma * np.float32(255 / 4095), correction.move)
        steadied.append(np.clip(np.rint(moved), 0, 255).astype(np.uint8))
    return np.stack(steadied)


def ffmpeg(chain: str) -> Method:
    """Filters of FFmpeg with their options."""

    def filtered(frames: Codes) -> Codes:
        graph = Graph()
        rows, columns = frames[0].shape
        source = graph.add_buffer(width=columns, height=rows, format=VideoFormat("yuv420p"), time_base=Fraction(1, 25))
        nodes = [source]
        for word in chain.split(","):
            name, _, options = word.partition("=")
            nodes.append(graph.add(name, options or None))
        graph.link_nodes(*nodes, graph.add("buffersink")).configure()
        found: list[Codes] = []
        neutral = np.full((rows // 2, columns), 128, np.uint8)
        for index in range(len(frames) + 1):
            video = None
            if index < len(frames):
                video = av.VideoFrame.from_ndarray(np.concatenate([frames[index], neutral]), "yuv420p")
                video.pts = index
            graph.vpush(video)
            while True:
                try:
                    found.append(np.array(graph.vpull().to_ndarray()[:rows], np.uint8))
                except (av.BlockingIOError, av.EOFError):
                    break
        return np.stack(found)

    return filtered


METHODS: dict[str, Method] = {
    "aged": lambda frames: frames,
    "ours": ours,
    "ffmpeg deflicker": ffmpeg("deflicker=size=25"),
    "ffmpeg deshake": ffmpeg("deshake"),
    "ffmpeg both": ffmpeg("deflicker=size=25,deshake"),
}


def main() -> None:
    """Prints the tables."""
    print(
        "\nLeft of known flicker (% of the scene's light) and weave (pixels at 240x180): standard deviations in a shot"
    )
    print(f"{'scene':11}{'film':12}" + "".join(f"{name:>24}" for name in METHODS))
    for preset in ("none", "print-1940", "print-1910"):
        for name, scene in SCENES.items():
            aged, reference = _aged(scene.frames, preset)
            print(f"{name:11}{preset:12}" + "".join(_cell(method, aged, reference) for method in METHODS.values()))
    _print_parts()
    _print_rotation()
    aged, _ = _aged(SCENES["still"].frames, "print-1940")
    for name, recipe in (("", STEADY), (" with rotation", UPRIGHT)):
        started = time.process_time()
        for _ in look_ahead(decoded(aged), recipe, aged[0].size, full_range=True):
            pass
        print(f"look-ahead{name}: {(time.process_time() - started) / FRAMES * 1000:.1f} ms a frame of 240x180")


def _print_parts() -> None:
    print("\nFlicker of parts (% of the light, with grain of 5 levels): standard deviation, and from frame to frame")
    hand = np.clip(np.cumsum(np.random.default_rng(4).normal(0, 2.5, FRAMES)), -90, 90)
    methods = {"aged": METHODS["aged"], "ours": _evened, "ffmpeg deflicker": METHODS["ffmpeg deflicker"]}
    print(f"{'scene':11}{'parts, whole':>14}" + "".join(f"{name:>20}" for name in methods))
    for name, scene in {**SCENES, "hand": shot(FRAMES, pan=hand)}.items():
        for parts, whole in ((0.0, 0.0), (0.0, 0.03), (0.03, 0.0), (0.03, 0.03)):
            rng = np.random.default_rng(2)
            grain = 5 * rng.standard_normal(scene.frames.shape)
            light = uneven_light(FRAMES, parts) + whole * rng.standard_normal((FRAMES, 1, 1))
            reference, aged = (
                np.clip(np.rint(scene.frames * factors + grain), 0, 255).astype(np.uint8) for factors in (1.0, light)
            )
            left = [unsteady(local_light(method(aged), reference)) for method in methods.values()]
            cells = "".join(f"{100 * slow:12.2f}, {100 * fast:4.2f} %" for slow, fast in left)
            print(f"{name:11}{100 * parts:6.0f} %,{100 * whole:3.0f} % " + cells)


def _print_rotation() -> None:
    print(
        "\nRotation that is left (degrees), with weave of 0.4 pixels and grain of 4 levels where it is not undamaged:"
    )
    print("standard deviation, and from frame to frame")
    hand = np.clip(np.cumsum(np.random.default_rng(4).normal(0, 2.5, FRAMES)), -90, 90)
    camera = partial(shot, FRAMES)
    cameras = {
        "still": camera,
        "pan": partial(camera, pan=np.clip(RAMP * 1.5, 0, 90)),
        "hand": partial(camera, pan=hand),
        "roll": partial(camera, roll=np.clip(RAMP * 0.25, 0, 15)),
    }
    methods: dict[str, Method] = {
        "aged": METHODS["aged"],
        "ours": lambda frames: ours(frames, UPRIGHT),
        "ffmpeg deshake": METHODS["ffmpeg deshake"],
    }
    print(f"{'scene':9}{'film':>10}" + "".join(f"{name:>20}" for name in methods))
    for name, drawn in cameras.items():
        reference = drawn()
        for rotation in (None, 0.0, 0.05, 0.1, 0.2):
            aged = reference if rotation is None else drawn(rotation=rotation, weave=0.4, grain=4.0)
            left = [_rotation_left(method(aged.frames), reference.frames) for method in methods.values()]
            said = "undamaged" if rotation is None else f"{rotation:.2f}"
            print(f"{name:9}{said:>10}" + "".join(f"{slow:12.3f}, {fast:.3f}" for slow, fast in left))


def _rotation_left(found: Codes, reference: Codes) -> tuple[float, float]:
    """Standard deviation of the rotation against a reference, and of its change from frame to frame over sqrt(2)."""
    rotations = [_rotation(frame, other) for frame, other in zip(found, reference, strict=True)]
    return float(np.std(rotations)), float(np.std(np.diff(rotations)) / np.sqrt(2))


def _evened(frames: Codes) -> Codes:
    """The deflicker step alone."""
    found = look_ahead(decoded(frames), Recipe(deflicker="on"), frames[0].size, full_range=True)
    corrections = [frame.record.correction for frame in found]
    lit = evened(frames, [each for each in corrections if each is not None])
    return np.asarray(np.clip(np.rint(lit), 0, 255), np.uint8)


def _aged(frames: Codes, preset: str) -> tuple[Codes, Codes]:
    """Frames aged by a preset, and without its flicker and weave; `none` ages nothing."""
    if preset == "none":
        return frames, frames
    damage = age_preset(preset)
    rows, columns = frames[0].shape
    agers = [Ager(each, 3, columns, rows) for each in (damage, dataclasses.replace(damage, flicker=0, weave=0))]
    aged, steady = (np.stack([ager.age(i, (frame,))[0] for i, frame in enumerate(frames)]) for ager in agers)
    return aged, steady


def _cell(method: Method, aged: Codes, reference: Codes) -> str:
    flicker, weave = _left(method(aged), reference)
    return f"{flicker:13.2f} %{weave:6.3f} px"


def _left(found: Codes, reference: Codes) -> tuple[float, float]:
    """Standard deviation of the light's ratio to the reference in per cent, and of the place in pixels."""
    light = [(frame.mean() + 1) / (other.mean() + 1) for frame, other in zip(found, reference, strict=True)]
    places = [_place(frame, other) for frame, other in zip(found, reference, strict=True)]
    return 100 * float(np.std(light) / np.mean(light)), float(np.hypot(*np.std(places, axis=0)))


def _place(frame: Codes, reference: Codes) -> Sequence[float]:
    """How far right and down the frame lies. A fit of rotation as well would leave part of that to the rotation."""
    found = register(*_small(frame, reference))
    return found.right, found.down


def _rotation(frame: Codes, reference: Codes) -> float:
    return turn_between(*_small(frame, reference)).rotation


def _small(frame: Codes, reference: Codes) -> tuple[SmallLuma, SmallLuma]:
    """The reference and the frame, as the look-ahead registers them."""
    rows, columns = frame.shape
    pictures = (Picture("gray", columns, rows, (np.ascontiguousarray(each),)) for each in (reference, frame))
    before, after = (small_luma(each) for each in pictures)
    return before, after


if __name__ == "__main__":
    main()
