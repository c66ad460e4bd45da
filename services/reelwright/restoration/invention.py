"""Compares a restored frame with the bicubic enlargement of its source.

Area averaging splits their difference into parts that are orthogonal to each other, octave by octave (a Haar
transform): the energy of a part is the energy before the averaging less that after it. What is lost on the way to the
source's size cannot be compared with the source: it is invented. Pictures are rounded to sixteenths of an 8-bit level,
so that the sums are of whole numbers and exact in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.float32]
Values = cv2.typing.MatLike

UNIT = 16
_PEAK = 255 * UNIT
# Samples of the restored picture that are compared at a time, and reduced at a time. Their arrays stay in the
# processor's cache; with those of whole pictures most of the time would go into memory and its pages.
_SAMPLES = 1 << 17
# Of the source's rows every one is compared, or every fifth one, which takes less than half of the time. An odd number:
# even and odd rows of video differ.
_STRIDES = {2: 1, 3: 5, 4: 5}
# OpenCV's bicubic kernel (Keys, IEEE ASSP 29(6), 1981, with this parameter) takes two samples on either side.
_CUBIC, _REACH = -0.75, 2
_NINTHS = np.full((1, 3), 1 / 9, np.float32)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A restored frame at its source's size, and the detail that is lost on the way there.

    Attributes:
        small: (H, W) float32, the restored luma made small by area averaging.
        octave: root mean square, in levels, of the lost detail in the octave above the source's.
        finest: the same in the octave above that; 0 at scales 2 and 3.
        energy: (h, W) float32, mean square, in squared levels, of all that is lost in each sample of the source's rows
            that are compared: of all H rows at scale 2, of every fifth one otherwise.
    """

    small: Luma
    octave: float
    finest: float
    energy: NDArray[np.float32]


def compare(reference: Luma, restored: Luma) -> Comparison:
    """Compares restored luma with the bicubic enlargement of its reference.

    Args:
        reference: (H, W) float32, in [0, 1] of the largest code value.
        restored: (scale * H, scale * W) float32, in the same unit; scale is 2, 3 or 4.
    """
    rows, columns = reference.shape
    scale = restored.shape[0] // rows
    stride = _STRIDES[scale]
    compared = range(min(stride // 2, rows - 1), rows, stride)
    step = max(1, _SAMPLES // (columns * scale**2))
    small, energy = (np.empty((count, columns), np.float32) for count in (rows, len(compared)))
    sums = np.zeros(3)
    for first in range(0, len(compared), step):
        part, band = slice(first, first + step), slice(first * stride, (first + step) * stride)
        average(restored[band.start * scale : band.stop * scale], scale, small[band])
        sums += _lost(_difference(reference, restored, compared[part]), scale, energy[part])
    average(restored[stride * len(compared) * scale :], scale, small[stride * len(compared) :])
    octaves = np.sqrt(np.maximum(0, sums[:-1] - sums[1:]) / energy.size) / UNIT
    return Comparison(small, float(octaves[1]), float(octaves[0]), energy)


def _difference(reference: Luma, restored: Luma, compared: range) -> Values:
    """Restored luma less the bicubic enlargement, in sixteenths of a level, int16, of some rows of the source."""
    columns, scale = reference.shape[1], restored.shape[0] // reference.shape[0]
    above, below = max(0, compared.start - _REACH), min(len(reference), compared[-1] + 1 + _REACH)
    own = restored[compared.start * scale : (compared[-1] + 1) * scale]
    if compared.step == 1:
        size = (columns * scale, (below - above) * scale)
        bicubic = cv2.resize(reference[above:below], size, interpolation=cv2.INTER_CUBIC)
        inner = bicubic[(compared.start - above) * scale :][: len(own)]
        return cv2.addWeighted(own, _PEAK, inner, -_PEAK, 0, dtype=cv2.CV_16S)
    detail = np.empty((len(compared) * scale, columns * scale), np.int16)
    # An enlarged sample lies at one of `scale` places between those of the source, and each place has its filter.
    for phase in range(scale):
        rows = _filtered(reference[above:below], _taps(phase, scale).T)
        rows = rows[compared.start - above : compared[-1] + 1 - above : compared.step]
        bicubic = cv2.merge([_filtered(rows, _taps(place, scale)) for place in range(scale)]).reshape(len(rows), -1)
        part, found = own[phase :: scale * compared.step], detail[phase::scale]
        cv2.addWeighted(part, _PEAK, bicubic, -_PEAK, 0, dst=found, dtype=cv2.CV_16S)
    return detail


def _lost(detail: Values, scale: int, energy: NDArray[np.float32]) -> NDArray[np.float64]:
    """Fills the energy of some rows of the source.

    Returns:
        (3,) sums of squares of the difference at its full size, at twice the source's (at its full size if that is
        less) and at the source's, per sample of the source, in squared sixteenths.
    """
    rows, columns = energy.shape
    half = cv2.resize(detail, (2 * columns, 2 * rows), interpolation=cv2.INTER_AREA) if scale == 4 else detail
    small = average(half, len(half) // rows, np.empty((rows, columns), np.int16))
    average(squares(detail), scale, energy)
    cv2.subtract(energy, squares(small), dst=energy)
    return np.array([cv2.norm(each, cv2.NORM_L2SQR) * energy.size / each.size for each in (detail, half, small)])


def _filtered(values: Values, taps: Values) -> Values:
    return cv2.filter2D(values, -1, taps, borderType=cv2.BORDER_REPLICATE)


@lru_cache
def _taps(phase: int, scale: int) -> NDArray[np.float32]:
    """(1, 5): what the five samples around give to this one of `scale` enlarged samples in place of the third."""
    away = np.abs(np.arange(-_REACH, _REACH + 1) - (phase + 0.5) / scale + 0.5)
    near = ((_CUBIC + 2) * away - (_CUBIC + 3)) * away**2 + 1
    far = ((_CUBIC * away - 5 * _CUBIC) * away + 8 * _CUBIC) * away - 4 * _CUBIC
    return np.where(away <= 1, near, np.where(away < 2, far, 0)).astype(np.float32)[None]


def average(values: Values, scale: int, found: Values) -> Values:
    """Fills a picture (H, W) with the means of squares of `scale` samples of a larger one, and returns it."""
    rows, columns = found.shape
    if not rows:
        return found
    # OpenCV is fast with squares of two samples; with whole rows it is fast in any case.
    if scale == 4:
        values = cv2.resize(values, (2 * columns, 2 * rows), interpolation=cv2.INTER_AREA)
    if scale == 3:
        sums = cv2.add(cv2.add(values[0::3], values[1::3]), values[2::3])
        return cv2.transform(sums.reshape(rows, columns, 3), _NINTHS, dst=found)
    return cv2.resize(values, (columns, rows), dst=found, interpolation=cv2.INTER_AREA)


def squares(values: Values) -> Values:
    """In squared levels, float32."""
    return cv2.multiply(values, values, scale=1 / UNIT**2, dtype=cv2.CV_32F)
