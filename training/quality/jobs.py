"""Measures one piece; jobs run in processes of their own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from reelwright.restoration.engine import Engine
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.models import resolve_model
from reelwright.restoration.restore import Restorer
from reelwright.restoration.window_network import MIDDLE
from training import material
from training.damage import Damage, Kind
from training.quality.dirt import Dirt, dirt_of
from training.quality.measures import Figures, aligned_gain, channel_spread, figures_of, grain_kept, tint
from training.quality.methods import (
    AROUND,
    BASE,
    OURS,
    OURS_WITHOUT_DETAIL,
    Luma,
    Method,
    dirt_methods,
    methods,
    peer_files,
    window_of,
)
from training.quality.single_frame import SingleFrame

_SEED = 5
# Grain of the film that dirt is added to; see `material.dirtied`.
_DIRTY_GRAIN = 4.0


@dataclass(frozen=True, slots=True)
class Job:
    """One piece to measure.

    Attributes:
        model: file of our network.
        piece: what is restored.
        frames: how many adjacent frames of it.
        scale: enlargement.
        treatment: of `material.TREATMENTS`; the empty text measures dirt, grain and alignment.
        sheet: whether a frame of each method is wanted.
        peers: whether others than bicubic and ours are measured.
        vapoursynth: the Python that has it; None leaves it out.
    """

    model: Path
    piece: material.Piece
    frames: int
    scale: int
    treatment: str
    sheet: bool
    peers: bool
    vapoursynth: Path | None


@dataclass
class Found:
    """What a job found, without what was not its task.

    Attributes:
        figures: by method.
        dirt: by method.
        grain: see `measures.grain_kept`.
        alignment: see `measures.aligned_gain`.
        tint: levels, by method.
        sheet: a frame by each method, then the truth.
    """

    figures: dict[str, Figures]
    dirt: dict[str, Dirt]
    grain: list[float]
    alignment: list[float]
    tint: dict[str, float]
    sheet: dict[str, Luma]


def measure(job: Job) -> Found | None:
    """Does one job; None where the piece is not on this machine."""
    _prepare_process()
    clip = material.read_piece(job.piece, 2 * job.scale)
    if clip is None:
        return None
    first = (len(clip) - job.frames) // 2
    numbers = list(range(first, first + job.frames))
    if not job.treatment:
        return _measure_apart(job, clip, numbers)
    damage = material.TREATMENTS[job.treatment]
    film = material.treat(clip, damage, _SEED, job.scale)
    truth, figures, sheet = clip[numbers[0] : numbers[-1] + 1], {}, {}
    for name, restore in _methods(job, damage.grain).items():
        restored = restore(film, numbers)
        figures[name] = figures_of(restored, truth)
        if job.sheet:
            sheet[name] = restored[len(restored) // 2]
    if sheet:
        sheet["truth"] = truth[len(truth) // 2]
    return Found(figures, {}, [], [], {}, sheet)


def _measure_apart(job: Job, clip: Luma, numbers: list[int]) -> Found:
    film, scale = material.dirtied(clip, _SEED, job.scale), job.scale
    compared = dirt_methods(_methods(job, _DIRTY_GRAIN), scale, job.vapoursynth)
    # Dust is rare: on three frames of a piece a single speck would decide.
    dirty = list(range(AROUND, len(clip) - AROUND, 2))
    dirt = {name: dirt_of(method, film, dirty, scale) for name, method in compared.items()}
    grainy, plain = (material.treat(clip, Damage(Kind.FILM, lens=0.8, grain=grain), _SEED, scale) for grain in (8, 0))
    middle = numbers[len(numbers) // 2]
    grain = grain_kept(Restorer(_engine(job.model), scale, 1.0), window_of(grainy, middle), window_of(plain, middle))
    small = np.stack([_reduced(frame, scale) for frame in clip])
    aligned = aligned_gain(material.treat(clip, material.GRAINY, _SEED, scale), small, numbers)
    return Found({}, dirt, grain, aligned, _tints(job, window_of(grainy, middle)), {})


@cache
def _prepare_process() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _methods(job: Job, grain: float) -> dict[str, Method]:
    found = _all_methods(job.model, job.scale, grain, job.vapoursynth)
    return {name: found[name] for name in found if job.peers or name in {BASE, OURS, OURS_WITHOUT_DETAIL}}


@cache
def _all_methods(model: Path, scale: int, grain: float, vapoursynth: Path | None) -> dict[str, Method]:
    ours = resolve_model(str(model))
    return methods(
        _engine(model),
        scale,
        grain=grain,
        detail=ours.detail,
        filtered=ours.is_filtered(None, scale),
        vapoursynth=vapoursynth,
    )


@cache
def _engine(model: Path) -> Engine:
    return create_engine("openvino", resolve_model(str(model)), precision="fp32")


def _reduced(frame: Luma, scale: int) -> Luma:
    size = (frame.shape[1] // scale, frame.shape[0] // scale)
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.float32)


def _tints(job: Job, window: NDArray[np.uint8]) -> dict[str, float]:
    luma = window[MIDDLE].astype(np.float32) / np.float32(255)
    found = {"ours": tint(Restorer(_engine(job.model), job.scale, 0.4), window)}
    for name, path in peer_files(job.scale).items() if job.peers else ():
        found[name] = channel_spread(SingleFrame(path).enlarge, luma)
    return found
