"""Measures how a restored frame agrees with its source.

Area averaging splits the difference between a restored picture and a bicubic enlargement into parts that are orthogonal
to each other, octave by octave (a Haar transform): the energy of a part is the energy before the averaging less that
after it. What is lost on the way to the source's size cannot be compared with the source: it is invented. What remains
can be, and is compared with the source itself. Pictures are rounded to sixteenths of an 8-bit level, so that the sums
are of whole numbers and exact in any order.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.frame_fidelity import FrameFidelity
from reelwright.media.picture import Picture, Plane
from reelwright.media.repair_mask import DUST, SCRATCH
from reelwright.restoration.alignment import Codes

Luma = NDArray[np.float32]

_UNIT = 16
_COARSE, _BLOCK = 8, 16
# Samples of the restored picture that are compared at a time, by scale; rows of the source that a bicubic kernel takes.
_STRIPS, _CUBIC_REACH = {2: 1 << 17, 3: 1 << 18, 4: 1 << 18}, 2
# Immerkaer's mask (Computer Vision and Image Understanding 64(2), 1996) sees noise and no edges. The mean of its
# result's absolute values is 6 (2 / pi)^0.5 standard deviations.
_NOISE_TAPS = np.array([1, -2, 1], np.float32)
_NOISE_MEAN = 4.787
_QUIET = 0.25
# Lasting lines stand out by four levels, in eighths as `measurement.scratch_map` has them. A sample on one was changed
# when it lost two levels.
_LINE_STEPS, _NO_LINE = 32, 128
_CHANGED, _MOST = 2 * _UNIT, 1 << 15
_TINT_PARTS = 4
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


def repair_mask(reference: Reference, restored: Luma) -> Codes:
    """Which samples the repair changed; the shares that `measure_fidelity` finds are counted by the same rules.

    Args:
        reference: the frame.
        restored: as of `measure_fidelity`.

    Returns:
        (H, W) uint8: sums of `DUST` and `SCRATCH`.
    """
    rows, columns = reference.luma.shape
    mask = np.zeros((rows, columns), np.uint8)
    if reference.repaired is not None:
        mask[reference.repaired > 0] = DUST
    small = _sixteenths(cv2.resize(restored, (columns, rows), interpolation=cv2.INTER_AREA))
    scratched = _scratched(reference.scratch, cv2.subtract(small, _sixteenths(reference.toned)))
    if scratched is not None:
        mask[np.asarray(scratched) > 0] += SCRATCH
    return mask


def measure_fidelity(reference: Reference, restored: Luma) -> FrameFidelity:
    """Measures a restored frame's luma; the tint is left at 0.

    Args:
        reference: what it is measured against.
        restored: (scale * H, scale * W) float32, with its tone and grain, in the unit of the reference.
    """
    rows, columns = reference.luma.shape
    before = _sixteenths(reference.luma)
    toned = before if reference.toned is reference.luma else _sixteenths(reference.toned)
    small = _sixteenths(cv2.resize(restored, (columns, rows), interpolation=cv2.INTER_AREA))
    difference = cv2.subtract(small, toned)
    invention = _invention_of(reference.toned, restored)
    figures = {
        "difference": _root_mean_square(difference),
        "coarse_difference": _root_mean_square(_reduced(difference, min(_COARSE, rows, columns))),
        "invention": invention.octave,
        "invention_finest": invention.finest,
        "unsupported": _unsupported(invention.energy, toned),
        "level_before": cv2.mean(before)[0] / _UNIT,
        "level_after": cv2.mean(small)[0] / _UNIT,
        "grain_before": _noise(before),
        "grain_after": _noise(small),
    }
    return FrameFidelity(
        **{name: round(value, _DIGITS) for name, value in figures.items()},
        tint=0.0,
        repaired=_share(reference.repaired),
        scratched=_share(_scratched(reference.scratch, difference)),
    )


@dataclass(frozen=True, slots=True)
class _Invention:
    """Detail beyond the bicubic enlargement that area averaging loses, in levels; `FrameFidelity` has the first two.

    Attributes:
        octave: root mean square in the octave above the source's.
        finest: root mean square in the octave above that.
        energy: (h, w) float32, mean square in each block.
    """

    octave: float
    finest: float
    energy: NDArray[np.float32]


def _invention_of(reference: Luma, restored: Luma) -> _Invention:
    rows, columns = reference.shape
    energy = np.empty((rows, columns), np.float32)
    sums = np.zeros(3)
    # Strips that stay in the processor's cache: with large new arrays most of the time would go into their pages.
    scale = restored.shape[0] // rows
    step = max(1, _STRIPS[scale] // (columns * scale**2))
    for first in range(0, rows, step):
        last = min(rows, first + step)
        sums += _invented(reference, restored, range(first, last), energy[first:last])
    lost = np.sqrt(np.maximum(0, sums[:-1] - sums[1:]) / rows / columns) / _UNIT
    return _Invention(float(lost[1]), float(lost[0]), _in_blocks(energy))


def _invented(reference: Luma, restored: Luma, part: range, energy: NDArray[np.float32]) -> NDArray[np.float64]:
    """Fills the energy of some rows of the source; sums of squares at three sizes, per sample of the source."""
    rows, columns = reference.shape
    first, last, scale = part.start, part.stop, restored.shape[0] // rows
    above, below = max(0, first - _CUBIC_REACH), min(rows, last + _CUBIC_REACH)
    around = (columns * scale, (below - above) * scale)
    bicubic = cv2.resize(reference[above:below], around, interpolation=cv2.INTER_CUBIC)
    own, inner = slice(first * scale, last * scale), slice((first - above) * scale, (last - above) * scale)
    factor = 255 * _UNIT
    detail = cv2.addWeighted(restored[own], factor, bicubic[inner], -factor, 0, dtype=cv2.CV_16S)
    half = detail
    if scale == 4:
        half = cv2.resize(detail, (2 * columns, 2 * (last - first)), interpolation=cv2.INTER_AREA)
    small = cv2.resize(half, (columns, last - first), interpolation=cv2.INTER_AREA)
    cv2.subtract(_reduced(_squares(detail), scale), _squares(small), dst=energy)
    return np.array([cv2.norm(each, cv2.NORM_L2SQR) * small.size / each.size for each in (detail, half, small)])


def _reduced(values: cv2.typing.MatLike, factor: int) -> cv2.typing.MatLike:
    """Values averaged over squares; what is left over at the far edges is left out."""
    rows, columns = (side // factor for side in values.shape)
    return cv2.resize(values[: rows * factor, : columns * factor], (columns, rows), interpolation=cv2.INTER_AREA)


def _unsupported(fine: NDArray[np.float32], reference: cv2.typing.MatLike) -> float:
    """Root mean square of what new detail has over the finest octave of the reference, block by block."""
    if min(reference.shape) < 2:
        return float(np.sqrt(max(0.0, float(fine.mean(dtype=np.float64)))))
    own = cv2.subtract(_reduced(_squares(reference), 2), _squares(_reduced(reference, 2)))
    own = _in_blocks(own, fine.shape)
    excess = np.maximum(fine - np.maximum(own, 0), 0)
    return float(np.sqrt(excess.mean(dtype=np.float64)))


def tint_of(source: Picture, restored: Picture, gain: float) -> float:
    """By how many 8-bit levels the mean chroma of a restored picture differs from the source's where it does most.

    Args:
        source: the frame; without chroma it counts as neutral.
        restored: the same restored.
        gain: code values of `restored` per code value of `source`.
    """
    target = restored.format
    worst = 0.0
    for number in range(1, target.planes):
        found = _means(restored.planes[number]) - target.neutral
        if source.format.planes == target.planes:
            found = found - gain * (_means(source.planes[number]) - source.format.neutral)
        worst = max(worst, float(np.abs(found).max()))
    # A damaged picture may have codes above its depth.
    return round(min(worst / 2.0 ** (target.depth - 8), 4096.0), _DIGITS)


def _means(plane: Plane) -> NDArray[np.float64]:
    """The means of a plane's parts, of which there are up to 4x4."""
    rows = np.linspace(0, plane.shape[0], min(_TINT_PARTS, plane.shape[0]) + 1).astype(int)
    columns = np.linspace(0, plane.shape[1], min(_TINT_PARTS, plane.shape[1]) + 1).astype(int)
    parts = [
        cv2.mean(plane[rows[i] : rows[i + 1], columns[j] : columns[j + 1]])[0]
        for i in range(len(rows) - 1)
        for j in range(len(columns) - 1)
    ]
    return np.array(parts, np.float64)


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
    blocks = _in_blocks(found).ravel()
    noisy = np.sort(blocks[blocks > 0])
    return float(noisy[int(_QUIET * len(noisy))]) / _NOISE_MEAN / _UNIT if len(noisy) else 0.0


def _sixteenths(luma: cv2.typing.MatLike) -> cv2.typing.MatLike:
    """Luma in [0, 1] as sixteenths of an 8-bit level, int16; what is far outside is clipped."""
    return cv2.addWeighted(luma, 255 * _UNIT, luma, 0, 0, dtype=cv2.CV_16S)


def _in_blocks(values: cv2.typing.MatLike, shape: tuple[int, ...] = ()) -> NDArray[np.float32]:
    """The mean in each block of a picture, of 16x16 values or as many blocks as `shape` says."""
    rows, columns = shape or (max(1, side // _BLOCK) for side in values.shape)
    # Over whole values first, where OpenCV is fast; up to three rows and columns at the far edges are left out.
    few = _reduced(values, 4) if min(values.shape) >= _BLOCK else values
    return np.asarray(cv2.resize(few, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)


def _squares(values: cv2.typing.MatLike) -> cv2.typing.MatLike:
    """In squared levels, float32."""
    return cv2.multiply(values, values, scale=1 / _UNIT**2, dtype=cv2.CV_32F)


def _root_mean_square(values: cv2.typing.MatLike) -> float:
    """In levels."""
    return float((cv2.norm(values, cv2.NORM_L2SQR) / values.size) ** 0.5) / _UNIT
