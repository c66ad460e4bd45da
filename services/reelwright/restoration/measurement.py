"""Measures the damage of a frame within its aligned window: grain, codec, blur, dust of one frame, lasting scratches.

What the frames of a shot share is the scene; what differs after alignment is damage. All levels are 8-bit code values.
Every function is pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.frame_damage import FrameDamage
from reelwright.restoration.alignment import AlignedWindow
from reelwright.restoration.dust import CERTAIN_DUST
from reelwright.restoration.optical_flow import Codes, Window
from reelwright.restoration.window_network import MIDDLE

# Grain of this many levels is 1 for the network.
_GRAIN_UNIT = 16.0
# Mean of |z| over the smallest 70 % of |z|, z standard normal: (2 / pi)^0.5 (1 - exp(-q^2 / 2)) / 0.7, q = 1.0364.
_TRIMMED_SHARE, _TRIMMED_MEAN = 0.7, 0.4736
# Neighbours whose grain is measured.
_TRIED = 2
# Second differences.
_FINE_TAPS, _WIDE_TAPS = np.array([[1, -2, 1]], np.float32), np.array([[1, 0, -2, 0, 1]], np.float32)
# Side of the square, in pixels, on which block codecs transform.
_BLOCK = 8
_SCRATCH_ROWS, _SCRATCH_COLUMNS, _SCRATCH_STEPS = 33, 9, 8
NO_SCRATCH = 128


class GrainMeasurement(NamedTuple):
    """Grain of a frame.

    Attributes:
        sigma: standard deviation in levels.
        size: correlation between adjacent pixels, 0 to 1.
    """

    sigma: float
    size: float

    @property
    def smooth(self) -> float:
        """Sigma after binomial smoothing, which leaves 3/8 of it of white grain and nearly all of coarse grain's."""
        return self.sigma * (0.4 + 0.5 * self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The damage of the middle frame of a window.

    Attributes:
        grain: standard deviation in levels of what changes from frame to frame.
        grain_size: correlation of grain between adjacent pixels, 0 to 1; 0 is white noise.
        blockiness: excess of the gradient at the borders of 8x8 blocks over that elsewhere, 0 to 1.
        sharpness: energy of the finest detail relative to that of detail twice as large, 0 to 1.
        dust: (H, W) uint8, how far a speck stands out from its neighbours: 0 for none, `dust.CERTAIN_DUST` at the
            threshold, 255 from twice of it on.
        scratch: (H, W) uint8, how far a thin vertical line stands out; 128 is none, above is brighter, below darker.
    """

    grain: float
    grain_size: float
    blockiness: float
    sharpness: float
    dust: Codes
    scratch: Codes

    def figures(self) -> NDArray[np.float32]:
        """The figures as the network reads them: grain, its size, blockiness, sharpness; (4,) float32, about 0 to 1."""
        found = (self.grain / _GRAIN_UNIT, self.grain_size, self.blockiness, self.sharpness)
        return np.array(found, np.float32)

    def summary(self) -> FrameDamage:
        """The figures for the manifest; see `FrameDamage`."""
        return FrameDamage(
            grain=round(self.grain, 2),
            grain_size=round(self.grain_size, 3),
            blockiness=round(self.blockiness, 3),
            sharpness=round(self.sharpness, 3),
            dust=round(float((self.dust >= CERTAIN_DUST).mean()), 6),
        )


def measure(aligned: AlignedWindow, window: Window, grain: GrainMeasurement, dust: Codes) -> Measurement:
    """Measures the middle frame of a window.

    Args:
        aligned: the window in the geometry of its middle frame.
        window: five frames (H, W) uint8, as they were before: scratches keep their place while the scene moves.
        grain: see `measure_grain`.
        dust: (H, W) uint8, see `dust.Dust`.
    """
    middle = aligned.frames[MIDDLE]
    return Measurement(
        grain=grain.sigma,
        grain_size=grain.size,
        blockiness=blockiness(middle),
        sharpness=sharpness(middle),
        dust=dust,
        scratch=scratch_map(window),
    )


def measure_grain(frames: Codes) -> GrainMeasurement:
    """Measures the grain of a frame by what differs in its quietest neighbour.

    Args:
        frames: (5, H, W) uint8, aligned.

    Returns:
        No grain where none of them is a neighbour of the middle one, but a copy that stands in.
    """
    middle = frames[MIDDLE]
    # What differs in all is least in the quietest, but dust may be in the way, so two are looked at.
    differing = [cv2.norm(frame, middle, cv2.NORM_L1) for frame in frames]
    quiet = sorted((index for index in range(len(frames)) if differing[index]), key=differing.__getitem__)[:_TRIED]
    if not quiet:
        return GrainMeasurement(0.0, 0.0)
    counts = [_histogram(cv2.absdiff(frames[index], middle)) for index in quiet]
    return GrainMeasurement(min(map(_sigma, counts)), _size(frames[quiet[0]], middle, counts[0]))


def _sigma(counts: NDArray[np.float64]) -> float:
    """Standard deviation of the grain, in levels, from the histogram of absolute differences to a neighbour.

    The mean of the smallest 70 % of the absolute differences is not moved by dust, nor by what was not aligned. Cubic
    resampling takes a little of the neighbour's grain away, so that moving film reads up to a sixth too low.
    """
    most = _TRIMMED_SHARE * counts.sum()
    below = np.minimum(np.cumsum(counts), most)
    mean = float((np.diff(below, prepend=0) * np.arange(256)).sum()) / most
    return float(mean / _TRIMMED_MEAN / np.sqrt(2))


def _size(neighbour: Codes, middle: Codes, counts: NDArray[np.float64]) -> float:
    """Correlation between adjacent pixels of the difference to a neighbour, cut off at three sigma.

    Args:
        neighbour: (H, W) uint8.
        middle: (H, W) uint8.
        counts: histogram of their absolute differences.

    Returns:
        0 to 1, the mean of both directions.
    """
    below = np.cumsum(counts)
    median = float(np.searchsorted(below, below[-1] / 2))
    limit = 3 * max(1.0, median * 1.4826)
    difference = np.asarray(cv2.subtract(neighbour, middle, dtype=cv2.CV_32F), np.float32)
    np.clip(difference, -limit, limit, out=difference)
    energy = cv2.norm(difference, cv2.NORM_L2SQR) / difference.size + 1e-6
    across = _mean_product(difference[:, 1:], difference[:, :-1])
    down = _mean_product(difference[1:], difference[:-1])
    return float(np.clip((across + down) / 2 / energy, 0, 1))


def _mean_product(values: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    """The mean of the products of two fields, by (a^2 + b^2 - (a - b)^2) / 2: OpenCV sums squares fast."""
    squares = cv2.norm(values, cv2.NORM_L2SQR) + cv2.norm(others, cv2.NORM_L2SQR)
    return (squares - cv2.norm(values, others, cv2.NORM_L2SQR)) / 2 / values.size


def blockiness(frame: Codes) -> float:
    """Excess of the gradient at the borders of 8x8 blocks, in whatever phase they lie.

    Args:
        frame: (H, W) uint8.

    Returns:
        0 (none) to 1 (at least twice the gradient elsewhere), the mean of both directions.
    """
    found = []
    for axis, steps in enumerate((cv2.absdiff(frame[:, 1:], frame[:, :-1]), cv2.absdiff(frame[1:], frame[:-1]))):
        lines = np.asarray(cv2.reduce(steps, axis, cv2.REDUCE_AVG, dtype=cv2.CV_32F), np.float32).ravel()
        whole = lines[: len(lines) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
        phases = np.median(whole, axis=0)
        found.append(float(phases.max() / (np.median(phases) + 0.1)) - 1)
    return float(np.clip(np.mean(found), 0, 1))


def sharpness(frame: Codes) -> float:
    """Energy of the finest detail relative to that of detail twice as large.

    Second differences one pixel apart against two pixels apart: 1 is as sharp as white noise, 0 is wholly blurred.

    Args:
        frame: (H, W) uint8.
    """
    found = []
    for turn in (np.asarray, np.transpose):
        fine, wide = (_mean_absolute(frame, turn(taps)) for taps in (_FINE_TAPS, _WIDE_TAPS))
        found.append(fine / (wide + 0.25))
    return float(np.clip(np.mean(found), 0, 1))


def _mean_absolute(frame: Codes, taps: NDArray[np.float32]) -> float:
    """The mean of the absolute values of a filtered frame, without those that taps beyond its edges gave."""
    down, right = (side // 2 for side in taps.shape)
    rows, columns = frame.shape
    inner = cv2.filter2D(frame, cv2.CV_16S, taps)[down : rows - down, right : columns - right]
    return cv2.norm(inner, cv2.NORM_L1) / inner.size


def scratch_map(window: Window) -> Codes:
    """Thin vertical lines that stand at one place in the frame while the scene moves.

    Each frame less its mean over nine columns, averaged over 33 rows and over the three middle frames.

    Args:
        window: five frames (H, W) uint8, not aligned.

    Returns:
        (H, W) uint8; 128 is none, 8 steps are one level.
    """
    before, middle, after = window[MIDDLE - 1 : MIDDLE + 2]
    frames = cv2.add(cv2.add(before, middle, dtype=cv2.CV_16S), after, dtype=cv2.CV_16S)
    # Sums of whole numbers, in units of a ninth of a level, are exact in any order.
    mean = cv2.boxFilter(frames, cv2.CV_16S, (_SCRATCH_COLUMNS, 1), normalize=False)
    lines = cv2.addWeighted(frames, _SCRATCH_COLUMNS, mean, -1, 0)
    summed = cv2.boxFilter(lines, cv2.CV_32F, (1, _SCRATCH_ROWS), normalize=False)
    share = _SCRATCH_STEPS / (3 * _SCRATCH_COLUMNS * _SCRATCH_ROWS)
    return np.asarray(cv2.addWeighted(summed, share, summed, 0, NO_SCRATCH, dtype=cv2.CV_8U), np.uint8)


def _histogram(codes: cv2.typing.MatLike) -> NDArray[np.float64]:
    """How often each of the 256 values of uint8 codes occurs."""
    return np.asarray(cv2.calcHist([codes], [0], None, [256], [0, 256]), np.float64).ravel()
