"""What tells dust from things that move: measured on each speck, for `dust_classifier`.

What the adjacent frames show beside a speck takes longer: `speck_search`. Most of it is relative to the threshold or to
the speck's own height, so that film with more grain is judged alike.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.optical_flow import Codes, Flow, Window
from reelwright.restoration.speck_columns import QuickColumn
from reelwright.restoration.specks import Floats, RankedFrames, Ring, Specks
from reelwright.restoration.window_network import MIDDLE

# Pixels around a speck over which the crowd of other specks is measured.
_CROWD = 48
# Pixels around a speck over which the ring around it is measured, and those of the wider ring; of the latter, and for
# the flow, which is of half the size, every second row and column counts.
_RING, _WIDE, _COARSE = 4, 12, 2
_LEAST_SHARE = 1e-5
# Sides of its own around a speck over which that is measured, where they are more than `_CROWD`.
_SIDES = 1.5
# What stands out of an adjacent frame counts where its neighbours lie apart by less than this share of it.
_CALM = 0.35
# What is added before a logarithm is taken.
LOG_FLOOR = 0.02


class Scene(NamedTuple):
    """What the features of a frame's specks are measured on.

    Attributes:
        window: five frames (H, W) uint8, as they were before they were aligned.
        ranked: the aligned frames.
        plain: what `ranked` has beneath its specks, (H, W) uint8, see `RankedFrames.scene`.
        before: how far three neighbours lay apart before the second alignment, (H, W) uint8.
        small: `optical_flow.flow_luma` of the five frames.
        flows: see `alignment.AlignedWindow`.
        threshold: levels.
    """

    window: Window
    ranked: RankedFrames
    plain: Codes
    before: Codes
    small: Window
    flows: Flow
    threshold: float


def speck_features(specks: Specks, scene: Scene) -> Floats:
    """(specks, `QuickColumn`) float64."""
    if not len(specks.boxes):
        return np.zeros((0, len(QuickColumn)))
    ranked, threshold = scene.ranked, scene.threshold
    height, top = specks.height(), specks.top()
    boxes = specks.boxes.astype(np.float64)
    width, tall, area = boxes[:, 2], boxes[:, 3], boxes[:, 4]
    plain = scene.plain
    ring, wide, moving = specks.ring(_RING), specks.ring(_WIDE, _COARSE), specks.ring(_RING, _COARSE)
    apart = ranked.apart()
    span = np.asarray(cv2.subtract(ranked.values[3], ranked.values[0]), np.uint8)
    sides = np.asarray(cv2.absdiff(ranked.before, ranked.after), np.uint8)
    off = np.asarray(cv2.absdiff(ranked.middle, plain), np.uint8)
    stray = np.asarray(
        cv2.max(sides, cv2.absdiff(ranked.middle, cv2.addWeighted(ranked.before, 0.5, ranked.after, 0.5, 0))), np.uint8
    )
    unwarped = np.asarray(cv2.absdiff(scene.window[MIDDLE - 1], scene.window[MIDDLE + 1]), np.uint8)
    texture, own = _gradient(plain), _gradient(ranked.middle)
    beneath, around = specks.means(apart), ring.means(stray)
    found = {
        QuickColumn.HEIGHT: _log(height / threshold),
        QuickColumn.TOP: _log(top / threshold),
        QuickColumn.LOG_AREA: np.log(area),
        QuickColumn.EXTENT: area / (width * tall),
        QuickColumn.LOG_LENGTH: np.log(np.maximum(width, tall)),
        QuickColumn.SHARE_ABOVE: _log(specks.share_above(threshold)),
        QuickColumn.APART_TO_HEIGHT: _log(beneath / height),
        QuickColumn.APART_TO_THRESHOLD: _log(beneath / threshold),
        QuickColumn.APART_BEFORE: _log(specks.means(scene.before) / height),
        QuickColumn.SPAN: _log(specks.means(span) / height),
        QuickColumn.SIDES: _log(specks.means(sides) / height),
        QuickColumn.UNWARPED: _log(specks.means(unwarped) / height),
        QuickColumn.RING_APART: _log(ring.means(apart) / threshold),
        QuickColumn.RING_APART_BEFORE: _log(ring.means(scene.before) / threshold),
        QuickColumn.RING_STRAY_TO_THRESHOLD: _log(around / threshold),
        QuickColumn.RING_STRAY_TO_TOP: _log(around / top),
        QuickColumn.RING_OFF: _log(ring.means(off) / threshold),
        QuickColumn.RING_UNWARPED: _log(ring.means(unwarped) / threshold),
        QuickColumn.WIDE_APART: _log(wide.means(apart) / threshold),
        QuickColumn.WIDE_STRAY: _log(wide.means(stray) / threshold),
        QuickColumn.WIDE_OFF: _log(wide.means(off) / height),
        QuickColumn.TEXTURE: _log(specks.means(texture) / height),
        QuickColumn.OWN_TEXTURE: _log(specks.means(own) / height),
        QuickColumn.RING_TEXTURE: _log(ring.means(texture) / threshold),
        QuickColumn.BRIGHTNESS: specks.means(ranked.middle) / 255,
        QuickColumn.PLAIN_BRIGHTNESS: specks.means(plain) / 255,
        QuickColumn.LOG_THRESHOLD: np.full(area.shape, np.log(threshold)),
        **_motion(moving, scene.flows, plain.shape[1]),
        **_outside(moving, scene.flows, plain.shape),
        **_sides(ring, ranked, threshold),
        QuickColumn.LOG_TO_BORDER: np.log(_to_border(boxes, plain.shape) + 1),
        **_crowd(specks, area),
        **_adjacent(boxes, ranked, plain, threshold),
    }
    return np.column_stack([found[column] for column in QuickColumn])


# How many neighbours may show the surroundings outside of the picture.
_MAY_BE_OUTSIDE = 1.5


def is_seen(features: Floats) -> NDArray[np.bool_]:
    """Whether the neighbours can tell what is beneath each speck, (specks,).

    What has left the picture in two of them, or has not come into it, stands out from nothing that was ever seen.
    """
    return np.asarray(features[:, QuickColumn.OUTSIDE] < _MAY_BE_OUTSIDE, np.bool_)


def _log(values: Floats) -> Floats:
    return np.asarray(np.log(values + LOG_FLOOR), np.float64)


def _gradient(frame: Codes) -> Codes:
    return np.asarray(cv2.morphologyEx(frame, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)), np.uint8)


def _motion(ring: Ring, flows: Flow, columns: int) -> dict[QuickColumn, Floats]:
    """How fast the surroundings move, how evenly in time and in space."""
    y, x = np.divmod(ring.pixels, columns)
    there = flows[:, y // 2, x // 2]
    before, after = there[1], there[2]
    mean = np.column_stack([ring.means_of(each) for each in (after - before).T]) / 2
    speed = np.hypot(*mean.T)
    uneven = ring.means_of(np.hypot(*(before + after).T))
    outer = ring.means_of(np.hypot(*(there[0] - 2 * before).T)) + ring.means_of(np.hypot(*(there[3] - 2 * after).T))
    second = ring.means_of(np.square((after - before) / 2).sum(axis=1))
    spread = np.sqrt(np.maximum(second - np.square(mean).sum(axis=1), 0))
    found = {
        QuickColumn.SPEED: speed,
        QuickColumn.UNEVEN: uneven,
        QuickColumn.OUTER_UNEVEN: outer,
        QuickColumn.SPREAD: spread,
    }
    return {column: np.log(each + 0.1) for column, each in found.items()}


def _outside(ring: Ring, flows: Flow, shape: tuple[int, ...]) -> dict[QuickColumn, Floats]:
    """How many neighbours, and adjacent ones, show the surroundings of each speck outside of the picture."""
    rows, columns = shape
    y, x = np.divmod(ring.pixels, columns)
    moved = 2 * flows[:, y // 2, x // 2]
    across, down = x + moved[..., 0], y + moved[..., 1]
    out = (across < 0) | (across > columns - 1) | (down < 0) | (down > rows - 1)
    return {
        QuickColumn.OUTSIDE: ring.means_of(out.sum(axis=0)),
        QuickColumn.ADJACENT_OUTSIDE: ring.means_of(out[1:3].sum(axis=0)),
    }


def _sides(ring: Ring, ranked: RankedFrames, threshold: float) -> dict[QuickColumn, Floats]:
    """How far the better and the worse of the adjacent frames differ around each speck."""
    frames = (ranked.before, ranked.after)
    both = [ring.means(np.asarray(cv2.absdiff(ranked.middle, frame), np.uint8)) / threshold for frame in frames]
    return {
        QuickColumn.RING_SIDE_LESSER: _log(np.minimum(*both)),
        QuickColumn.RING_SIDE_LARGER: _log(np.maximum(*both)),
    }


def _to_border(boxes: Floats, shape: tuple[int, ...]) -> Floats:
    """Pixels between each speck and the nearest border of the picture."""
    left, top, width, height = boxes.T[:4]
    return np.asarray(np.min([left, top, shape[1] - left - width, shape[0] - top - height], axis=0), np.float64)


def _crowd(specks: Specks, area: Floats) -> dict[QuickColumn, Floats]:
    """How much of the frame, and of the surroundings, stands out too."""
    mask = specks.mask()
    side = 2 * _CROWD + 1
    near = (
        np.asarray(cv2.boxFilter(mask, cv2.CV_32F, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)) / 255
    )
    boxes = specks.boxes
    x, y = boxes[:, 0] + boxes[:, 2] // 2, boxes[:, 1] + boxes[:, 3] // 2
    others = np.maximum(near[y, x].astype(np.float64) - area, 0)
    return {
        QuickColumn.CROWD: np.log(others / side**2 + 1e-4),
        QuickColumn.FRAME_CROWD: np.full(area.shape, np.log(specks.pixels.size / mask.size + 1e-5)),
    }


def _adjacent(boxes: Floats, ranked: RankedFrames, plain: Codes, threshold: float) -> dict[QuickColumn, Floats]:
    """How much stands out of the adjacent frames: as dust does, in the frame; then near each speck, as a share of it.

    A large thing that moves fast stands out of each of them, at other places. Of each the lesser and the larger.
    """
    frame, near, differs = [], [], []
    for which, adjacent in enumerate((ranked.before, ranked.after)):
        other = ranked.around(which)
        spike = other.spike()
        calm = cv2.compare(other.apart(), cv2.convertScaleAbs(spike, alpha=_CALM), cv2.CMP_LT)
        mask = np.asarray(cv2.bitwise_and(cv2.threshold(spike, threshold, 1, cv2.THRESH_BINARY)[1], calm), np.uint8)
        frame.append(np.full(len(boxes), np.log(cv2.countNonZero(mask) / mask.size + _LEAST_SHARE)))
        near.append(_log(_counts(mask, boxes) / boxes[:, 4]))
        apart = cv2.threshold(cv2.absdiff(adjacent, plain), threshold, 1, cv2.THRESH_BINARY)[1]
        differs.append(_log(_counts(np.asarray(apart, np.uint8), boxes) / boxes[:, 4]))
    return {
        QuickColumn.ADJACENT_DUST_LESSER: np.minimum(*frame),
        QuickColumn.ADJACENT_DUST_LARGER: np.maximum(*frame),
        QuickColumn.ADJACENT_DUST_NEAR_LESSER: np.minimum(*near),
        QuickColumn.ADJACENT_DUST_NEAR_LARGER: np.maximum(*near),
        QuickColumn.ADJACENT_CHANGED_LESSER: np.minimum(*differs),
        QuickColumn.ADJACENT_CHANGED_LARGER: np.maximum(*differs),
    }


def _counts(mask: Codes, boxes: Floats) -> Floats:
    """How many pixels of a mask of 0 and 1 lie in each box and around it, (specks,)."""
    reach = np.maximum(_CROWD, _SIDES * np.maximum(boxes[:, 2], boxes[:, 3]))
    rows, columns = mask.shape
    left, right = np.maximum(boxes[:, 0] - reach, 0), np.minimum(boxes[:, 0] + boxes[:, 2] + reach, columns)
    top, bottom = np.maximum(boxes[:, 1] - reach, 0), np.minimum(boxes[:, 1] + boxes[:, 3] + reach, rows)
    x0, x1, y0, y1 = (side.astype(np.intp) for side in (left, right, top, bottom))
    sums = cv2.integral(mask)
    return np.asarray(sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0], np.float64)
