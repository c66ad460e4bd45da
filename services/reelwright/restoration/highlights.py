"""Puts detail of the neighbours back where the middle frame of a window is blown out and they are not.

A flare that crosses the picture covers a place for a few frames only. Before and after, the place shows its detail. The
finest detail alone is put back, not the level: light stays as it is. So that nothing is put onto what is white by
itself, all of this must hold:

- The exposure of the neighbour is that of the middle frame, or a flash would get the detail of the dark frames.
- Light fades out beside the blown place: a white thing has an edge, beside which the neighbours are as bright.
- What is not blown beside it agrees with the neighbour after alignment.
- Two neighbours show the same there: what moves before a white sky is at another place in each.

The neighbours are aligned by the motion of the camera, an affine map fitted to the flow around the place. The flow is
that of contrast which was evened out, or light that changes would read as motion.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.frame_correction import FrameTone
from reelwright.media.tone_measurement import LevelRange
from reelwright.restoration.blown_places import SHOWN, BlownPlace, Mask, blown_places, square
from reelwright.restoration.optical_flow import Codes, Flow, Window, half_flow
from reelwright.restoration.window_network import MIDDLE

Field = NDArray[np.float32]
Matrix = NDArray[np.float64]

# The radius of the detail as a share of the picture's height.
_DETAIL = 1 / 60
# The least light beside a place, as a share of what is missing to white, before the frames are aligned.
_LEAST_LIGHT = 0.3
# From where a neighbour begins to count, and from where it counts in full: codes below white, light beside the place,
# correlation of the detail there, agreement of two neighbours. Detail of less variance than the last does not agree.
_BELOW, _LIGHT, _CORRELATION = (10.0, float(SHOWN)), (0.4, 0.55), (0.5, 0.7)
_AGREEMENT, _NOISE = (0.4, 0.8), 2.0
# The camera's motion: every fourth half-size pixel, fitted again with less weight on what moves otherwise.
_STEP, _FITS, _LEAST_POINTS = 4, 5, 40
# Detail that is nowhere so many codes strong is none. It stays below the second, for which there is room above white.
_VISIBLE, _STRONGEST = 0.5, np.float32(20)


class _Neighbour(NamedTuple):
    """A neighbour that shows a blown place.

    Attributes:
        frame: its index in the window.
        weight: 0 to 1.
        camera: (2, 3), from half-size pixels of the place's part to those of the neighbour.
    """

    frame: int
    weight: float
    camera: Matrix


def blown_white(tone: FrameTone, levels: LevelRange) -> float | None:
    """The shot's white as a code of 8 bits; None where no glare is taken off, so no detail is put back either."""
    return 255 * levels.up_to(tone.white).white if tone.veil > 0 or tone.highlights > 0 else None


def recovered_detail(window: Window, small: Window, white: float) -> Field | None:
    """What is added to the middle frame of a window.

    Args:
        window: five frames (H, W) uint8 luma in the order of time, H and W even and at least 32.
        small: `optical_flow.flow_luma` of the five frames.
        white: the shot's white as a code of 8 bits.

    Returns:
        (H, W) float32 in codes of 8 bits; None where nothing is put back.
    """
    places, others = blown_places(small, white)
    added: Field | None = None
    for place in places:
        found = list(_neighbours(place, small, others, white))
        if len(found) < 2:
            continue
        detail = _detail(place, window, found, white)
        if np.abs(detail).max() >= _VISIBLE:
            added = np.zeros(window[MIDDLE].shape, np.float32) if added is None else added
            rows, columns = detail.shape
            added[2 * place.top : 2 * place.top + rows, 2 * place.left : 2 * place.left + columns] += detail
    return added


def put_back(luma: Field, added: Field) -> Field:
    """Luma (h, w) float32 in [0, 1] with what `recovered_detail` found, which may be larger; at most 1 there."""
    rows, columns = luma.shape
    return np.asarray(np.minimum(luma + added[:rows, :columns] * np.float32(1 / 255), np.maximum(luma, 1)), np.float32)


def _neighbours(place: BlownPlace, small: Window, others: Sequence[int], white: float) -> Iterator[_Neighbour]:
    """The neighbours that show the place, beside which light fades out; none if fewer than two may be."""
    may = [index for index in others if place.light(place.cut(small[index]), white) > _LEAST_LIGHT]
    if len(may) < 2:
        return
    even = _even_contrast(place.middle)
    own = _detail_of(place.middle, _DETAIL * len(small[MIDDLE]))
    for index in may:
        camera = _camera(half_flow(even, _even_contrast(place.cut(small[index]))), place.far)
        if camera is None:
            continue
        camera[:, 2] += (place.left, place.top)
        seen = _seen(small[index], camera, place.blown.shape)
        zone = place.zone(seen, white)
        if not zone.any():
            continue
        detail = _detail_of(seen, _DETAIL * len(small[MIDDLE]))
        power = float((own * own)[zone].sum()) * float((detail * detail)[zone].sum())
        correlation = float((own * detail)[zone].sum()) / max(1e-3, power**0.5)
        weight = _ramp(correlation, _CORRELATION) * _ramp(place.light(seen, white), _LIGHT)
        if weight > 0:
            yield _Neighbour(index, float(weight), camera)


def _camera(flow: Flow, far: Mask) -> Matrix | None:
    """The affine map from pixels of a part to those of its neighbour, fitted to the flow where it is believed.

    Sums are numpy's own: those of a BLAS library may depend on its number of threads.

    Args:
        flow: (h, w, 2) float32.
        far: (h, w).

    Returns:
        (2, 3), or None where too little is believed.
    """
    sampled = np.s_[_STEP // 2 :: _STEP, _STEP // 2 :: _STEP]
    rows, columns = np.nonzero(far[sampled])
    if rows.size < _LEAST_POINTS:
        return None
    moved = flow[sampled][rows, columns].astype(np.float64)
    places = np.stack([columns, rows, np.ones(rows.size)], axis=1) * (_STEP, _STEP, 1) + (_STEP // 2, _STEP // 2, 0)
    weights = np.ones(rows.size)
    for _ in range(_FITS):
        weighted = places * weights[:, None]
        square = np.array([[(weighted[:, i] * places[:, j]).sum() for j in range(3)] for i in range(3)])
        right = np.array([[(weighted[:, i] * moved[:, j]).sum() for j in range(2)] for i in range(3)])
        fitted = np.linalg.solve(square + 1e-6 * np.eye(3), right)
        left = moved - sum(places[:, i, None] * fitted[i] for i in range(3))
        apart = np.hypot(left[:, 0], left[:, 1])
        weights = 1 / (1 + (apart / max(0.3, 1.5 * float(np.median(apart)))) ** 2) ** 2
    return np.asarray(fitted.T + np.eye(2, 3), np.float64)


def _detail(place: BlownPlace, window: Window, neighbours: Sequence[_Neighbour], white: float) -> Field:
    """What is added at a place and around it, at full size; pairs of neighbours that agree decide."""
    shape = (2 * place.blown.shape[0], 2 * place.blown.shape[1])
    reach = _DETAIL * len(window[MIDDLE])
    details, weights, powers = [], [], []
    for frame, weight, camera in neighbours:
        full = camera.copy()
        # Centres of pixels: the first half-size one lies between the first two.
        full[:, 2] = 2 * camera[:, 2] + 0.5 - 0.5 * (camera[:, 0] + camera[:, 1])
        seen = _seen(window[frame], full, shape)
        shown = _ramp(white - cv2.blur(seen.astype(np.float32), (3, 3)), _BELOW)
        weights.append(np.float32(weight) * cv2.GaussianBlur(cv2.erode(shown, square(2)), (0, 0), 2))
        details.append(_detail_of(seen, reach))
        powers.append(_mean(details[-1] * details[-1], reach))
    total, share, sums = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for one, other in combinations(range(len(details)), 2):
        first, second = details[one], details[other]
        both = _mean(first * second, reach) / (powers[one] + powers[other] + np.float32(_NOISE))
        counts = _ramp(2 * both, _AGREEMENT) * np.minimum(weights[one], weights[other])
        total += counts * (first + second) / 2
        sums += counts
        share = np.maximum(share, counts)
    inside = cv2.resize(place.blown.astype(np.float32), shape[::-1], interpolation=cv2.INTER_LINEAR)
    soft = cv2.GaussianBlur(inside, (0, 0), 1.5)
    detail = soft * share * total / np.maximum(sums, np.float32(1e-3))
    # Limited on both sides alike, or dark detail would make the place darker.
    return np.asarray(_STRONGEST * np.tanh(detail / _STRONGEST), np.float32)


def _seen(frame: Codes, camera: Matrix, shape: tuple[int, ...]) -> Codes:
    """The part of a frame that the camera's motion brings to a place."""
    flags, border = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, cv2.BORDER_REPLICATE
    return np.asarray(cv2.warpAffine(frame, camera, shape[::-1], flags=flags, borderMode=border), np.uint8)


def _even_contrast(part: Codes) -> Codes:
    """Detail of a half-size part with the same contrast everywhere, around 128."""
    levels = part.astype(np.float32)
    detail = levels - _mean(levels, 4)
    deviation = np.sqrt(_mean(detail * detail, 8)) + 2
    return np.asarray(np.clip(128 + 40 * detail / deviation, 0, 255), np.uint8)


def _detail_of(frame: Codes, reach: float) -> Field:
    """What is finer than so many pixels."""
    levels = frame.astype(np.float32)
    return np.asarray(levels - _mean(levels, reach), np.float32)


def _mean(values: Field, reach: float) -> Field:
    side = 2 * max(1, round(reach)) + 1
    return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)


def _ramp(values: Field | float, ends: tuple[float, float]) -> Field:
    """0 up to the first end, 1 from the second on, straight in between."""
    return np.asarray(np.clip((values - ends[0]) / (ends[1] - ends[0]), 0, 1), np.float32)
