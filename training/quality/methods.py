"""What is compared: linear filters, networks on one frame, FFmpeg's denoisers before a bicubic filter, and ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.engine import Engine
from reelwright.restoration.window import prepare
from reelwright.restoration.window_network import FRAMES, MIDDLE
from training import material
from training.quality import ffmpeg
from training.quality.single_frame import SingleFrame

Codes = NDArray[np.uint8]
Luma = NDArray[np.float32]
Restore = Callable[[Codes], Luma]
"""Restores the middle frame of a window (5, H, W) uint8; the result may leave [0, 1] a little."""
Method = Callable[[Codes, Sequence[int]], list[Luma]]
"""Restores frames of a clip (n, H, W) uint8: those of these numbers, which have two frames before and after them."""

# What all gains are over.
BASE = "bicubic"
# Ours with the share of detail that its file names, and without.
OURS, OURS_WITHOUT_DETAIL = "ours", "ours, detail 0"
# Real-ESRGAN's compact network for video.
_REAL_ESRGAN, _REAL_ESRGAN_SCALE = "realesr-animevideov3.pth", 4
# FFmpeg's denoisers see so many frames before and after those that are compared: `atadenoise` averages nine.
_AROUND = 4


def methods(engine: Engine, scale: int, grain: float, detail: float) -> dict[str, Method]:
    """Everything that can run here, bicubic first and ours last.

    Args:
        engine: runs our networks.
        scale: enlargement.
        grain: levels of grain in the film, which FFmpeg's denoisers are told; ours measures it.
        detail: share of the weight set for detail.
    """
    found: dict[str, Method] = {BASE: per_window(bicubic(scale))}
    found["Lanczos"] = per_window(partial(_enlarged, scale=scale, kernel=cv2.INTER_LANCZOS4))
    for name, path in peer_files(scale).items():
        found[name] = per_window(single(SingleFrame(path)))
    for name, graph in ffmpeg.denoisers(grain).items():
        found[f"{name} + bicubic"] = partial(_denoised, graph=graph, scale=scale)
    found[OURS_WITHOUT_DETAIL] = per_window(partial(restore_window, engine, scale))
    found[OURS] = per_window(partial(restore_window, engine, scale, detail=detail))
    return found


def restore_window(engine: Engine, scale: int, window: Codes, detail: float = 0.0) -> Luma:
    """The middle frame of a window (5, H, W) uint8, repaired, restored and enlarged, without grain put back."""
    prepared = prepare(window)
    luma = prepared.frames[MIDDLE].astype(np.float32) / np.float32(255)
    return engine.upscale(luma, prepared.network_input(detail), scale)


def peer_files(scale: int) -> dict[str, Path]:
    """The networks of others that are on this machine, by name."""
    names = {"SPAN": f"span_x{scale}_ch48.safetensors"}
    if scale == _REAL_ESRGAN_SCALE:
        names["Real-ESRGAN"] = _REAL_ESRGAN
    paths = {name: material.SHARED.parent / "weights" / file for name, file in names.items()}
    return {name: path for name, path in paths.items() if path.exists()}


def single(network: SingleFrame) -> Restore:
    """A network on one frame, as a method for windows."""
    return lambda window: network.enlarge(window[MIDDLE].astype(np.float32) / np.float32(255)).mean(axis=0)


def bicubic(scale: int) -> Restore:
    """The enlargement by OpenCV's bicubic kernel that every gain is measured from."""
    return partial(_enlarged, scale=scale, kernel=cv2.INTER_CUBIC)


def per_window(restore: Restore) -> Method:
    """A method that needs no more of the clip than a window."""
    return lambda clip, numbers: [restore(window_of(clip, number)) for number in numbers]


def window_of(clip: Codes, number: int) -> Codes:
    """The window of a frame."""
    return np.ascontiguousarray(clip[number - MIDDLE : number - MIDDLE + FRAMES])


def _enlarged(window: Codes, scale: int, kernel: int) -> Luma:
    middle = window[MIDDLE].astype(np.float32) / np.float32(255)
    return np.asarray(cv2.resize(middle, None, fx=scale, fy=scale, interpolation=kernel), np.float32)


def _denoised(clip: Codes, numbers: Sequence[int], graph: str, scale: int) -> list[Luma]:
    first, last = max(0, min(numbers) - _AROUND), min(len(clip), max(numbers) + _AROUND + 1)
    clean = ffmpeg.filtered(clip[first:last], graph)
    return [
        np.asarray(
            cv2.resize(
                clean[number - first].astype(np.float32) / np.float32(255),
                None,
                fx=scale,
                fy=scale,
                interpolation=cv2.INTER_CUBIC,
            ),
            np.float32,
        )
        for number in numbers
    ]
