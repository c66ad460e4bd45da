"""Finds dust: specks of one frame that its neighbours in time lack (spike detection, Kokaram 1998).

A speck is judged by how well its neighbours agree with each other beneath it, and by whether what it shows is seen
beside it in them, as a thing that moves would be.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.alignment import AlignedWindow, Codes, Flow, Window, flow_luma
from reelwright.restoration.realignment import realign
from reelwright.restoration.specks import Boxes, Floats, RankedFrames, Specks, find_specks
from reelwright.restoration.window_network import MIDDLE

# A score from here on is past the threshold.
CERTAIN_DUST = 127
# A dust pixel stands out from three neighbours by this many grain sigmas and by this many levels at least.
_DUST_SIGMAS, _DUST_LEVELS = 4.6, 10.0
# Specks cover less of a frame than this; more is a scene that was not aligned.
_DUST_SHARE = 0.1
# After the second alignment a speck may reach so many pixels beyond where it was suspected.
_BEYOND = 6
# Beneath a speck three neighbours lie apart by less than these levels and grain sigmas on average; around it the three
# middle frames by less than the next ones, where grain is strong than those after, and than this share of its height.
_APART_LEVELS, _APART_SIGMAS = 1.6, 3.2
_STRAY_LEVELS, _STRAY_SIGMAS, _STRONG_LEVELS, _STRONG_SIGMAS, _STRAY_SHARE = 1.1, 5.2, 6.0, 1.5, 0.55
# What a neighbour shows beside a speck counts from this share of the threshold and of the speck's height on, within its
# own size or so many pixels at least.
_BESIDE_SHARE, _BESIDE_HEIGHT, _BESIDE_REACH = 0.7, 0.3, 16
# A speck is searched for in the adjacent frames over this many half-size pixels; what matches no better than the scene
# beneath it counts no further.
_SEARCH, _UNLIKE = 16, 1.2
# How much each measure counts, as a logarithm, and how much is asked of a speck of `_SIZE` pixels and of one e times as
# large. All were chosen on other clips than those of docs/quality.md, see docs/training.md.
_APART_FLOOR, _BESIDE_FLOOR, _UNREST_FLOOR = 0.02, 0.05, 0.3
_BESIDE_WEIGHT, _UNLIKE_WEIGHT, _UNREST_WEIGHT = 0.7, 2.8, 0.15
_ENOUGH, _SIZE_WEIGHT, _SIZE = 2.7, 0.4, 100.0
_MOST_BESIDE, _MOST_UNLIKE = -_BESIDE_WEIGHT * float(np.log(_BESIDE_FLOOR)), _UNLIKE_WEIGHT * _UNLIKE
# Around a speck, over so many pixels, fewer than two neighbours on average lie outside of the picture.
_AROUND, _MOST_OUTSIDE = 4, 2.0
# Sigma of smoothed grain that is allowed for on film without grain.
_LEAST_SMOOTH = 0.5
# So much of it must be there before the second alignment.
_WORTH_ALIGNING = 0.95


@dataclass(frozen=True, slots=True)
class Dust:
    """Dust of the middle frame of a window.

    Attributes:
        frames: (5, H, W) uint8, aligned, and near specks aligned again without regard to them.
        map: (H, W) uint8: 0 for none, 64 on the weakest rim of a speck, `CERTAIN_DUST` at the threshold, 255 from twice
            of it on.
    """

    frames: Codes
    map: Codes


def find_dust(window: Window, aligned: AlignedWindow, small: Window, smooth: float) -> Dust:
    """Where the middle frame stands out from three of its four neighbours, on the same side.

    One neighbour may differ, as it may have dust there too. Places that stand out are first aligned again by the motion
    around them. At the end of a shot, where copies stand in for both neighbours of one side, nothing is dust,
    nor where two neighbours lie outside of the picture.

    Args:
        window: five frames (H, W) uint8, as they were before they were aligned.
        aligned: the same, aligned.
        small: `alignment.flow_luma` of the five frames.
        smooth: sigma in levels of the grain after binomial smoothing, see `measurement.GrainMeasurement`.
    """
    threshold = max(_DUST_LEVELS, _DUST_SIGMAS * smooth)
    nothing = Dust(aligned.frames, np.zeros(window[MIDDLE].shape, np.uint8))
    ranked = RankedFrames.of(aligned.frames)
    specks = find_specks(ranked.spike(), threshold)
    specks = specks.only(_calm(specks, ranked, threshold) > _WORTH_ALIGNING)
    if not specks.pixels.size:
        return nothing
    places = specks.mask()
    frames = realign(window, aligned, places)
    ranked = RankedFrames.of(frames)
    near = cv2.dilate(places, np.ones((2 * _BEYOND + 1, 2 * _BEYOND + 1), np.uint8))
    specks = find_specks(np.asarray(cv2.bitwise_and(ranked.spike(), near), np.uint8), threshold)
    specks = specks.only(_undisturbed(specks, ranked, smooth))
    specks = specks.only(_is_dust(specks, ranked, small, threshold))
    specks = specks.only(_is_seen(specks, aligned.flows))
    if not specks.pixels.size or specks.pixels.size > _DUST_SHARE * near.size:
        return nothing
    score = np.zeros(near.shape, np.uint8)
    score.ravel()[specks.pixels] = specks.heights
    grown = cv2.dilate(score, np.ones((3, 3), np.uint8))
    return Dust(frames, np.asarray(cv2.convertScaleAbs(grown, alpha=127.5 / threshold), np.uint8))


def _calm(specks: Specks, ranked: RankedFrames, threshold: float) -> Floats:
    """How well the neighbours agree beneath each speck and around it, (specks,)."""
    between = ranked.apart()
    apart = specks.means(between) / specks.height()
    unrest = specks.means_around(between) * (_DUST_SIGMAS / threshold)
    return np.asarray(-np.log(apart + _APART_FLOOR) - _UNREST_WEIGHT * np.log(unrest + _UNREST_FLOOR), np.float64)


def _undisturbed(specks: Specks, ranked: RankedFrames, smooth: float) -> NDArray[np.bool_]:
    """Whether little but grain differs beneath each speck and around it, (specks,)."""
    # What is measured as grain where the threshold has its least value is partly motion.
    noise = min(smooth, max(_LEAST_SMOOTH, 2 * smooth - _DUST_LEVELS / _DUST_SIGMAS))
    mean = cv2.addWeighted(ranked.before, 0.5, ranked.after, 0.5, 0)
    stray = cv2.max(cv2.absdiff(ranked.before, ranked.after), cv2.absdiff(ranked.middle, mean))
    most = min(_STRAY_LEVELS + _STRAY_SIGMAS * noise, _STRONG_LEVELS + _STRONG_SIGMAS * noise)
    good = specks.means(ranked.apart()) < _APART_LEVELS + _APART_SIGMAS * noise
    good &= specks.means_around(np.asarray(stray, np.uint8)) < np.minimum(_STRAY_SHARE * specks.top(), most)
    return np.asarray(good, np.bool_)


def _is_dust(specks: Specks, ranked: RankedFrames, small: Window, threshold: float) -> NDArray[np.bool_]:
    """Whether enough speaks for each speck being dust, (specks,)."""
    evidence = _calm(specks, ranked, threshold)
    height = specks.height()
    scene = ranked.scene()
    plain = flow_luma(scene)
    for index, box in enumerate(specks.boxes):
        enough = _ENOUGH + _SIZE_WEIGHT * float(np.log(box[4] / _SIZE))
        # The two searches take time, so none is made that cannot change the answer.
        if evidence[index] > enough - _MOST_BESIDE - _MOST_UNLIKE:
            least = max(_BESIDE_SHARE * threshold, _BESIDE_HEIGHT * height[index])
            evidence[index] -= _BESIDE_WEIGHT * np.log(_beside(ranked, scene, box, least) + _BESIDE_FLOOR)
        if evidence[index] > enough - _MOST_UNLIKE:
            evidence[index] += _UNLIKE_WEIGHT * _unlike(small, plain, box)
        evidence[index] -= enough
    return np.asarray(evidence > 0, np.bool_)


def _is_seen(specks: Specks, flows: Flow) -> NDArray[np.bool_]:
    """Whether three neighbours show the place of each speck and what is around it, (specks,).

    What two neighbours have outside of the picture stands out from its border, which stands in for what is not there.
    """
    rows, columns = flows.shape[1:3]
    found = np.ones(len(specks.boxes), np.bool_)
    for index, box in enumerate(specks.boxes):
        x, y, width, height, _ = (int(each) for each in box)
        top, bottom = max(0, (y - _AROUND) // 2), min(rows, (y + height + _AROUND) // 2)
        left, right = max(0, (x - _AROUND) // 2), min(columns, (x + width + _AROUND) // 2)
        here = flows[:, top:bottom, left:right]
        across, down = np.arange(left, right) + here[..., 0], np.arange(top, bottom)[:, None] + here[..., 1]
        outside = (across < 0) | (across > columns - 1) | (down < 0) | (down > rows - 1)
        found[index] = outside.sum(axis=0).mean() < _MOST_OUTSIDE
    return found


def _beside(ranked: RankedFrames, scene: Codes, box: Boxes, least: float) -> float:
    """The area beside a speck where both adjacent frames show something bright or dark as well, as a share of its own.

    A thing that moves fast stands out in each frame, at another place.
    """
    x, y, width, height, area = (int(each) for each in box)
    here = np.s_[y : y + height, x : x + width]
    dark = int(ranked.middle[here].sum()) < int(scene[here].sum())
    reach = max(_BESIDE_REACH, (width + height) // 2)
    around = np.s_[max(0, y - reach) : y + height + reach, max(0, x - reach) : x + width + reach]
    shown = []
    for frame in (ranked.before, ranked.after):
        pair = (scene[around], frame[around]) if dark else (frame[around], scene[around])
        shown.append(cv2.countNonZero(cv2.threshold(cv2.subtract(*pair), least, 1, cv2.THRESH_BINARY)[1]))
    return min(shown) / area


def _unlike(small: Window, plain: Codes, box: Boxes) -> float:
    """How unlike a speck the most similar place of an adjacent frame is: 0 if the same, 1 as unlike as the scene is."""
    x, y, width, height, _ = (int(each) for each in box)
    left, top, right, bottom = max(0, (x - 4) // 2), max(0, (y - 4) // 2), (x + width + 5) // 2, (y + height + 5) // 2
    speck = small[MIDDLE][top:bottom, left:right]
    own = float(cv2.norm(speck, plain[top:bottom, left:right], cv2.NORM_L2SQR)) + 0.5 * speck.size
    around = np.s_[max(0, top - _SEARCH) : bottom + _SEARCH, max(0, left - _SEARCH) : right + _SEARCH]
    adjacent = (small[MIDDLE - 1][around], small[MIDDLE + 1][around])
    least = min(cv2.minMaxLoc(cv2.matchTemplate(frame, speck, cv2.TM_SQDIFF))[0] for frame in adjacent)
    return min(max(0.0, least) / own, _UNLIKE)
