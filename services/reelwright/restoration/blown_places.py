"""Finds where the middle frame of a window is blown out and its neighbours may not be, at half the size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.optical_flow import Codes, Window
from reelwright.restoration.window_network import FRAMES, MIDDLE

Mask = NDArray[np.bool_]

# A place is blown out that is closer to white than this, in 8-bit codes, and as flat (variance). A neighbour shows
# something that is so far from white.
BLOWN, SHOWN = 4, 24
_FLAT = 4.0
# Half-size pixels of a place that two neighbours show, at least; so many of the largest places are looked at.
_LEAST, _MOST_PLACES = 12, 3
# What is looked at around a place, and how far beside it light must fade, as shares of the picture's height; half-size
# pixels next to it show little but light, and so many beside them tell whether it fades, at least.
_AROUND, _BESIDE, _GLOW, _LEAST_BESIDE = 1 / 8, 0.03, 3, 20
# Quantiles of luma may differ by this share between frames of the same exposure.
_QUANTILES, _SAME_EXPOSURE = (0.1, 0.25, 0.5), 0.05


@dataclass(frozen=True, slots=True)
class BlownPlace:
    """A blown place of the middle frame and what is around it, at half the size.

    Attributes:
        top: first row.
        left: first column.
        blown: (h, w), the place.
        beside: (h, w), what is neither this place nor another one, nor next to one.
        far: (h, w), what is so far from each that its motion is not that of the light.
        reach: over so many pixels light must fade beside the place.
        middle: (h, w) uint8, the middle frame.
    """

    top: int
    left: int
    blown: Mask
    beside: Mask
    far: Mask
    reach: int
    middle: Codes

    def cut(self, frame: Codes) -> Codes:
        """The same part of another half-size frame."""
        rows, columns = self.blown.shape
        return frame[self.top : self.top + rows, self.left : self.left + columns]

    def zone(self, seen: Codes, white: float) -> Mask:
        """What lies beside the part that a neighbour shows and is blown out in neither; nothing if that is too small.

        Args:
            seen: (h, w) uint8, the neighbour.
            white: the shot's white as a code of 8 bits.
        """
        clear = seen < white - SHOWN
        shown = (self.blown & clear).astype(np.uint8)
        zone = (cv2.dilate(shown, square(self.reach)) > 0) & self.beside & clear & (self.middle < white - BLOWN)
        return zone if np.count_nonzero(zone) >= _LEAST_BESIDE else np.zeros_like(zone)

    def light(self, seen: Codes, white: float) -> float:
        """The light in the zone that the neighbour lacks, as a share of what it lacks to white; 0 without a zone."""
        zone = self.zone(seen, white)
        if not zone.any():
            return 0.0
        levels = seen[zone].astype(np.float64)
        return float(np.median((self.middle[zone] - levels) / (white - levels)))


def blown_places(small: Window, white: float) -> tuple[list[BlownPlace], list[int]]:
    """The largest blown places, and the neighbours that may show them.

    Args:
        small: `optical_flow.flow_luma` of the five frames.
        white: the shot's white as a code of 8 bits.

    Returns:
        The places of which neighbours show enough before the frames are aligned, and the indices of the neighbours that
        are copies neither of the middle frame nor of each other and have its exposure.
    """
    blown = _blown(small[MIDDLE], white)
    if not blown.any():
        return [], []
    others = _others(small)
    shown = np.zeros(blown.shape, np.uint8)
    for index in others:
        shown += small[index] < white - SHOWN
    twice = (shown >= 2) & (blown > 0)
    if np.count_nonzero(twice) < _LEAST:
        return [], []
    alike = [index for index in others if _is_exposed_alike(small[MIDDLE], small[index])]
    return (list(_places(small[MIDDLE], blown, twice)), alike) if len(alike) >= 2 else ([], [])


def _blown(middle: Codes, white: float) -> Codes:
    """Where a half-size frame is flat and white; (h, w) uint8, 1 there."""
    if middle.max() < white - BLOWN:
        return np.zeros(middle.shape, np.uint8)
    levels = middle.astype(np.float32)
    mean = cv2.blur(levels, (3, 3))
    flat = cv2.blur(levels * levels, (3, 3)) - mean * mean <= _FLAT
    found = ((mean >= white - BLOWN) & flat).astype(np.uint8)
    return np.asarray(cv2.morphologyEx(found, cv2.MORPH_OPEN, square(1)), np.uint8)


def _others(small: Window) -> list[int]:
    """The neighbours that are copies neither of the middle frame nor of each other."""
    found = [MIDDLE]
    for index in range(FRAMES):
        if not any(np.array_equal(small[index], small[other]) for other in found):
            found.append(index)
    return found[1:]


def _is_exposed_alike(frame: Codes, other: Codes) -> bool:
    """Whether the darker half of two half-size frames is equally bright."""
    first, second = (np.quantile(each[::4, ::4], _QUANTILES) + 1 for each in (frame, other))
    return float(np.median(np.abs(first - second) / np.minimum(first, second))) <= _SAME_EXPOSURE


def _places(middle: Codes, blown: Codes, shown: Mask) -> Iterator[BlownPlace]:
    """The largest blown places of which neighbours show enough, before the frames are aligned."""
    rows, columns = middle.shape
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(blown)
    areas = np.bincount(labels[shown], minlength=count)
    margin, reach = max(12, int(_AROUND * rows)), max(4, int(_BESIDE * rows))
    beside = cv2.dilate(blown, square(_GLOW)) == 0
    for label in np.argsort(-areas, kind="stable")[:_MOST_PLACES]:
        if areas[label] < _LEAST:
            return
        x, y, width, height = (int(side) for side in boxes[label][:4])
        top, left = max(0, y - margin), max(0, x - margin)
        part = np.s_[top : min(rows, y + height + margin), left : min(columns, x + width + margin)]
        far = cv2.dilate(blown[part], square(max(3, margin // 3))) == 0
        yield BlownPlace(top, left, labels[part] == label, beside[part], far, reach, middle[part])


def square(reach: int) -> Codes:
    """A structuring element that reaches so far, uint8."""
    return np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
