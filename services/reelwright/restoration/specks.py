"""Places where the middle frame of a window stands out from its neighbours, and what is measured on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.optical_flow import Codes

Boxes = NDArray[np.int32]
Floats = NDArray[np.float64]

# The weaker rim of a speck belongs to it from this share of the threshold on.
_RIM = 0.5
# Pixels around a speck over which the ring around it is measured.
_RING = 4
_MOST = 65_535
_BOX = np.ones((3, 3), np.uint8)


class RankedFrames(NamedTuple):
    """Smoothed frames (H, W) uint8, and at each pixel the values of the four neighbours in order.

    `outer` are the first and the last frame.
    """

    before: Codes
    middle: Codes
    after: Codes
    values: tuple[Codes, Codes, Codes, Codes]
    outer: tuple[Codes, Codes]

    @classmethod
    def of(cls, frames: Codes) -> RankedFrames:
        """Of aligned frames, (5, H, W) uint8."""
        return cls._of([np.asarray(cv2.GaussianBlur(frame, (3, 3), 0), np.uint8) for frame in frames])

    def around(self, side: int) -> RankedFrames:
        """The same five frames with the adjacent frame before, side 0, or after, side 1, in the middle."""
        first, last = self.outer
        if side:
            return self._of((self.before, self.middle, self.after, last, first))
        return self._of((last, first, self.before, self.middle, self.after))

    @classmethod
    def _of(cls, frames: Sequence[Codes]) -> RankedFrames:
        first, before, middle, after, last = frames
        low, high = cv2.min(first, before), cv2.max(first, before)
        other_low, other_high = cv2.min(after, last), cv2.max(after, last)
        inner, other_inner = cv2.max(low, other_low), cv2.min(high, other_high)
        values = (
            cv2.min(low, other_low),
            cv2.min(inner, other_inner),
            cv2.max(inner, other_inner),
            cv2.max(high, other_high),
        )
        return cls(before, middle, after, tuple(np.asarray(each, np.uint8) for each in values), (first, last))  # type: ignore[arg-type]

    def spike(self) -> Codes:
        """How far the middle frame stands out from three neighbours."""
        low, high = self.values[1:3]
        return np.asarray(cv2.max(cv2.subtract(self.middle, high), cv2.subtract(low, self.middle)), np.uint8)

    def apart(self) -> Codes:
        """How far three neighbours lie apart, without the one that differs most."""
        first, second, third, fourth = self.values
        return np.asarray(cv2.min(cv2.subtract(fourth, second), cv2.subtract(third, first)), np.uint8)

    def scene(self) -> Codes:
        """The median of the neighbours."""
        return np.asarray(cv2.addWeighted(self.values[1], 0.5, self.values[2], 0.5, 0), np.uint8)


class Specks(NamedTuple):
    """Connected places that stand out.

    Attributes:
        rim: (H, W) uint8, 1 on all places that stand out, also those that are no specks; 0 elsewhere.
        boxes: (specks, 5) int32: left, top, width, height, area.
        pixels: (n,) flat indices of all their pixels.
        owners: (n,) for each pixel the index of its speck in `boxes`.
        heights: (n,) uint8, how far each pixel stands out.
    """

    rim: Codes
    boxes: Boxes
    pixels: NDArray[np.intp]
    owners: NDArray[np.intp]
    heights: Codes

    def only(self, wanted: NDArray[np.bool_]) -> Specks:
        """Some of the specks; `wanted` is (specks,)."""
        kept = wanted[self.owners]
        owners = np.asarray((np.cumsum(wanted) - 1)[self.owners[kept]], np.intp)
        return self._replace(
            boxes=self.boxes[wanted], pixels=self.pixels[kept], owners=owners, heights=self.heights[kept]
        )

    def mask(self) -> Codes:
        """(H, W) uint8, 255 on the specks."""
        found = np.zeros(self.rim.shape, np.uint8)
        found.ravel()[self.pixels] = 255
        return found

    def height(self) -> Floats:
        """How far each speck stands out on average, (specks,)."""
        return _means(self.owners, self.heights, len(self.boxes))

    def top(self) -> Floats:
        """How far each speck stands out at most, (specks,)."""
        found = np.zeros(len(self.boxes))
        np.maximum.at(found, self.owners, self.heights)
        return found

    def means(self, values: Codes) -> Floats:
        """The mean of a field (H, W) over each speck."""
        return _means(self.owners, values.ravel()[self.pixels], len(self.boxes))

    def means_around(self, values: Codes) -> Floats:
        """The mean of a field (H, W) over the ring around each speck; where rings meet, one of the specks has it."""
        return self.ring(_RING).means(values)

    def share_above(self, level: float) -> Floats:
        """The share of each speck's pixels that stand out by more than a level, (specks,)."""
        return _means(self.owners, self.heights > level, len(self.boxes))

    def ring(self, reach: int, step: int = 1) -> Ring:
        """The pixels around each speck that belong to none; where rings meet, one of the specks has them.

        Args:
            reach: pixels.
            step: 2 for those of every second row and column alone, a quarter as many; rows and columns are even.
        """
        rows, columns = self.rim.shape
        numbers = np.zeros((rows // step, columns // step), np.uint16)
        numbers[self.pixels // columns // step, self.pixels % columns // step] = self.owners + 1
        side = 2 * (reach // step) + 1
        around = np.asarray(cv2.dilate(numbers, np.ones((side, side), np.uint8)), np.uint16)
        taken = np.asarray(cv2.dilate(self.rim, _BOX), np.uint8)[::step, ::step]
        pixels = np.flatnonzero((around > 0) & (taken == 0))
        owners = around.ravel()[pixels].astype(np.intp) - 1
        y, x = np.divmod(pixels, columns // step)
        return Ring(len(self.boxes), pixels if step == 1 else (y * columns + x) * step, owners)


class Ring(NamedTuple):
    """Pixels around specks.

    Attributes:
        specks: how many there are.
        pixels: (n,) flat indices.
        owners: (n,) for each pixel the index of its speck.
    """

    specks: int
    pixels: NDArray[np.intp]
    owners: NDArray[np.intp]

    def means(self, values: Codes) -> Floats:
        """The mean of a field (H, W) around each speck, (specks,); 0 around one without a ring."""
        return self.means_of(values.ravel()[self.pixels])

    def means_of(self, values: NDArray[np.generic]) -> Floats:
        """The mean of values of the pixels, (n,), around each speck, (specks,)."""
        return _means(self.owners, values, self.specks)


def find_specks(spike: Codes, threshold: float) -> Specks:
    """The connected places that pass the threshold somewhere, with their weaker rim.

    None where there are more than 65,535, the most that OpenCV's filters can number: that is no dust.

    Args:
        spike: (H, W) uint8, how far each pixel stands out.
        threshold: levels.
    """
    rim = np.asarray(cv2.threshold(spike, threshold * _RIM, 1, cv2.THRESH_BINARY)[1], np.uint8)
    count, field = cv2.connectedComponents(rim, connectivity=8)
    # Few pixels stand out, so all that follows works on a list of them.
    pixels = np.flatnonzero(rim.view(np.bool_))
    heights, labels = spike.ravel()[pixels], np.asarray(field, np.int32).ravel()[pixels]
    high = np.zeros(count, np.bool_)
    high[labels[heights > threshold]] = True
    specks = int(np.count_nonzero(high))
    if specks > _MOST:
        specks, high[:] = 0, False
    kept = high[labels]
    owners = np.asarray((np.cumsum(high) - 1)[labels[kept]], np.intp)
    return Specks(rim, _boxes(pixels[kept], owners, specks, spike.shape[1]), pixels[kept], owners, heights[kept])


def _boxes(pixels: NDArray[np.intp], owners: NDArray[np.intp], count: int, columns: int) -> Boxes:
    """`Specks.boxes` of pixels by their flat indices in a picture with so many columns."""
    found = np.zeros((count, 5), np.int32)
    for axis, places in enumerate((pixels % columns, pixels // columns)):
        first, last = np.full(count, np.iinfo(np.int32).max), np.zeros(count, np.int64)
        np.minimum.at(first, owners, places)
        np.maximum.at(last, owners, places)
        found[:, axis], found[:, axis + 2] = first, last - first + 1
    found[:, 4] = np.bincount(owners, minlength=count)
    return found


def _means(owners: NDArray[np.intp], values: NDArray[np.generic], count: int) -> Floats:
    """The mean of the values of each of `count` owners; 0 where one has none."""
    sums, counts = np.bincount(owners, values, count), np.bincount(owners, minlength=count)
    return np.asarray(sums / np.maximum(counts, 1), np.float64)
