"""Measures the damage of a frame within its aligned window: grain, codec, blur, dust of one frame, lasting scratches.

What the frames of a shot share is the scene; what differs after alignment is damage. All levels are 8-bit code values.
Every function is pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.frame_damage import FrameDamage
from reelwright.restoration.alignment import AlignedWindow, Codes, Window
from reelwright.restoration.dust import CERTAIN_DUST
from reelwright.restoration.window_network import MIDDLE

# Grain of this many levels is 1 for the network.
_GRAIN_UNIT = 16.0
# Mean of |z| over the smallest 70 % of |z|, z standard normal: (2 / pi)^0.5 (1 - exp(-q^2 / 2)) / 0.7, q = 1.0364.
_TRIMMED_SHARE, _TRIMMED_MEAN = 0.7, 0.4736
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
    """Measures the grain of aligned frames, (5, H, W) uint8; 0 where none of them is a neighbour of the middle one."""
    neighbours = _neighbours(frames)
    return GrainMeasurement(grain_sigma(frames, neighbours), grain_size(frames, neighbours))


def grain_sigma(frames: Codes, neighbours: Sequence[int]) -> float:
    """Standard deviation of the grain, from the quietest neighbour's difference to the middle frame.

    The mean of the smallest 70 % of the absolute differences is not moved by dust, nor by what was not aligned. Cubic
    resampling takes a little of the neighbour's grain away, so that moving film reads up to a sixth too low.

    Args:
        frames: (5, H, W) uint8, aligned.
        neighbours: indices of the frames to compare with the middle one, which are no copies of it.

    Returns:
        Levels; 0 without neighbours.
    """
    found = []
    for index in neighbours:
        counts = _histogram(cv2.absdiff(frames[index], frames[MIDDLE]))
        below = np.minimum(np.cumsum(counts), _TRIMMED_SHARE * frames[MIDDLE].size)
        mean = float((np.diff(below, prepend=0) * np.arange(256)).sum()) / (_TRIMMED_SHARE * frames[MIDDLE].size)
        found.append(mean / _TRIMMED_MEAN / np.sqrt(2))
    return min(found, default=0.0)


def grain_size(frames: Codes, neighbours: Sequence[int]) -> float:
    """Correlation between adjacent pixels of the difference to the quietest neighbour, cut off at three sigma.

    Args:
        frames: (5, H, W) uint8, aligned.
        neighbours: as for `grain_sigma`.

    Returns:
        0 to 1, the mean of both directions; 0 without neighbours.
    """
    if not neighbours:
        return 0.0
    nearest = min(neighbours, key=lambda i: cv2.norm(frames[i], frames[MIDDLE], cv2.NORM_L1))
    quietest = cv2.subtract(frames[nearest], frames[MIDDLE], dtype=cv2.CV_32F)
    counts = np.cumsum(_histogram(cv2.absdiff(frames[nearest], frames[MIDDLE])))
    median = float(np.searchsorted(counts, counts[-1] / 2))
    limit = 3 * max(1.0, median * 1.4826)
    d = np.clip(quietest, -limit, limit, out=quietest)
    energy = float((d * d).mean()) + 1e-6
    pair = (float((d[:, 1:] * d[:, :-1]).mean()) + float((d[1:] * d[:-1]).mean())) / 2
    return float(np.clip(pair / energy, 0, 1))


def blockiness(frame: Codes) -> float:
    """Excess of the gradient at the borders of 8x8 blocks, in whatever phase they lie.

    Args:
        frame: (H, W) uint8.

    Returns:
        0 (none) to 1 (at least twice the gradient elsewhere), the mean of both directions.
    """
    found = []
    for turned in (frame, frame.T):
        steps = cv2.absdiff(np.ascontiguousarray(turned[:, 1:]), np.ascontiguousarray(turned[:, :-1]))
        columns = np.asarray(cv2.reduce(steps, 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F), np.float32)[0]
        whole = columns[: len(columns) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
        phases = np.median(whole, axis=0)
        found.append(float(phases.max() / (np.median(phases) + 0.1)) - 1)
    return float(np.clip(np.mean(found), 0, 1))


def sharpness(frame: Codes) -> float:
    """Energy of the finest detail relative to that of detail twice as large.

    Second differences one pixel apart against two pixels apart: 1 is as sharp as white noise, 0 is wholly blurred.

    Args:
        frame: (H, W) uint8.
    """
    field = frame.astype(np.float32)
    found = []
    for turned in (field, field.T):
        fine = turned[:, :-2] - 2 * turned[:, 1:-1] + turned[:, 2:]
        wide = turned[:, :-4] - 2 * turned[:, 2:-2] + turned[:, 4:]
        found.append(float(np.abs(fine).mean()) / (float(np.abs(wide).mean()) + 0.25))
    return float(np.clip(np.mean(found), 0, 1))


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


def _neighbours(frames: Codes) -> list[int]:
    """The frames that are not the middle one nor a copy of it that stands in at the end of a shot."""
    others = (index for index in range(len(frames)) if index != MIDDLE)
    return [index for index in others if not np.array_equal(frames[index], frames[MIDDLE])]
