"""Pairs to learn from: a clean patch, and what half its size is left of it after film, transfer and compression.

Ranges are wider than any one age preset, so that the network meets clean sources and ruined ones alike and learns to
do little where little is wrong.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.aging import GrainStock, effects
from training.dataset import Photograph

Patch = NDArray[np.float32]

# Side of a clean patch: the loss leaves 8 samples out, and what is left still spans the network's whole reach.
PATCH = 128
# How the picture was made smaller once is not known of any film; area is the commonest in transfers.
_SHRINKING = (cv2.INTER_AREA, cv2.INTER_AREA, cv2.INTER_CUBIC, cv2.INTER_LINEAR)
# Share of pairs that are nearly undamaged.
_KEPT_WELL = 0.35
_AHEAD = 6


def batches(
    photographs: Sequence[Photograph], size: int, seed: int, first: int = 0, threads: int = 1
) -> Iterator[tuple[Patch, Patch]]:
    """Endless batches (damaged, clean), made ahead in threads.

    Batch n is a function of photographs, seed and n, so a resumed training goes on with what it would have seen.

    Args:
        photographs: as `dataset.photographs` gives them.
        size: pairs in a batch.
        seed: of the random numbers.
        first: number of the first batch.
        threads: that make batches.

    Yields:
        (size, 1, 64, 64) and (size, 1, 128, 128), float32 in [0, 1].
    """

    def batch(number: int) -> tuple[Patch, Patch]:
        rng = np.random.default_rng((seed, number))
        damaged, clean = zip(*(pair(photographs, rng) for _ in range(size)), strict=True)
        return np.stack(damaged)[:, None], np.stack(clean)[:, None]

    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[tuple[Patch, Patch]]] = deque()
        number = first
        try:
            while True:
                while len(waiting) < _AHEAD:
                    waiting.append(pool.submit(batch, number))
                    number += 1
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def pair(photographs: Sequence[Photograph], rng: np.random.Generator) -> tuple[Patch, Patch]:
    """One pair: damaged (64, 64) and clean (128, 128), float32 in [0, 1]."""
    clean = _graded(_patch(photographs, rng), rng)
    if rng.random() < _KEPT_WELL:
        return _well_kept(clean, rng), clean
    return _compressed(_filmed(_small(clean, rng), rng), rng), clean


def _well_kept(clean: Patch, rng: np.random.Generator) -> Patch:
    """Half the size with hardly a scratch: from these the network learns to leave good film alone."""
    soft = effects.blur(clean, rng.uniform(0.2, 0.6)) if rng.random() < 0.4 else clean
    small = np.asarray(cv2.resize(soft, (PATCH // 2, PATCH // 2), interpolation=cv2.INTER_AREA), np.float32)
    if rng.random() < 0.4:
        small = effects.grain(small, GrainStock(float(rng.uniform(0, 0.015)), float(rng.uniform(0.3, 0.8))), rng, 1.0)
    return _compressed(small, rng, likely=0.5, worst=75)


def _patch(photographs: Sequence[Photograph], rng: np.random.Generator) -> Patch:
    """A patch anywhere; flat ones teach little and are mostly drawn again."""
    for _ in range(6):
        photograph = photographs[int(rng.integers(len(photographs)))]
        y = rng.integers(photograph.shape[0] - PATCH + 1)
        x = rng.integers(photograph.shape[1] - PATCH + 1)
        patch = photograph[y : y + PATCH, x : x + PATCH]
        if patch.std() > 6 or rng.random() < 0.08:
            break
    return np.asarray(patch.astype(np.float32) / 255, np.float32)


def _graded(patch: Patch, rng: np.random.Generator) -> Patch:
    """Turned, mirrored, and with the black, white and gamma of some print."""
    if rng.random() < 0.5:
        patch = patch[:, ::-1]
    if rng.random() < 0.5:
        patch = patch[::-1]
    if rng.random() < 0.5:
        patch = patch.T
    black, white = rng.uniform(0, 0.15), rng.uniform(0.75, 1)
    graded = black + (white - black) * patch ** rng.uniform(0.7, 1.5)
    return np.ascontiguousarray(np.clip(graded, 0, 1), np.float32)


def _small(clean: Patch, rng: np.random.Generator) -> Patch:
    """Half the size, seen through a lens before and a scanner after."""
    soft = effects.blur(clean, rng.uniform(0.2, 1.4)) if rng.random() < 0.8 else clean
    method = _SHRINKING[rng.integers(4)]
    small = np.asarray(cv2.resize(soft, (PATCH // 2, PATCH // 2), interpolation=method), np.float32)
    return effects.blur(small, rng.uniform(0.2, 0.7)) if rng.random() < 0.4 else small


def _filmed(small: Patch, rng: np.random.Generator) -> Patch:
    """Grain on nine in ten, dust on three in ten."""
    if rng.random() < 0.9:
        strength = float(rng.beta(1.3, 2.6) * 0.085)
        size, clumping = float(rng.uniform(0.3, 1.1)), float(rng.uniform(0, 0.45))
        small = effects.grain(small, GrainStock(strength, size, clumping, float(rng.uniform(0.1, 0.5))), rng, 1.0)
    if rng.random() < 0.3:
        specks, hairs = int(rng.poisson(0.7)), int(rng.random() < 0.05)
        small = effects.dust(small, specks, hairs, rng, float(rng.uniform(0.7, 1.3)))
    return small


def _compressed(small: Patch, rng: np.random.Generator, likely: float = 0.7, worst: int = 35) -> Patch:
    """Eight bits, and `likely` the blocks of a transform codec of quality `worst` to 95."""
    codes = np.clip(small * 255 + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < likely:
        _, jpeg = cv2.imencode(".jpg", codes, [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(worst, 95))])
        codes = np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE), np.uint8)
    return np.asarray(codes.astype(np.float32) / 255, np.float32)
