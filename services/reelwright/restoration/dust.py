"""Finds dust: specks of one frame that both adjacent frames lack (spike detection, Kokaram 1998)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.alignment import Codes

Field = NDArray[np.float32]

# A score from here on is past the threshold.
CERTAIN_DUST = 127
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
    first, before, middle, after, last = (cv2.GaussianBlur(frame, (3, 3), 0) for frame in frames)
    spike = cv2.max(
        cv2.subtract(middle, cv2.max(before, after)),
        cv2.subtract(cv2.min(before, after), middle),
    )
    # Binomial smoothing leaves 3/8 of the sigma of white grain and nearly all of coarse grain's.
    smooth = grain * (0.4 + 0.5 * size)
    threshold = max(_DUST_LEVELS, _DUST_SIGMAS * smooth)
    nothing = np.zeros(middle.shape, np.uint8)
    if cv2.minMaxLoc(spike)[1] <= threshold:
        return nothing
    rim = (spike > threshold * _DUST_RIM).astype(np.uint8)
    count, labels = cv2.connectedComponents(rim, connectivity=8)
    core = np.zeros(count, np.uint8)
    np.maximum.at(core, labels[rim > 0], spike[rim > 0])
    around = cv2.dilate(labels.astype(np.float32), np.ones((2 * _RING + 1, 2 * _RING + 1), np.uint8)).astype(np.int32)
    around[cv2.dilate(rim, np.ones((3, 3), np.uint8)) > 0] = 0
    good = core > threshold
    good &= _means(labels, _apart(first, before, after, last), good) < _APART_SHARE * np.maximum(core, threshold)
    good &= _means(around, _stray(before, middle, after), good) < np.minimum(
        _STRAY_SHARE * core, _STRAY_LEVELS + 1.5 * smooth
    )
    kept = good[labels]
    if not good.any() or kept.mean() > _DUST_SHARE:
        return nothing
    grown = cv2.dilate(np.where(kept, spike, 0).astype(np.float32), np.ones((3, 3), np.uint8))
    return np.asarray(np.clip(grown * np.float32(127.5 / threshold), 0, 255), np.uint8)


def _apart(first: Codes, before: Codes, after: Codes, last: Codes) -> Codes:
    """How far three of four frames lie apart, without the one that differs most; (H, W) uint8."""
    low, high = cv2.min(first, before), cv2.max(first, before)
    other_low, other_high = cv2.min(after, last), cv2.max(after, last)
    inner, other_inner = cv2.max(low, other_low), cv2.min(high, other_high)
    without_least = cv2.subtract(cv2.max(high, other_high), cv2.min(inner, other_inner))
    without_greatest = cv2.subtract(cv2.max(inner, other_inner), cv2.min(low, other_low))
    return np.asarray(cv2.min(without_least, without_greatest), np.uint8)


def _stray(before: Codes, middle: Codes, after: Codes) -> Field:
    """How far the three frames lie apart: the outer two, or the middle one and their mean; (H, W) float32."""
    mean = cv2.addWeighted(before, 0.5, after, 0.5, 0, dtype=cv2.CV_32F)
    outer = cv2.absdiff(before, after).astype(np.float32)
    return np.asarray(cv2.max(outer, cv2.absdiff(middle.astype(np.float32), mean)), np.float32)


def _means(labels: NDArray[np.int32], values: NDArray[np.generic], wanted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The mean of `values` over the pixels of each wanted label, (labels,); 0 for the others."""
    here = np.flatnonzero(wanted[labels].ravel() & (labels.ravel() > 0))
    found, count = labels.ravel()[here], len(wanted)
    sums, counts = np.bincount(found, values.ravel()[here], count), np.bincount(found, minlength=count)
    return np.asarray(sums / np.maximum(counts, 1), np.float64)
