"""Moving clips made from photographs: every layer pans, turns, zooms and shakes by a motion that is known exactly.

A clip is one photograph behind, and in nearly half of the clips one or two more in front of it, seen through masks that
move and deform: so there is parallax, occlusion and disocclusion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from training.codecs import recorded_in_h264
from training.damage import blurred
from training.dataset import Photograph

Field = NDArray[np.float32]

# Speeds in clean pixels per frame of a clip of `_SIZE`, and how often each is drawn. Larger clips move in
# proportion, so that the source that the network sees always moves by half of it.
_SIZE = 320
_SPEEDS, _SPEED_SHARES = (0.0, 0.4, 2.0, 6.0, 14.0), (0.14, 0.2, 0.3, 0.26, 0.1)
# Layers in front of the background: none, one, two.
_LAYER_SHARES = (0.55, 0.3, 0.15)
_SHAKE_SHARE = 0.3
# Clips that are themselves soft, as most real film and video is, and how many of those went through a codec too.
# Trained on sharp photographs alone, a network sharpens what was never sharp: it lost 2.7 dB on a soft piece.
SOFT_SHARE, _CODED_SHARE = 0.3, 0.6
# Clips between black bars, the share of a side that one bar takes, and the level of black. The edge of a bar is the
# hardest in most films: without bars among the clips, four rows of a letterboxed piece had a quarter of its error.
_BARRED_SHARE, _BAR, _BLACK = 0.15, (0.1, 0.4), (0.0, 0.07)
# Patches flatter than this, in 8-bit standard deviation, teach little and are mostly drawn again.
_FLAT = 8.0


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames, and where the middle one goes.

    Attributes:
        frames: (frames, size, size) float32 in [0, 1].
        motion: (size, size, 2) float32: how far right and down each pixel of the middle frame lies in the next one, in
            pixels. What is covered there by a layer in front is followed beneath it.
    """

    frames: Field
    motion: Field


@dataclass(frozen=True, slots=True)
class Motion:
    """How one layer moves.

    Attributes:
        velocity: right and down, clean pixels per frame.
        acceleration: clean pixels per frame and frame.
        turn: radians per frame.
        zoom: factor per frame.
        shake: (frames, 2) clean pixels, independent from frame to frame.
    """

    velocity: NDArray[np.float64]
    acceleration: NDArray[np.float64]
    turn: float
    zoom: float
    shake: NDArray[np.float64]

    def matrix(self, frame: int, size: int, centre: NDArray[np.float64]) -> NDArray[np.float64]:
        """From a pixel of frame `frame`, 0 in the middle of the clip, to the photograph; (2, 3)."""
        scale, angle = self.zoom**frame, self.turn * frame
        c, s = scale * np.cos(angle), scale * np.sin(angle)
        linear = np.array([[c, -s], [s, c]])
        offset = self.velocity * frame + self.acceleration * frame**2 / 2 + self.shake[frame + len(self.shake) // 2]
        return np.column_stack([linear, centre + offset - linear @ np.full(2, size / 2)])

    def onward(self, size: int, centre: NDArray[np.float64]) -> Field:
        """The motion of the layer's pixels from the middle frame to the next; as in `Clip`."""
        here, there = (np.vstack([self.matrix(frame, size, centre), [0, 0, 1]]) for frame in (0, 1))
        step = np.linalg.solve(there, here) - np.eye(3)
        down, across = np.mgrid[:size, :size]
        places = np.stack([across, down, np.ones_like(down)], axis=-1)
        return np.asarray(places @ step[:2].T, np.float32)


def draw_motion(rng: np.random.Generator, frames: int, size: int = _SIZE) -> Motion:
    """A motion: still, or a pan of up to about a tenth of `size` a frame with some turn, zoom and shake."""
    speed = float(rng.choice(_SPEEDS, p=_SPEED_SHARES)) * size / _SIZE
    moving = speed > 0
    shaking = moving and rng.random() < _SHAKE_SHARE
    shake = rng.normal(0, 1, (frames, 2)) * (float(rng.uniform(0.2, 2.5)) * size / _SIZE if shaking else 0.0)
    shake[frames // 2] = 0
    return Motion(
        velocity=rng.normal(0, 1, 2) * speed,
        acceleration=rng.normal(0, 0.12, 2) * speed,
        turn=float(rng.normal(0, 0.004)) * moving,
        zoom=1 + float(rng.normal(0, 0.006)) * moving,
        shake=shake,
    )


def draw_clip(
    photographs: Sequence[Photograph], rng: np.random.Generator, frames: int, size: int, *, soft: float = SOFT_SHARE
) -> Clip:
    """A clip; a function of the photographs and the state of `rng`.

    Args:
        photographs: luma, each side longer than `size` / 2.
        rng: random numbers.
        frames: an odd number of frames.
        size: rows and columns.
        soft: share of the clips that are themselves soft.
    """
    clip = _layer(photographs, rng, frames, size)
    for _ in range(int(rng.choice(3, p=_LAYER_SHARES))):
        front, masks = _layer(photographs, rng, frames, size), _masks(rng, frames, size)
        before = masks[frames // 2, :, :, None] > 0.5
        motion = np.where(before, front.motion, clip.motion)
        clip = Clip(clip.frames + (front.frames - clip.frames) * masks, motion)
    clip = _turned(clip, rng)
    clip = replace(clip, frames=_graded(clip.frames, rng))
    if rng.random() < soft:
        clip = replace(clip, frames=_softened(clip.frames, rng))
    return _barred(clip, rng) if rng.random() < _BARRED_SHARE else clip


def _softened(clip: Field, rng: np.random.Generator) -> Field:
    """A clip as an ordinary camera and codec would have made it; the network's truth is then soft too.

    It is out of focus, and half of such clips are blurred by motion along a line as well. Larger clips are softer in
    proportion, so that a network that enlarges more meets pictures as soft in the source's pixels.
    """
    larger = clip.shape[-1] / _SIZE
    sigma = float(rng.uniform(0.4, 1.6)) * larger
    soft = np.stack([blurred(frame, sigma) for frame in clip])
    if rng.random() < 0.5:
        line = _line(float(rng.uniform(2, 10)) * larger, float(rng.uniform(0, np.pi)))
        soft = np.stack([cv2.filter2D(frame, -1, line, borderType=cv2.BORDER_REFLECT) for frame in soft])
    if rng.random() >= _CODED_SHARE:
        return soft
    return recorded_in_h264(soft, int(rng.integers(14, 27)))


def _line(length: float, angle: float) -> Field:
    """A kernel that averages along a line through its middle; sums to 1."""
    size = 2 * int(np.ceil(length / 2)) + 3
    middle, reach = size / 2 - 0.5, length / 2 * np.array([np.cos(angle), np.sin(angle)])
    ends = [np.round((middle + side * reach) * 16).astype(np.int32) for side in (-1, 1)]
    kernel = np.zeros((size, size), np.uint8)
    cv2.line(kernel, ends[0].tolist(), ends[1].tolist(), (255,), 1, cv2.LINE_AA, 4)
    return kernel.astype(np.float32) / np.float32(kernel.sum())


def _layer(photographs: Sequence[Photograph], rng: np.random.Generator, frames: int, size: int) -> Clip:
    for _ in range(4):
        photograph = photographs[int(rng.integers(len(photographs)))]
        motion, room = draw_motion(rng, frames, size), np.array(photograph.shape[::-1], np.float64)
        margin = np.minimum(size * 0.6, room / 2)
        # Whole pixels: the middle frame, which is the truth, is then the photograph itself and not a resampled one.
        centre = np.round(rng.uniform(margin, room - margin))
        middle = _view(photograph, motion.matrix(0, size, centre), size)
        if middle.std() > _FLAT or rng.random() < 0.05:
            break
    offsets = range(-(frames // 2), frames // 2 + 1)
    views = [middle if t == 0 else _view(photograph, motion.matrix(t, size, centre), size) for t in offsets]
    return Clip(np.stack(views).astype(np.float32), motion.onward(size, centre))


def _view(photograph: Photograph, matrix: NDArray[np.float64], size: int) -> Photograph:
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(photograph, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REFLECT), np.uint8
    )


def _masks(rng: np.random.Generator, frames: int, size: int) -> Field:
    """A soft-edged polygon that moves, turns and swells; (frames, size, size) in [0, 1]."""
    corners = int(rng.integers(4, 24))
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radii = rng.uniform(0.1, 0.4) * size * rng.uniform(0.6, 1.2, corners)
    centre, speed = rng.uniform(0.15, 0.85, 2) * size, rng.normal(0, 1, 2) * rng.choice([0.5, 3.0, 8.0])
    swell, turn, edge = rng.normal(0, 0.02), rng.normal(0, 0.02), float(rng.uniform(0.5, 1.5))
    masks = []
    for t in range(-(frames // 2), frames // 2 + 1):
        at, grown, turned = centre + speed * t, radii * (1 + swell * t), angles + turn * t
        points = at + np.column_stack([np.cos(turned), np.sin(turned)]) * grown[:, None]
        mask = np.zeros((size, size), np.float32)
        cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], (1.0,), cv2.LINE_8, 4)
        masks.append(cv2.GaussianBlur(mask, (0, 0), edge))
    return np.stack(masks)


def _barred(clip: Clip, rng: np.random.Generator) -> Clip:
    """The same clip between two black bars with hard edges that stay in place: above and below, or at both sides."""
    frames, motion = clip.frames.copy(), clip.motion.copy()
    upright = rng.random() < 0.7
    rows = frames if upright else frames.transpose(0, 2, 1)
    moves = motion if upright else motion.transpose(1, 0, 2)
    size = rows.shape[1]
    first, last = (round(float(rng.uniform(*_BAR)) * size) for _ in range(2))
    rows[:, :first] = rows[:, size - last :] = float(rng.uniform(*_BLACK))
    moves[:first] = moves[size - last :] = 0
    return Clip(frames, motion)


def _turned(clip: Clip, rng: np.random.Generator) -> Clip:
    """Turned and mirrored; the same for all frames."""
    frames, motion = clip.frames, clip.motion
    if rng.random() < 0.5:
        frames, motion = frames[:, :, ::-1], motion[:, ::-1] * np.array([-1, 1], np.float32)
    if rng.random() < 0.25:
        frames, motion = frames[:, ::-1], motion[::-1] * np.array([1, -1], np.float32)
    if rng.random() < 0.25:
        frames, motion = frames.transpose(0, 2, 1), motion.transpose(1, 0, 2)[..., ::-1]
    return Clip(frames, np.ascontiguousarray(motion))


def _graded(frames: Field, rng: np.random.Generator) -> Field:
    """With the black, white and gamma of some print; the same for all frames."""
    black, white, gamma = rng.uniform(0, 0.12), rng.uniform(0.8, 1.0), rng.uniform(0.75, 1.35)
    graded = black + (white - black) * np.power(np.clip(frames, 0, 255) / np.float32(255), np.float32(gamma))
    return np.ascontiguousarray(graded, np.float32)
