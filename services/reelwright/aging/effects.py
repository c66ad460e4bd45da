"""One function for each kind of damage. Luma is float32 (rows, columns), from 0 (black) to 1 (white)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.aging.noise import Field, correlated, generator
from reelwright.aging.presets import GrainStock

# A scratch lasts this many frames: two seconds of silent film.
SCRATCH_FRAMES = 36
_SCRATCH_REACH = 5


def blur(luma: Field, sigma: float) -> Field:
    """Blurs luma by a Gaussian with `sigma` in pixels, as lens and print do; 0 changes nothing."""
    if sigma <= 0:
        return luma
    return np.asarray(cv2.GaussianBlur(luma, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32)


def weave(luma: Field, right: float, down: float) -> Field:
    """Moves luma by fractions of a pixel, as the film moves in the gate of a projector."""
    rows, columns = luma.shape
    move = np.array([[1, 0, right], [0, 1, down]], np.float32)
    moved = cv2.warpAffine(luma, move, (columns, rows), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.float32)


def fade(luma: Field, black: float, white: float) -> Field:
    """Maps 0 to `black` and 1 to `white`, linearly: a faded film has less contrast."""
    return luma * np.float32(white - black) + np.float32(black)


def vignette(shape: tuple[int, int], loss: float) -> Field:
    """A gain for each pixel of `shape` (rows, columns): 1 in the middle, 1 - `loss` in the corners."""
    rows, columns = shape
    y = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    return np.asarray(1 - loss * (x * x + y * y) / 2, np.float32)


def uneven_gain(shape: tuple[int, int], knots: NDArray[np.float64]) -> Field:
    """A gain for each pixel of `shape` (rows, columns), interpolated between the gains of a grid, `knots`."""
    grid = cv2.resize(knots.astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(grid, np.float32)


def grain(luma: Field, stock: GrainStock, rng: np.random.Generator, unit: float) -> Field:
    """Adds the grain of a stock to luma. Adjacent pixels are correlated, and a part of the grain is coarser.

    Grain is a fluctuation of density. On a print its standard deviation at luma y is proportional to sqrt(y (1 - y)),
    which is largest in mid-gray.

    Args:
        luma: the picture.
        stock: gives strength, size and clumping of the grain.
        rng: the random numbers of this frame.
        unit: pixels of this picture for one pixel of a picture with 360 rows, in which sizes are given.
    """
    shape = (luma.shape[0], luma.shape[1])
    field = correlated(rng, shape, stock.size * unit)
    if stock.clumping > 0:
        coarse = correlated(rng, shape, 2.5 * stock.size * unit)
        field *= np.float32(np.sqrt(1 - stock.clumping))
        field += coarse * np.float32(np.sqrt(stock.clumping))
    swing = np.sqrt(np.clip(luma * (1 - luma), 0, 0.25)) * np.float32(2 * (1 - stock.toe) * stock.strength)
    swing += np.float32(stock.toe * stock.strength)
    return np.asarray(luma + swing * field, np.float32)


def dust(luma: Field, *, specks: int, hairs: int, rng: np.random.Generator, unit: float) -> Field:
    """Draws specks and hairs. Dirt on the print is dark; one in four was on the negative and is white."""
    if specks + hairs == 0:
        return luma
    dark, white = np.zeros(luma.shape, np.uint8), np.zeros(luma.shape, np.uint8)
    for number in range(specks + hairs):
        mask = white if rng.random() < 0.25 else dark
        opacity = int(rng.uniform(90, 255))
        if number < specks:
            _speck(mask, opacity, rng, unit)
        else:
            _hair(mask, opacity, rng, unit)
    for mask, tone in ((dark, 0.04), (white, 0.93)):
        if mask.any():
            soft = cv2.GaussianBlur(mask, (0, 0), 0.55 * unit).astype(np.float32) / 255
            luma = luma + soft * (np.float32(tone) - luma)
    return luma


def _speck(mask: NDArray[np.uint8], opacity: int, rng: np.random.Generator, unit: float) -> None:
    rows, columns = mask.shape
    corners = int(rng.integers(5, 9))
    radius = unit * min(rng.lognormal(0.25, 0.55), 6.0)
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False) + rng.uniform(0, 1)
    reach = radius * rng.uniform(0.5, 1.2, corners)
    shape = np.stack([np.cos(turn) * reach * rng.uniform(0.7, 1.6), np.sin(turn) * reach], axis=1)
    _fill(mask, shape + rng.uniform((0, 0), (columns, rows)), opacity)


def _fill(mask: NDArray[np.uint8], points: NDArray[np.float64], opacity: int) -> None:
    # Positions are in 1/16 pixel. With whole pixels every speck would be aligned to the pixel grid.
    cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], opacity, cv2.LINE_AA, 4)


def _hair(mask: NDArray[np.uint8], opacity: int, rng: np.random.Generator, unit: float) -> None:
    rows, columns = mask.shape
    start = rng.uniform((0, 0), (columns, rows))
    bend, end = rng.normal(0, 18 * unit, 2), rng.normal(0, 22 * unit, 2)
    t = np.linspace(0, 1, 12)[:, None]
    curve = start + 2 * t * (1 - t) * bend + t * t * end
    points = [np.round(curve * 16).astype(np.int32)]
    cv2.polylines(mask, points, False, opacity, max(1, round(unit)), cv2.LINE_AA, 4)


def scratches(luma: Field, *, mean: float, seed: int, purpose: int, index: int, unit: float) -> Field:
    """Draws vertical scratches, `mean` of them on average. Each stays at its column for SCRATCH_FRAMES frames.

    There are twice as many slots as scratches, but at least one. Every SCRATCH_FRAMES frames a slot draws a new scratch
    or stays empty; the slots do so in different frames.
    """
    luma = luma.copy()
    slots = round(2 * mean) if mean >= 1 else 1
    for slot in range(slots):
        epoch, age = divmod(index + slot * SCRATCH_FRAMES // slots, SCRATCH_FRAMES)
        rng = generator(seed, purpose + slot, epoch)
        if rng.random() < mean / slots:
            _scratch(luma, age, rng, unit)
    return luma


def _scratch(luma: Field, age: int, rng: np.random.Generator, unit: float) -> None:
    rows, columns = luma.shape
    y = np.arange(rows, dtype=np.float32)
    x = rng.uniform(0, columns) + rng.normal(0, 0.05) * age
    swing = rng.uniform(0, 1.2) * unit
    x = x + swing * np.sin(y / rows * rng.uniform(1, 5) + rng.uniform(0, 6) + age * rng.uniform(0, 0.3))
    width, tone = unit * rng.uniform(0.45, 1.1), 0.95 if rng.random() < 0.6 else 0.03
    # The opacity changes slowly along the film and is 0 in places.
    along = np.sin((y + age * rows) / rows * rng.uniform(0.5, 4) + rng.uniform(0, 6))
    opacity = np.clip(rng.uniform(0.15, 0.6) * (0.6 + along), 0, 1)
    reach = np.arange(-_SCRATCH_REACH, _SCRATCH_REACH + 1)
    cell = np.rint(x).astype(np.int64)[:, None] + reach
    cover = opacity[:, None] * np.exp(-(((cell - x[:, None]) / width) ** 2))
    inside = (cell >= 0) & (cell < columns)
    row = np.broadcast_to(np.arange(rows)[:, None], cell.shape)[inside]
    at = (row, cell[inside])
    luma[at] += cover[inside].astype(np.float32) * (np.float32(tone) - luma[at])
