"""Finds dust: specks of one frame that its neighbours in time lack (spike detection, Kokaram 1998).

What stands out is first aligned again by the motion around it; then a classifier that was learnt decides which of it is
dust, see `dust_classifier`, beside what is plainly dust, see `plain_specks`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from reelwright.restoration.alignment import AlignedWindow
from reelwright.restoration.dust_classifier import LEAST_LEVELS, packaged
from reelwright.restoration.optical_flow import Codes, Window
from reelwright.restoration.plain_specks import are_plain
from reelwright.restoration.realignment import realign
from reelwright.restoration.speck_features import Scene, speck_features
from reelwright.restoration.speck_search import searched_features
from reelwright.restoration.specks import Floats, RankedFrames, Specks, find_specks
from reelwright.restoration.window_network import MIDDLE

# A score from here on is past the threshold.
CERTAIN_DUST = 127
# A dust pixel stands out from three neighbours by this many grain sigmas and by this many levels at least.
_DUST_SIGMAS = 4.6
# Specks cover less of a frame than this; more is a scene that was not aligned.
_DUST_SHARE = 0.1
# After the second alignment a speck may reach so many pixels beyond where it was suspected.
_BEYOND = 6
# How well the neighbours must agree beneath a speck and around it before the second alignment, as a logarithm.
_WORTH_ALIGNING = 0.2
_APART_FLOOR, _UNREST_FLOOR, _UNREST_WEIGHT = 0.02, 0.3, 0.15


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


class Candidates(NamedTuple):
    """Specks that may be dust.

    Attributes:
        frames: see `Dust`.
        specks: what stands out after the second alignment.
        scene: what they are judged by.
    """

    frames: Codes
    specks: Specks
    scene: Scene


def find_dust(window: Window, aligned: AlignedWindow, small: Window, smooth: float) -> Dust:
    """Where the middle frame stands out from three of its four neighbours, on the same side.

    One neighbour may differ, as it may have dust there too. Places that stand out are first aligned again by the motion
    around them. At the end of a shot, where copies stand in for both neighbours of one side, nothing is dust,
    nor where two neighbours lie outside of the picture.

    Args:
        window: five frames (H, W) uint8, as they were before they were aligned.
        aligned: the same, aligned.
        small: `optical_flow.flow_luma` of the five frames.
        smooth: sigma in levels of the grain after binomial smoothing, see `measurement.GrainMeasurement`.
    """
    nothing = Dust(aligned.frames, np.zeros(window[MIDDLE].shape, np.uint8))
    found = find_candidates(window, aligned, small, smooth)
    specks = _dust_of(found)
    if not specks.pixels.size or specks.pixels.size > _DUST_SHARE * nothing.map.size:
        return nothing
    return Dust(found.frames, dust_map(specks, found.scene.threshold))


def find_candidates(window: Window, aligned: AlignedWindow, small: Window, smooth: float) -> Candidates:
    """The specks that may be dust, after a second alignment; the arguments are those of `find_dust`."""
    threshold = max(LEAST_LEVELS, _DUST_SIGMAS * smooth)
    ranked = RankedFrames.of(aligned.frames)
    specks = find_specks(ranked.spike(), threshold)
    before = ranked.apart()
    places = specks.only(_calm(specks, before, threshold) > _WORTH_ALIGNING).mask()
    frames = realign(window, aligned, places)
    ranked = RankedFrames.of(frames)
    near = cv2.dilate(places, np.ones((2 * _BEYOND + 1, 2 * _BEYOND + 1), np.uint8))
    specks = find_specks(np.asarray(cv2.bitwise_and(ranked.spike(), near), np.uint8), threshold)
    scene = Scene(window, ranked, ranked.scene(), before, small, aligned.flows, threshold)
    return Candidates(frames, specks, scene)


def _dust_of(found: Candidates) -> Specks:
    """Those of the specks that are dust."""
    classifiers = packaged()
    features = speck_features(found.specks, found.scene)
    likely = classifiers.likely(features)
    specks = found.specks.only(likely)
    # The search takes time, so only what may be dust after all is searched for.
    features = np.column_stack([features[likely], searched_features(specks, found.scene)])
    return specks.only((classifiers.score(features, specks.rim.size) > 0) | are_plain(features))


def dust_map(specks: Specks, threshold: float) -> Codes:
    """The map of `Dust` where all of the specks are dust, (H, W) uint8."""
    score = np.zeros(specks.rim.shape, np.uint8)
    score.ravel()[specks.pixels] = specks.heights
    grown = cv2.dilate(score, np.ones((3, 3), np.uint8))
    return np.asarray(cv2.convertScaleAbs(grown, alpha=127.5 / threshold), np.uint8)


def _calm(specks: Specks, between: Codes, threshold: float) -> Floats:
    """How well the neighbours agree beneath each speck and around it, (specks,)."""
    apart = specks.means(between) / specks.height()
    unrest = specks.means_around(between) * (_DUST_SIGMAS / threshold)
    return np.asarray(-np.log(apart + _APART_FLOOR) - _UNREST_WEIGHT * np.log(unrest + _UNREST_FLOOR), np.float64)
