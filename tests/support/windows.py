"""Windows of five frames whose motion, grain and dust are known."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint8]
Field = NDArray[np.float32]

FRAMES = 5


def texture(rows: int, columns: int, seed: int = 0) -> Field:
    """Detail of all sizes with some hard edges, as photographs have; (rows, columns) float32, 40 to 215."""
    rng = np.random.default_rng(seed)
    field = np.zeros((rows, columns), np.float32)
    for sigma, weight in ((1.5, 0.5), (4.0, 1.0), (12.0, 2.0)):
        layer = cv2.GaussianBlur(rng.standard_normal((rows, columns)).astype(np.float32), (0, 0), sigma)
        field += layer / layer.std() * np.float32(weight)
    for _ in range(12):
        x, y = (int(v) for v in rng.integers(0, (columns, rows)))
        value = float(rng.normal(0, 1.5))
        cv2.rectangle(field, (x, y), (x + int(rng.integers(10, 60)), y + int(rng.integers(10, 60))), (value,), -1)
    blurred = cv2.GaussianBlur(field, (0, 0), 0.7)
    return np.asarray(np.clip(128 + 30 * blurred, 40, 215), np.float32)


def panned(pan: tuple[float, float], rows: int = 160, columns: int = 192, seed: int = 0) -> Field:
    """The texture moving by `pan` (right, down) pixels a frame; (5, rows, columns) float32 levels."""
    wide = texture(rows + 80, columns + 80, seed)
    frames = []
    for index in range(FRAMES):
        move = np.array([[1, 0, pan[0] * (index - 2) - 40], [0, 1, pan[1] * (index - 2) - 40]], np.float64)
        frames.append(cv2.warpAffine(wide, move, (columns, rows), flags=cv2.INTER_CUBIC))
    return np.stack(frames).astype(np.float32)


def grainy(frames: Field, sigma: float, size: float = 0.0, seed: int = 1) -> Field:
    """With grain of `sigma` levels, new in each frame, blurred by `size` pixels before it is scaled."""
    noise = np.random.default_rng(seed).standard_normal(frames.shape).astype(np.float32)
    if size:
        noise = np.stack([cv2.GaussianBlur(frame, (0, 0), size) for frame in noise])
    return np.asarray(frames + noise / noise.std() * sigma, np.float32)


def codes(frames: Field) -> Codes:
    """Rounded to 8 bits."""
    return np.asarray(np.clip(np.rint(frames), 0, 255), np.uint8)


def decibels(found: NDArray[np.generic], truth: NDArray[np.generic], rim: int = 12) -> float:
    """PSNR of 8-bit levels inside a rim."""
    error = np.asarray(found, np.float64) - np.asarray(truth, np.float64)
    inside = error[..., rim:-rim, rim:-rim]
    return float(10 * np.log10(255**2 / np.square(inside).mean()))
