"""Measures the damage of a frame within its aligned window: grain, codec, blur, dust of one frame, lasting scratches.

What the frames of a shot share is the scene; what differs after alignment is damage. All levels are 8-bit code values.
Every function is pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.alignment import MIDDLE, AlignedWindow, Codes

Field = NDArray[np.float32]

# Mean of |z| over the smallest 70 % of |z|, z standard normal: (2 / pi)^0.5 (1 - exp(-q^2 / 2)) / 0.7, q = 1.0364.
_TRIMMED_SHARE, _TRIMMED_MEAN = 0.7, 0.4736
# Side of the square, in pixels, on which block codecs transform.
_BLOCK = 8
# A dust pixel stands out from both neighbours by this many grain sigmas and by this many levels at least.
_DUST_SIGMAS, _DUST_LEVELS = 4.6, 10.0
# The weaker rim of a speck belongs to it from this share of the threshold on.
_DUST_RIM = 0.5
# Specks cover less of a frame than this; more is a scene that was not aligned.
_DUST_SHARE = 0.1
# Around a speck, over this many pixels, the frames must differ by less than this share of its height and by less than
# these levels over grain; beneath it the other frames by less than the last share. All were chosen on seven moving
# clips, first for the least change to clean film, then for the most dust found.
_RING, _STRAY_SHARE, _STRAY_LEVELS, _APART_SHARE = 4, 0.3, 4.0, 0.2
_SCRATCH_ROWS, _SCRATCH_COLUMNS, _SCRATCH_STEPS = 33, 9, 8


@dataclass(frozen=True, slots=True)
class Measurement:
    """The damage of the middle frame of a window.

    Attributes:
        grain: standard deviation in levels of what changes from frame to frame.
        grain_size: correlation of grain between adjacent pixels, 0 to 1; 0 is white noise.
        blockiness: excess of the gradient at the borders of 8x8 blocks over that elsewhere, 0 to 1.
        sharpness: energy of the finest detail relative to that of detail twice as large, 0 to 1.
        dust: (H, W) uint8, how far a pixel stands out from both neighbours; 0 where nothing does, 255 for certain dust.
        scratch: (H, W) uint8, how far a thin vertical line stands out; 128 is none, above is brighter, below darker.
    """

    grain: float
    grain_size: float
    blockiness: float
    sharpness: float
    dust: Codes
    scratch: Codes


def measure(aligned: AlignedWindow, window: Codes) -> Measurement:
    """Measures the middle frame of a window.

    Args:
        aligned: the window in the geometry of its middle frame.
        window: (5, H, W) uint8, as it was before: scratches keep their place in it while the scene moves.
    """
    frames, middle = aligned.frames, aligned.frames[MIDDLE]
    grain = grain_sigma(frames)
    size = grain_size(frames)
    return Measurement(
        grain=grain,
        grain_size=size,
        blockiness=blockiness(middle),
        sharpness=sharpness(middle),
        dust=dust_map(frames, grain, size),
        scratch=scratch_map(window),
    )


def grain_sigma(frames: Codes) -> float:
    """Standard deviation of the grain, from the quietest neighbour's difference to the middle frame.

    The mean of the smallest 70 % of the absolute differences is not moved by dust, nor by what was not aligned. Cubic
    resampling takes a little of the neighbour's grain away, so that moving film reads up to a sixth too low.

    Args:
        frames: (5, H, W) uint8, aligned. Copies of the middle frame are passed over.

    Returns:
        Levels; 0 where every neighbour is a copy.
    """
    found = []
    for index in _neighbours(frames):
        counts = np.bincount(cv2.absdiff(frames[index], frames[MIDDLE]).ravel(), minlength=256)
        below = np.minimum(np.cumsum(counts), _TRIMMED_SHARE * frames[MIDDLE].size)
        mean = float((np.diff(below, prepend=0) * np.arange(256)).sum()) / (_TRIMMED_SHARE * frames[MIDDLE].size)
        found.append(mean / _TRIMMED_MEAN / np.sqrt(2))
    return min(found, default=0.0)


def grain_size(frames: Codes) -> float:
    """Correlation between adjacent pixels of the difference to the quietest neighbour, cut off at three sigma.

    Args:
        frames: (5, H, W) uint8, aligned.

    Returns:
        0 to 1, the mean of both directions; 0 where every neighbour is a copy.
    """
    differences = [cv2.subtract(frames[i], frames[MIDDLE], dtype=cv2.CV_32F) for i in _neighbours(frames)]
    if not differences:
        return 0.0
    quietest = min(differences, key=lambda d: float(np.abs(d).mean()))
    limit = 3 * max(1.0, float(np.median(np.abs(quietest))) * 1.4826)
    d = np.clip(quietest, -limit, limit)
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


def dust_map(frames: Codes, grain: float, size: float) -> Codes:
    """Where the middle frame stands out from both adjacent frames, on the same side (spike detection, Kokaram 1998).

    A speck counts where its core passes the threshold, where the other four frames agree with each other beneath it,
    and where the three middle ones agree around it. One of the four may differ, as it may have dust there too.
    Occlusion and what could not be aligned fail the last two. At the end of a shot, where a copy stands in for a
    neighbour, nothing is dust.

    Args:
        frames: (5, H, W) uint8, aligned.
        grain: sigma in levels.
        size: correlation of the grain between adjacent pixels.

    Returns:
        (H, W) uint8: 0 for none, 64 on the weakest rim of a speck, 127 at the threshold, 255 from twice of it on.
    """
    first, before, middle, after, last = (cv2.GaussianBlur(frame, (3, 3), 0).astype(np.float32) for frame in frames)
    spike = np.maximum(middle - np.maximum(before, after), np.minimum(before, after) - middle)
    # Binomial smoothing leaves 3/8 of the sigma of white grain and nearly all of coarse grain's.
    smooth = grain * (0.4 + 0.5 * size)
    threshold = max(_DUST_LEVELS, _DUST_SIGMAS * smooth)
    rim = (spike > threshold * _DUST_RIM).astype(np.uint8)
    count, labels = cv2.connectedComponents(rim, connectivity=8)
    if count < 2:
        return np.zeros(rim.shape, np.uint8)
    around = cv2.dilate(labels.astype(np.float32), np.ones((2 * _RING + 1, 2 * _RING + 1), np.uint8)).astype(np.int32)
    around[cv2.dilate(rim, np.ones((3, 3), np.uint8)) > 0] = 0
    ranked = np.sort(np.stack([first, before, after, last]), axis=0)
    apart = np.minimum(ranked[3] - ranked[1], ranked[2] - ranked[0])
    stray = np.maximum(np.abs(before - after), np.abs(middle - (before + after) / 2))
    core = np.zeros(count, np.float32)
    np.maximum.at(core, labels[rim > 0], spike[rim > 0])
    good = core > threshold
    good &= _means(labels, apart, count) < _APART_SHARE * np.maximum(core, threshold)
    good &= _means(around, stray, count) < np.minimum(_STRAY_SHARE * core, _STRAY_LEVELS + 1.5 * smooth)
    good[0] = False
    kept = good[labels]
    if kept.mean() > _DUST_SHARE:
        return np.zeros(rim.shape, np.uint8)
    grown = cv2.dilate(np.where(kept, spike, 0).astype(np.float32), np.ones((3, 3), np.uint8))
    return np.asarray(np.clip(grown * np.float32(127.5 / threshold), 0, 255), np.uint8)


def scratch_map(window: Codes) -> Codes:
    """Thin vertical lines that stand at one place in the frame while the scene moves.

    Each frame less its mean over nine columns, averaged over 33 rows and over the three middle frames.

    Args:
        window: (5, H, W) uint8, not aligned.

    Returns:
        (H, W) uint8; 128 is none, 8 steps are one level.
    """
    lines = np.zeros(window.shape[1:], np.float32)
    for index in (MIDDLE - 1, MIDDLE, MIDDLE + 1):
        frame = window[index].astype(np.float32)
        lines += frame - cv2.blur(frame, (_SCRATCH_COLUMNS, 1))
    steps = cv2.blur(lines, (1, _SCRATCH_ROWS)) * np.float32(_SCRATCH_STEPS / 3)
    return np.asarray(np.clip(np.rint(128 + steps), 0, 255), np.uint8)


def _neighbours(frames: Codes) -> list[int]:
    """The frames that are not the middle one nor a copy of it that stands in at the end of a shot."""
    others = (index for index in range(len(frames)) if index != MIDDLE)
    return [index for index in others if not np.array_equal(frames[index], frames[MIDDLE])]


def _means(labels: NDArray[np.int32], values: Field, count: int) -> NDArray[np.float64]:
    """The mean of `values` over the pixels of each label, (count,); 0 for a label without pixels."""
    flat = labels.ravel()
    sums, counts = np.bincount(flat, values.ravel(), count), np.bincount(flat, minlength=count)
    return np.asarray(sums / np.maximum(counts, 1), np.float64)
