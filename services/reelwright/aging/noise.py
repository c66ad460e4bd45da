"""Randomness that belongs to a frame: the same (seed, purpose, index) always gives the same numbers."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


def generator(seed: int, purpose: int, index: int) -> np.random.Generator:
    """A generator that depends on its arguments only, so that frames can be aged in any order."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence((seed, purpose, index))))


def drift(seed: int, purpose: int, index: int, period: int, size: int) -> NDArray[np.float64]:
    """`size` unit-variance values that wander over the frames and turn about every `period` frames."""
    knot, rest = divmod(index, period)
    # The cosine and sine of one angle: squares add up to 1, so the variance is the same between knots as at them.
    angle = 0.5 * math.pi * rest / period
    before = generator(seed, purpose, knot).standard_normal(size)
    after = generator(seed, purpose, knot + 1).standard_normal(size)
    return np.asarray(math.cos(angle) * before + math.sin(angle) * after)


def correlated(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> Field:
    """A unit-variance Gaussian field of `shape` with a Gaussian footprint of `sigma` pixels."""
    white = rng.standard_normal(shape, dtype=np.float32)
    if sigma < 0.3:  # narrower than a pixel: white already
        return white
    reach = 2 * math.ceil(3 * sigma) + 1
    kernel = np.asarray(cv2.getGaussianKernel(reach, sigma, cv2.CV_32F), np.float32)
    # Unit energy rather than unit sum keeps the variance through the filter.
    kernel = kernel / np.sqrt(np.sum(kernel**2))
    return np.asarray(cv2.sepFilter2D(white, cv2.CV_32F, kernel, kernel), np.float32)
