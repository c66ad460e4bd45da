"""Whether the adjacent frames show a speck too, beside it, as they do where a thing moves."""

from __future__ import annotations

import cv2
import numpy as np

from reelwright.restoration.optical_flow import Codes, Window, flow_luma
from reelwright.restoration.speck_columns import QuickColumn, SearchedColumn
from reelwright.restoration.speck_features import LOG_FLOOR, Scene
from reelwright.restoration.specks import Boxes, Floats, RankedFrames, Specks
from reelwright.restoration.window_network import MIDDLE

# What a neighbour shows beside a speck counts from this share of the threshold and of the speck's height on, within its
# own size or so many pixels at least.
_BESIDE_SHARE, _BESIDE_HEIGHT, _BESIDE_REACH = 0.7, 0.3, 16
# A speck is searched for in the adjacent frames over this many half-size pixels; what matches no better than the scene
# beneath it counts no further.
_SEARCH, _UNLIKE = 16, 1.2
# The same for a speck of so many pixels and more, which may be a thing that moves fast.
_FAR, _LARGE = 40, 60
# Pixels around a speck, and sides of its own, over which what a neighbour shows beside it is looked for farther away.
_WIDE, _SIDES = 48, 2
# Where the results of `_beside` and of `_unlike` stand in a row.
_SHOWN, _DIFFERS = (
    [column - len(QuickColumn) for column in columns]
    for columns in (
        (
            SearchedColumn.BESIDE_LESSER,
            SearchedColumn.BESIDE_LARGER,
            SearchedColumn.FAR_BESIDE_LESSER,
            SearchedColumn.FAR_BESIDE_LARGER,
        ),
        (
            SearchedColumn.UNLIKE_LESSER,
            SearchedColumn.UNLIKE_LARGER,
            SearchedColumn.FAR_UNLIKE_LESSER,
            SearchedColumn.FAR_UNLIKE_LARGER,
        ),
    )
)


def searched_features(specks: Specks, scene: Scene) -> Floats:
    """(specks, `SearchedColumn`) float64: what is shown beside each speck and how unlike it, the lesser and the larger.

    First near it, then farther away.
    """
    small = flow_luma(scene.plain)
    found = np.empty((len(specks.boxes), len(SearchedColumn)))
    for row, box, height in zip(found, specks.boxes, specks.height(), strict=True):
        least = max(_BESIDE_SHARE * scene.threshold, _BESIDE_HEIGHT * float(height))
        row[_SHOWN] = np.log(np.array(_beside(scene.ranked, scene.plain, box, least)) + LOG_FLOOR)
        row[_DIFFERS] = _unlike(scene.small, small, box)
    return found


def _beside(ranked: RankedFrames, plain: Codes, box: Boxes, least: float) -> list[float]:
    """The area beside a speck where each adjacent frame shows something as bright or dark, as a share of its own.

    A thing that moves fast stands out in each frame, at another place. The lesser and the larger, near it and far.
    """
    x, y, width, height, area = (int(each) for each in box)
    here = np.s_[y : y + height, x : x + width]
    dark = cv2.sumElems(ranked.middle[here])[0] < cv2.sumElems(plain[here])[0]
    near, far = max(_BESIDE_REACH, (width + height) // 2), max(_WIDE, _SIDES * max(width, height))
    top, left = max(0, y - far), max(0, x - far)
    around = np.s_[top : y + height + far, left : x + width + far]
    inner = np.s_[max(0, y - near) - top : y + height + near - top, max(0, x - near) - left : x + width + near - left]
    shown = []
    for frame in (ranked.before, ranked.after):
        pair = (plain[around], frame[around]) if dark else (frame[around], plain[around])
        mask = np.asarray(cv2.threshold(cv2.subtract(*pair), least, 1, cv2.THRESH_BINARY)[1], np.uint8)
        shown.append((cv2.countNonZero(mask[inner]) / area, cv2.countNonZero(mask) / area))
    (before, far_before), (after, far_after) = shown
    return [min(before, after), max(before, after), min(far_before, far_after), max(far_before, far_after)]


def _unlike(small: Window, plain: Codes, box: Boxes) -> list[float]:
    """How unlike a speck the most similar place of an adjacent frame is: 0 if the same, 1 as unlike as the scene is.

    The lesser and the larger, within `_SEARCH` and within `_FAR`; of a small speck the latter are as the former.
    """
    x, y, width, height, area = (int(each) for each in box)
    left, top, right, bottom = max(0, (x - 4) // 2), max(0, (y - 4) // 2), (x + width + 5) // 2, (y + height + 5) // 2
    speck = small[MIDDLE][top:bottom, left:right]
    own = float(cv2.norm(speck, plain[top:bottom, left:right], cv2.NORM_L2SQR)) + 0.5 * speck.size
    reach = _SEARCH if area < _LARGE else _FAR
    first, before = max(0, top - reach), max(0, left - reach)
    around = np.s_[first : bottom + reach, before : right + reach]
    # Where the speck's corner may be within the smaller reach.
    near = np.s_[
        max(0, top - _SEARCH) - first : top + _SEARCH + 1 - first,
        max(0, left - _SEARCH) - before : left + _SEARCH + 1 - before,
    ]
    found: list[tuple[float, float]] = []
    for frame in (small[MIDDLE - 1][around], small[MIDDLE + 1][around]):
        differs = np.asarray(cv2.matchTemplate(frame, speck, cv2.TM_SQDIFF))
        found.append((cv2.minMaxLoc(differs[near])[0], cv2.minMaxLoc(differs)[0]))
    return [min(max(0.0, which(each)) / own, _UNLIKE) for each in zip(*found, strict=True) for which in (min, max)]
