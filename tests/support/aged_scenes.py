"""Shots whose camera, light, weave, rotation and flicker are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.decoder.look_ahead import look_ahead
from reelwright.media.frame_correction import FrameCorrection
from reelwright.media.frame_record import DecodedFrame, FrameRecord
from reelwright.media.picture import Picture
from reelwright.media.registration import SmallLuma, register, register_turn
from reelwright.media.rotation_fit import Turn
from reelwright.restoration.deflicker import even_light
from reelwright.titles.recipe import Recipe
from tests.support.windows import texture

Codes = NDArray[np.uint8]
Numbers = NDArray[np.float64]

ROWS, COLUMNS = 180, 240
STEADY = Recipe(deflicker="on", stabilise="on")
UPRIGHT = Recipe(deflicker="on", stabilise="on", stabilise_rotation="on")


@dataclass(frozen=True, slots=True)
class Shot:
    """A shot of a known scene.

    Attributes:
        frames: (n, ROWS, COLUMNS) uint8.
        camera: (n, 2), where the scene lies by the camera, right and down.
        weave: (n, 2), how far the film moved beside that.
        light: (n,), factor of the scene's own light.
        flicker: (n,), factor of the film's.
        roll: (n,), by how many degrees the camera turned the scene clockwise about the picture's centre.
        rotation: (n,), by how many the film turned beside that.
    """

    frames: Codes
    camera: Numbers
    weave: Numbers
    light: Numbers
    flicker: Numbers
    roll: Numbers
    rotation: Numbers


def shot(
    count: int,
    *,
    pan: Sequence[float] | Numbers = (),
    light: Sequence[float] | Numbers = (),
    weave: float = 0.0,
    flicker: float = 0.0,
    grain: float = 0.0,
    roll: Sequence[float] | Numbers = (),
    rotation: float = 0.0,
) -> Shot:
    """Draws a shot.

    Args:
        count: number of frames.
        pan: how far the scene lies to the right, frame by frame; up to 100 pixels either way, and 0 where it is empty.
        light: of the scene, frame by frame; 1 is as the texture is, also where it is empty.
        weave: standard deviation of the shift, new in each frame, in pixels.
        flicker: standard deviation of the light's factor, new in each frame.
        grain: standard deviation in levels.
        roll: by how many degrees the camera turned the scene clockwise, frame by frame; 0 where it is empty.
        rotation: standard deviation of the film's rotation, new in each frame, in degrees.
    """
    rng = np.random.default_rng(7)
    camera = np.zeros((count, 2))
    camera[:, 0] = pan if len(pan) else 0
    weaves, flickers = weave * rng.standard_normal((count, 2)), 1 + flicker * rng.standard_normal(count)
    lights = np.array(light if len(light) else np.ones(count), np.float64)
    rolled = np.array(roll if len(roll) else np.zeros(count), np.float64)
    turned = rotation * np.random.default_rng(8).standard_normal(count)
    wide = texture(ROWS + 60, COLUMNS + 260, 3) * np.float32(0.8)
    frames = np.empty((count, ROWS, COLUMNS), np.uint8)
    for index in range(count):
        right, down = camera[index] + weaves[index]
        move = np.array([[1, 0, right - 130], [0, 1, down - 30]])
        flags = cv2.INTER_CUBIC
        if angle := rolled[index] + turned[index]:
            move = turning(angle) @ np.vstack([move, (0, 0, 1)])
            # By a small part of a pixel OpenCV's cubic filter moves a picture up to 1.5 times as far.
            flags = cv2.INTER_LANCZOS4
        seen = cv2.warpAffine(wide, move, (COLUMNS, ROWS), flags=flags) * (lights[index] * flickers[index])
        seen = seen + grain * rng.standard_normal(seen.shape)
        frames[index] = np.clip(np.rint(seen), 0, 255)
    return Shot(frames, camera, weaves, lights, flickers, rolled, turned)


def turning(degrees: float, size: tuple[int, int] = (COLUMNS, ROWS)) -> Numbers:
    """The matrix (2, 3) that turns a picture clockwise about its centre."""
    centre = ((size[0] - 1) / 2, (size[1] - 1) / 2)
    return np.asarray(cv2.getRotationMatrix2D(centre, -degrees, 1.0), np.float64)


def turn_between(earlier: SmallLuma, later: SmallLuma) -> Turn:
    """How a picture turned and moved against an earlier one."""
    found = register(earlier, later)
    turn = register_turn(earlier, later, (found.right, found.down), found.contrast)
    assert turn is not None
    return turn


def uneven_light(count: int, deviation: float, seed: int = 5) -> Numbers:
    """Factors of the light of parts of the picture, (count, ROWS, COLUMNS), new in each frame: slopes and a bump.

    Args:
        count: number of frames.
        deviation: standard deviation over the picture and the frames.
        seed: of the random numbers.
    """
    rng = np.random.default_rng(seed)
    return np.asarray(1 + deviation * np.tensordot(rng.standard_normal((count, 3)), uneven_fields((ROWS, COLUMNS)), 1))


def uneven_fields(shape: tuple[int, int]) -> Numbers:
    """Two slopes and a bump over a picture, (3, rows, columns), each of mean 0; together of mean square 1."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, count) for count in shape), indexing="ij")
    bump = np.exp(-((x - 0.5) ** 2) / 0.5 - (y + 0.3) ** 2 / 0.8)
    fields = np.stack([1.2 * x, 0.8 * y, 1.5 * (bump - bump.mean())])
    return np.asarray(fields / np.sqrt(np.square(fields).mean(axis=(1, 2)).sum()))


def local_light(found: Numbers | Codes, reference: Numbers | Codes) -> Numbers:
    """Light of parts of the picture against a reference: (n, 4, 6) cells, divided by the mean of those of the frame."""
    size = (len(found), 4, ROWS // 4, 6, COLUMNS // 6)
    cells, wanted = (frames.reshape(size).mean(axis=(2, 4)) for frames in (found, reference))
    ratio = (cells + 1) / (wanted + 1)
    return np.asarray(ratio / ratio.mean(axis=(1, 2), keepdims=True))


def unsteady(light: Numbers) -> tuple[float, float]:
    """Standard deviation of `local_light` in a shot, and of its change from frame to frame, divided by sqrt(2)."""
    changes = np.diff(light, axis=0)
    return float(np.sqrt(light.var(axis=0).mean())), float(np.sqrt(np.square(changes).mean() / 2))


def evened(frames: Codes, found: Sequence[FrameCorrection]) -> Numbers:
    """The frames after the worker's step, in 8-bit levels."""
    rows, columns = frames[0].shape
    pictures = (Picture("gray", columns, rows, (np.ascontiguousarray(frame),)) for frame in frames)
    lit = [even_light(picture, each, full_range=True) for picture, each in zip(pictures, found, strict=True)]
    return np.stack([picture.planes[0] * (255 / 4095) for picture in lit])


def decoded(frames: Codes, cuts: Sequence[int] = (0,)) -> list[DecodedFrame]:
    """Frames as the decoder's reader gives them, with shots that begin at `cuts`."""
    rows, columns = frames[0].shape
    return [
        DecodedFrame(
            index,
            FrameRecord(pts=index, duration=1, shot_start=index in cuts),
            Picture("gray", columns, rows, (np.ascontiguousarray(frame),)),
        )
        for index, frame in enumerate(frames)
    ]


def corrections(frames: Codes, cuts: Sequence[int] = (0,), recipe: Recipe = STEADY) -> list[FrameCorrection]:
    """The corrections of frames."""
    steadied = look_ahead(decoded(frames, cuts), recipe, frames[0].size, full_range=True)
    found = [frame.record.correction for frame in steadied]
    return [each for each in found if each is not None]


def corrected_level(frames: Codes, found: Sequence[FrameCorrection]) -> Numbers:
    """Mean level of each frame after its correction."""
    means = frames.reshape(len(frames), -1).mean(axis=1)
    return np.array([mean * each.gain + 255 * each.offset for mean, each in zip(means, found, strict=True)])


def moves(found: Sequence[FrameCorrection]) -> Numbers:
    """How far each frame is moved, right and down; (n, 2)."""
    return np.array([[each.move_right, each.move_down] for each in found])


def turns(found: Sequence[FrameCorrection]) -> Numbers:
    """By how many degrees each frame is turned clockwise; (n,)."""
    return np.array([each.move_rotation for each in found])
