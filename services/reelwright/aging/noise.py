"""Random numbers for a frame. The same seed, purpose and index always give the same numbers."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


def generator(seed: int, purpose: int, index: int) -> np.random.Generator:
    """A random generator that depends on its arguments only, so that frames can be aged in any order.

    Args:
        seed: of the aged film.
        purpose: a different number for each kind of damage.
        index: of the frame.
    """
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence((seed, purpose, index))))


def drift(seed: int, purpose: int, index: int, *, period: int, size: int) -> NDArray[np.float64]:
    """`size` random values of variance 1 that change smoothly over the frames, to new ones after `period` frames."""
    knot, rest = divmod(index, period)
    # The squares of cosine and sine add up to 1, so the variance is 1 between two knots as well.
    angle = 0.5 * math.pi * rest / period
    before = generator(seed, purpose, knot).standard_normal(size)
    after = generator(seed, purpose, knot + 1).standard_normal(size)
    return np.asarray(math.cos(angle) * before + math.sin(angle) * after)


def correlated(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> Field:
    """White noise of `shape` (rows, columns) after a Gaussian filter with `sigma` in pixels; its variance is 1."""
    white = rng.standard_normal(shape, dtype=np.float32)
    if sigma < 0.3:  # Narrower than a pixel: white noise.
        return white
    reach = 2 * math.ceil(3 * sigma) + 1
    kernel = np.asarray(cv2.getGaussianKernel(reach, sigma, cv2.CV_32F), np.float32)
    # The squares of the kernel add up to 1, so the filter keeps the variance.
    kernel = kernel / np.sqrt(np.sum(kernel**2))
    return np.asarray(cv2.sepFilter2D(white, cv2.CV_32F, kernel, kernel), np.float32)
