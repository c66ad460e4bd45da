"""Restores chosen frames of a film as decoder and worker do, without encoding them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.decoder.look_ahead import look_ahead
from reelwright.decoder.tone_curves import with_tone
from reelwright.media.colour import RANGE_FULL
from reelwright.media.encode import video_frame
from reelwright.media.frame_correction import UNMOVED
from reelwright.media.frame_record import DecodedFrame
from reelwright.media.picture import Picture, pixel_format, without_neutral_chroma
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.media.source_info import SourceInfo
from reelwright.restoration.deflicker import even_light
from reelwright.restoration.engine import Engine
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.frame_windows import FrameWindows
from reelwright.restoration.models import resolve_model
from reelwright.restoration.restore import Restorer
from reelwright.titles.recipe import Recipe
from tests.support.clipmaker import Film, write_film
from tests.support.clips import F

Image = NDArray[np.uint8]
"""(rows, columns, 3) uint8, BGR."""


def restored_frames(film: Path, recipe: Recipe, numbers: Sequence[int]) -> list[Picture]:
    """The frames of a film with these numbers, restored, 8 bits; the last reach of the look-ahead is read, too."""
    info = probe(str(film))
    frames = list(_measured(info, recipe))
    full_range = info.video.colour.range == RANGE_FULL
    pictures = [without_neutral_chroma(frame.picture) for frame in frames]
    corrections = [frame.record.correction for frame in frames]
    if recipe.deflicker == "on":
        pictures = [
            even_light(picture, correction, full_range=full_range)
            for picture, correction in zip(pictures, corrections, strict=True)
            if correction is not None
        ]
    windows = FrameWindows(pictures, 0, [frame.record.shot_start for frame in frames])
    restorer = Restorer(_engine(recipe.model), recipe.scale, recipe.grain.keep)
    restored = []
    for number in numbers:
        correction = corrections[number]
        found = restorer.restore(
            pictures[number],
            "gray" if pictures[number].format.planes == 1 else "yuv420p",
            window=windows.window(number),
            full_range=full_range,
            siting=info.video.chroma_siting,
            moved=correction.move if correction else UNMOVED,
            tone=frames[number].record.tone,
        )
        restored.append(found.picture)
    return restored


def _measured(info: SourceInfo, recipe: Recipe) -> Iterable[DecodedFrame]:
    video = info.video
    size = pixel_format(video.pix_fmt).frame_bytes(video.width, video.height)
    full_range = video.colour.range == RANGE_FULL
    steadied = look_ahead(FrameReader(info, recipe), recipe, size, full_range=full_range)
    return with_tone(steadied, recipe, size, full_range=full_range)


@cache
def _engine(model: str) -> Engine:
    return create_engine("auto", resolve_model(model), threads=2)


def source_frames(film: Path, first: int = 0, count: int | None = None) -> list[Picture]:
    """Frames of a film in a row without its borders, sides cut to multiples of 4; black and white as one plane."""
    reader = FrameReader(probe(str(film)), Recipe())
    last = None if count is None else first + count
    return [_cut(without_neutral_chroma(frame.picture)) for frame in islice(reader, first, last)]


def _cut(picture: Picture) -> Picture:
    width, height = picture.width // 4 * 4, picture.height // 4 * 4
    shapes = [picture.format.plane_shape(index, width, height) for index in range(picture.format.planes)]
    planes = tuple(
        np.ascontiguousarray(np.asarray(plane, np.uint8)[:rows, :columns])
        for plane, (rows, columns) in zip(picture.planes, shapes, strict=True)
    )
    return Picture(picture.pix_fmt, width, height, planes)


def write_clip(path: Path, pictures: Sequence[Picture]) -> Path:
    """Writes pictures as a lossless film of 25 frames per second."""
    shots = [(F(number, 25), picture) for number, picture in enumerate(pictures)]
    write_film(path, Film(shots, codec="ffv1"))
    return path


def half_size(picture: Picture) -> Picture:
    """A picture of half the width and height, by area averaging; its sides must be multiples of 4."""
    planes = tuple(
        np.asarray(cv2.resize(plane, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
        for plane in picture.planes
    )
    return Picture(picture.pix_fmt, picture.width // 2, picture.height // 2, planes)


def shown(picture: Picture) -> Image:
    """An 8-bit picture in studio range as a screen shows it."""
    if picture.format.planes == 1:
        levels = np.clip(np.rint((picture.planes[0].astype(np.float32) - 16) * (255 / 219)), 0, 255)
        return np.asarray(cv2.cvtColor(levels.astype(np.uint8), cv2.COLOR_GRAY2BGR), np.uint8)
    return np.asarray(video_frame(picture).reformat(format="bgr24").to_ndarray(), np.uint8)


def enlarged(picture: Picture, scale: int) -> Image:
    """A picture enlarged by OpenCV's bicubic filter, as a screen shows it."""
    return np.asarray(cv2.resize(shown(picture), None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8)
