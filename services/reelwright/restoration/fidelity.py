"""Measures how a restored frame agrees with its source.

Pictures are rounded to sixteenths of an 8-bit level, so that the sums are of whole numbers and exact in any order.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.frame_fidelity import CELL_COLUMNS, CELL_ROWS, FrameFidelity
from reelwright.media.repair_mask import DUST, SCRATCH
from reelwright.restoration.invention import UNIT, compare, squares
from reelwright.restoration.optical_flow import Codes

Luma = NDArray[np.float32]

_COARSE, _BLOCK = 8, 16
# Immerkaer's mask (Computer Vision and Image Understanding 64(2), 1996) sees noise and no edges. The mean of its
# result's absolute values is 6 (2 / pi)^0.5 standard deviations.
_NOISE_TAPS = np.array([1, -2, 1], np.float32)
_NOISE_MEAN = 4.787
_QUIET = 0.25
# Lasting lines stand out by four levels, in eighths as `measurement.scratch_map` has them. A sample on one was changed
# when it lost two levels.
_LINE_STEPS, _NO_LINE = 32, 128
_CHANGED, _MOST = 2 * UNIT, 1 << 15
_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Reference:
    """The source's luma, against which a frame is measured, in [0, 1] of the largest code value.

    Attributes:
        luma: (H, W) float32, after deflickering, without its dust.
        toned: (H, W) float32, the same with its tone opened; `luma` itself where it is left.
        repaired: (H, W) uint8, `repaired_samples`; None when no neighbours were read.
        scratch: (H, W) or larger, uint8, `measurement.Measurement.scratch`; None when no neighbours were read.
    """

    luma: Luma
    toned: Luma
    repaired: Codes | None
    scratch: Codes | None


def repaired_samples(codes: Codes, repaired: Codes, shape: tuple[int, int]) -> Codes:
    """Which of a frame's samples were replaced as dust.

    Args:
        codes: (H, W) uint8, the frame.
        repaired: (H, W) uint8, the same repaired.
        shape: rows and columns of the frame; what lies beyond is an extension.

    Returns:
        (H, W) uint8 of this shape: by how much, 0 for those that were left.
    """
    rows, columns = shape
    return np.asarray(cv2.absdiff(codes[:rows, :columns], repaired[:rows, :columns]), np.uint8)


@dataclass(frozen=True, slots=True)
class MeasuredFidelity:
    """What was measured of a restored frame, and where.

    Attributes:
        figures: how it agrees with its source.
        mask: (H, W) uint8, sums of `DUST` and `SCRATCH`: which samples of the source the repair changed. They are
            those that `figures` counts. None when no neighbours were read.
        departure: (h, w) float32, how far it departs in each block of 16x16 samples: mean of the squares, in squared
            levels, of new detail without support and of coarse difference.
    """

    figures: FrameFidelity
    mask: Codes | None
    departure: NDArray[np.float32]


def measure_fidelity(reference: Reference, restored: Luma) -> MeasuredFidelity:
    """Measures a restored frame's luma; the tint is left at 0.

    Args:
        reference: what it is measured against.
        restored: (scale * H, scale * W) float32, with its tone and grain, in the unit of the reference.
    """
    rows, columns = reference.luma.shape
    before = _sixteenths(reference.luma)
    toned = before if reference.toned is reference.luma else _sixteenths(reference.toned)
    compared = compare(reference.toned, restored)
    small = _sixteenths(compared.small)
    difference = cv2.subtract(small, toned)
    coarse = _reduced(difference, min(_COARSE, rows, columns))
    excess = _excess(compared.energy, toned)
    scratched = _scratched(reference.scratch, difference)
    figures = {
        "difference": _root_mean_square(difference),
        "coarse_difference": _root_mean_square(coarse),
        "invention": compared.octave,
        "invention_finest": compared.finest,
        "unsupported": float(np.sqrt(excess.mean(dtype=np.float64))),
        "level_before": cv2.mean(before)[0] / UNIT,
        "level_after": cv2.mean(small)[0] / UNIT,
        "grain_before": _noise(before),
        "grain_after": _noise(small),
    }
    found = FrameFidelity(
        **{name: round(value, _DIGITS) for name, value in figures.items()},
        cells_before=_cell_means(before),
        cells_after=_cell_means(small),
        tint=0.0,
        repaired=_share(reference.repaired),
        scratched=_share(scratched),
    )
    contradicted = cv2.resize(squares(coarse), excess.shape[::-1], interpolation=cv2.INTER_AREA)
    return MeasuredFidelity(found, _mask(reference.repaired, scratched), excess + np.asarray(contradicted, np.float32))


def _mask(repaired: Codes | None, scratched: cv2.typing.MatLike | None) -> Codes | None:
    if repaired is None:
        return None
    mask = np.where(repaired > 0, np.uint8(DUST), np.uint8(0))
    if scratched is not None:
        mask[np.asarray(scratched) > 0] += SCRATCH
    return mask


def _reduced(values: cv2.typing.MatLike, across: int, down: int = 0) -> cv2.typing.MatLike:
    """Values averaged over so many columns and rows, by default over squares; the rest at the far edges is left out."""
    down = down or across
    rows, columns = values.shape[0] // down, values.shape[1] // across
    return cv2.resize(values[: rows * down, : columns * across], (columns, rows), interpolation=cv2.INTER_AREA)


def _cell_means(luma: cv2.typing.MatLike) -> tuple[int, ...]:
    """The mean of each cell, in the unit of the luma; empty where there are fewer samples than cells."""
    rows, columns = luma.shape[0] // CELL_ROWS, luma.shape[1] // CELL_COLUMNS
    if not rows or not columns:
        return ()
    # A column of a cell adds up to less than 2**24, so that float32 is exact.
    strips = [
        cv2.reduce(luma[top : top + rows, : columns * CELL_COLUMNS], 0, cv2.REDUCE_SUM, dtype=cv2.CV_32F)
        for top in range(0, rows * CELL_ROWS, rows)
    ]
    sums = np.reshape(strips, (-1, columns)).sum(axis=1, dtype=np.float64)
    return tuple(int(value) for value in np.rint(sums / (rows * columns)))


def _excess(energy: NDArray[np.float32], reference: cv2.typing.MatLike) -> NDArray[np.float32]:
    """What new detail has over the finest octave of the reference, block by block, as its mean square."""
    blocks = _blocks(reference)
    if min(reference.shape) < 2:
        return np.full(blocks, max(0.0, float(energy.mean(dtype=np.float64))), np.float32)
    own = _in_blocks(cv2.subtract(_reduced(squares(reference), 2), squares(_reduced(reference, 2))), blocks)
    fine = _in_blocks(energy, blocks)
    return np.maximum(fine - np.maximum(own, 0), 0)


def _share(mask: cv2.typing.MatLike | None) -> float:
    return 0.0 if mask is None else round(cv2.countNonZero(mask) / mask.size, 6)


def _scratched(scratch: Codes | None, difference: cv2.typing.MatLike) -> cv2.typing.MatLike | None:
    """The samples that were changed on lasting lines, 255 each; None for none."""
    if scratch is None:
        return None
    rows, columns = difference.shape
    line = scratch[:rows, :columns]
    bright = cv2.inRange(line, (_NO_LINE + _LINE_STEPS,), (255,))
    dark = cv2.inRange(line, (0,), (_NO_LINE - _LINE_STEPS,))
    if not (cv2.countNonZero(bright) or cv2.countNonZero(dark)):
        return None
    darker = cv2.inRange(difference, (-_MOST,), (-_CHANGED,))
    brighter = cv2.inRange(difference, (_CHANGED,), (_MOST,))
    return cv2.bitwise_or(cv2.bitwise_and(bright, darker), cv2.bitwise_and(dark, brighter))


def _noise(luma: cv2.typing.MatLike) -> float:
    """Standard deviation of the noise in the quietest quarter of a picture, in levels; flat blocks do not count."""
    if min(luma.shape) < 3:
        return 0.0
    found = np.abs(cv2.sepFilter2D(luma, cv2.CV_32F, _NOISE_TAPS, _NOISE_TAPS)[1:-1, 1:-1])
    blocks = _in_blocks(found, _blocks(found)).ravel()
    noisy = np.sort(blocks[blocks > 0])
    return float(noisy[int(_QUIET * len(noisy))]) / _NOISE_MEAN / UNIT if len(noisy) else 0.0


def _sixteenths(luma: cv2.typing.MatLike) -> cv2.typing.MatLike:
    """Luma in [0, 1] as sixteenths of an 8-bit level, int16; what is far outside is clipped."""
    return cv2.addWeighted(luma, 255 * UNIT, luma, 0, 0, dtype=cv2.CV_16S)


def _blocks(values: cv2.typing.MatLike) -> tuple[int, int]:
    """Rows and columns of the blocks of a picture."""
    rows, columns = values.shape
    return max(1, rows // _BLOCK), max(1, columns // _BLOCK)


def _in_blocks(values: cv2.typing.MatLike, blocks: tuple[int, int]) -> NDArray[np.float32]:
    """The mean in each of so many rows and columns of blocks."""
    # Over whole values first, where OpenCV is fast; up to three rows and columns at the far edges are left out. Where a
    # block has few rows, as with every fifth one, means of four of them would reach far into the next block.
    across = 4 if min(values.shape) >= _BLOCK else 1
    down = across if len(values) >= _BLOCK // 2 * blocks[0] else 1
    few = _reduced(values, across, down) if across > 1 else values
    return np.asarray(cv2.resize(few, blocks[::-1], interpolation=cv2.INTER_AREA), np.float32)


def _root_mean_square(values: cv2.typing.MatLike) -> float:
    """In levels."""
    return float((cv2.norm(values, cv2.NORM_L2SQR) / values.size) ** 0.5) / UNIT
