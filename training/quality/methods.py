"""What is compared: linear filters, networks on one frame, denoisers of others before both, and ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.picture import Picture
from reelwright.restoration.engine import Engine
from reelwright.restoration.frame_windows import FrameWindows
from reelwright.restoration.restore import Restorer
from reelwright.restoration.window import prepare
from reelwright.restoration.window_network import FRAMES, MIDDLE
from training import material
from training.quality import ffmpeg, vapoursynth_filters
from training.quality.single_frame import SingleFrame

Codes = NDArray[np.uint8]
Luma = NDArray[np.float32]
Restore = Callable[[Codes], Luma]
"""Restores the middle frame of a window (5, H, W) uint8; the result may leave [0, 1] a little."""
Method = Callable[[Codes, Sequence[int]], list[Luma]]
"""Restores frames of a clip (n, H, W) uint8: those of these numbers, which have two frames before and after them."""


class DirtMethod(NamedTuple):
    """A method that does something to dust and scratches.

    Attributes:
        restore: repairs and enlarges.
        repair: the same without enlargement; None for a method that is no repair.
    """

    restore: Method
    repair: Method | None = None


# What all gains are over.
BASE = "bicubic"
# Ours with the share of detail that its file names, and without.
OURS, OURS_WITHOUT_DETAIL = "ours", "ours, detail 0"
_SPAN = "SPAN"
# Real-ESRGAN's compact network for video.
_REAL_ESRGAN, _REAL_ESRGAN_SCALE = "realesr-animevideov3.pth", 4
# Denoisers see so many frames before and after those that are compared: `atadenoise` and MVTools average nine.
AROUND = 4


def methods(
    engine: Engine, scale: int, *, grain: float, detail: float, filtered: bool, vapoursynth: Path | None = None
) -> dict[str, Method]:
    """Everything that can run here, bicubic first and ours last.

    Args:
        engine: runs our networks.
        scale: enlargement.
        grain: levels of grain in the film, which the denoisers of others are told; ours measures it.
        detail: share of the weight set for detail.
        filtered: whether our results are averaged along the motion.
        vapoursynth: the Python that has it; None leaves it out.
    """
    found: dict[str, Method] = {BASE: per_window(bicubic(scale))}
    found["Lanczos"] = per_window(partial(_enlarged, scale=scale, kernel=cv2.INTER_LANCZOS4))
    for name, path in peer_files(scale).items():
        found[name] = per_window(single(SingleFrame(path)))
    for name, graph in ffmpeg.denoisers(grain).items():
        found[f"{name} + bicubic"] = _around(partial(_by_ffmpeg, graph=graph), partial(enlarge_bicubic, scale=scale))
    if vapoursynth:
        degrained = partial(vapoursynth_filters.degrained, python=vapoursynth, grain=grain)
        found["MVTools + bicubic"] = _around(degrained, partial(enlarge_bicubic, scale=scale))
        if span := peer_files(scale).get(_SPAN):
            found[f"MVTools + {_SPAN}"] = _around(degrained, partial(_mean_channel, SingleFrame(span)))
    found[OURS_WITHOUT_DETAIL] = partial(restore_frames, engine, scale, filtered=filtered)
    found[OURS] = partial(restore_frames, engine, scale, detail=detail, filtered=filtered)
    return found


def dirt_methods(compared: Mapping[str, Method], scale: int, vapoursynth: Path | None) -> dict[str, DirtMethod]:
    """Those that do something to dirt, bicubic first and ours last.

    Args:
        compared: of `methods`.
        scale: enlargement.
        vapoursynth: the Python that has it; None leaves it out.
    """
    found = {name: DirtMethod(compared[name]) for name in (BASE, "atadenoise + bicubic") if name in compared}
    if vapoursynth:
        repaired = partial(vapoursynth_filters.repaired, python=vapoursynth)
        found["DeScratch, compensated median + bicubic"] = DirtMethod(
            _around(repaired, partial(enlarge_bicubic, scale=scale)), _around(repaired, lambda frame: frame)
        )
    return found | {OURS: DirtMethod(compared[OURS], per_window(_repaired))}


def restore_window(engine: Engine, scale: int, window: Codes, detail: float = 0.0) -> Luma:
    """The middle frame of a window (5, H, W) uint8, repaired, restored and enlarged, without grain put back."""
    prepared = prepare(window)
    luma = prepared.frames[MIDDLE].astype(np.float32) / np.float32(255)
    return engine.upscale(luma, prepared.network_input(detail), scale)


def restore_frames(
    engine: Engine, scale: int, clip: Codes, numbers: Sequence[int], *, detail: float = 0.0, filtered: bool = False
) -> list[Luma]:
    """Frames of a clip, repaired, restored and enlarged, without grain put back.

    Args:
        engine: runs our networks.
        scale: enlargement.
        clip: (n, H, W) uint8, a single shot.
        numbers: of the frames, ascending.
        detail: share of the weight set for detail.
        filtered: whether results are averaged along the motion.
    """
    pictures = [Picture("gray", frame.shape[1], frame.shape[0], (frame,)) for frame in clip]
    windows = FrameWindows(pictures, 0, [True] + [False] * (len(clip) - 1), near=filtered)
    restorer = Restorer(engine, scale, 0.0, detail=detail, filtered=filtered)
    return [restorer.clean_luma(windows.window(number)) for number in numbers]


def peer_files(scale: int) -> dict[str, Path]:
    """The networks of others that are on this machine, by name."""
    names = {_SPAN: f"span_x{scale}_ch48.safetensors"}
    if scale == _REAL_ESRGAN_SCALE:
        names["Real-ESRGAN"] = _REAL_ESRGAN
    paths = {name: material.SHARED.parent / "weights" / file for name, file in names.items()}
    return {name: path for name, path in paths.items() if path.exists()}


def single(network: SingleFrame) -> Restore:
    """A network on one frame, as a method for windows."""
    return lambda window: _mean_channel(network, window[MIDDLE].astype(np.float32) / np.float32(255))


def bicubic(scale: int) -> Restore:
    """The enlargement by OpenCV's bicubic kernel that every gain is measured from."""
    return partial(_enlarged, scale=scale, kernel=cv2.INTER_CUBIC)


def enlarge_bicubic(luma: Luma, scale: int) -> Luma:
    """The same of a frame (H, W) float32."""
    return np.asarray(cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.float32)


def per_window(restore: Restore) -> Method:
    """A method that needs no more of the clip than a window."""
    return lambda clip, numbers: [restore(window_of(clip, number)) for number in numbers]


def window_of(clip: Codes, number: int) -> Codes:
    """The window of a frame."""
    return np.ascontiguousarray(clip[number - MIDDLE : number - MIDDLE + FRAMES])


def _repaired(window: Codes) -> Luma:
    return np.asarray(prepare(window).frames[MIDDLE].astype(np.float32) / np.float32(255), np.float32)


def _enlarged(window: Codes, scale: int, kernel: int) -> Luma:
    middle = window[MIDDLE].astype(np.float32) / np.float32(255)
    return np.asarray(cv2.resize(middle, None, fx=scale, fy=scale, interpolation=kernel), np.float32)


def _mean_channel(network: SingleFrame, luma: Luma) -> Luma:
    return np.asarray(network.enlarge(luma).mean(axis=0), np.float32)


def _by_ffmpeg(clip: Codes, graph: str) -> Luma:
    return ffmpeg.filtered(clip, graph).astype(np.float32) / np.float32(255)


def _around(filter_clip: Callable[[Codes], Luma], enlarge: Callable[[Luma], Luma]) -> Method:
    """A filter that sees `AROUND` frames before and after each, then an enlargement of single frames."""

    def restore(clip: Codes, numbers: Sequence[int]) -> list[Luma]:
        first, last = max(0, min(numbers) - AROUND), min(len(clip), max(numbers) + AROUND + 1)
        found = filter_clip(clip[first:last])
        return [enlarge(found[number - first]) for number in numbers]

    return restore
