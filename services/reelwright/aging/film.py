"""Ages a whole film: decodes it, damages each frame, encodes it; sound and other streams are copied."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.aging import Ager, age_preset
from reelwright.media.assemble import assemble_film
from reelwright.media.encode import SegmentEncoder
from reelwright.media.film_format import FilmFormat
from reelwright.media.picture import Picture, PixelFormat, Plane, pixel_format
from reelwright.media.picture_clock import SegmentInput
from reelwright.media.probe import probe
from reelwright.media.profiles import profile_spec
from reelwright.media.reader import FrameReader
from reelwright.media.source_info import SourceInfo
from reelwright.store.failures import output_error
from reelwright.store.locks import run_lock
from reelwright.store.output_guard import guard_output, refuse_existing
from reelwright.store.scratch import known_scratch_folder
from reelwright.titles.errors import OutputError
from reelwright.titles.recipe import Recipe

# The loss of a broadcaster's or a web site's encoder: visible, but moderate.
_RATE = {"preset": "veryfast", "crf": "24"}
_TARGET = pixel_format("yuv420p")


def age_film(
    source: str,
    output: Path,
    preset: str,
    *,
    seed: int,
    shrink: int,
    overwrite: bool = False,
    on_frame: Callable[[], None] = lambda: None,
) -> int:
    """Writes an aged copy of a film as H.264 in MP4.

    Args:
        source: a clean film.
        output: an .mp4 file, not the source.
        preset: a name of `aging.PRESETS`.
        seed: of the random damage; the same seed gives the same file.
        shrink: divides width and height; both are rounded down to even numbers.
        overwrite: replace a file at the output.
        on_frame: called after each frame.

    Returns:
        The number of frames.

    Raises:
        InputError: the source cannot be read.
        OutputError: the output is the source, exists, or cannot be written.
        RecipeError: an unknown preset.
    """
    if output.suffix.lower() != ".mp4":
        raise OutputError("an aged film is an .mp4 file", str(output), f"name it {output.stem}.mp4")
    guard_output(source, str(output))
    if not overwrite:
        refuse_existing(output)
    damage = age_preset(preset)
    info = probe(source)
    film = _format(info, shrink)
    ager = Ager(damage, seed, film.width, film.height)
    spec = dataclasses.replace(profile_spec("web"), options=_RATE)
    lock = output.with_name(f".{output.name}.age.lock")
    try:
        with (
            run_lock(lock),
            _removed(lock),
            known_scratch_folder(output.with_name(f".{output.name}.age"), lambda: False) as folder,
        ):
            segment, draft = folder / "segment.mkv", folder / "film.mp4"
            encoder = SegmentEncoder(segment, spec, film)
            frames = []
            for frame in FrameReader(info, Recipe(bars="ignore")):
                small = _small(frame.picture, film)
                encoder.add(Picture(_TARGET.name, film.width, film.height, ager.age(frame.index, small)))
                frames.append(frame.record)
                on_frame()
            encoder.finish()
            assemble_film(draft, [SegmentInput(segment, frames)], source=info, spec=spec, film=film)
            draft.replace(output)
    except OSError as error:
        raise output_error(error, str(output)) from None
    return len(frames)


@contextmanager
def _removed(lock: Path) -> Iterator[None]:
    """Removes a lock's file while the lock is held, at the end of a `with` block."""
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _format(info: SourceInfo, shrink: int) -> FilmFormat:
    video = info.video
    return FilmFormat(
        width=max(2, video.width // shrink // 2 * 2),
        height=max(2, video.height // shrink // 2 * 2),
        pix_fmt=_TARGET.name,
        time_base=video.time_base,
        average_rate=video.average_rate,
        sample_aspect_ratio=video.sample_aspect_ratio,
        display_matrix=video.display_matrix,
        colour=video.colour,
    )


def _small(picture: Picture, film: FilmFormat) -> tuple[NDArray[np.uint8], ...]:
    """The picture's planes at the film's size, 8 bits, 4:2:0."""
    planes = [
        _resized(plane, picture.format, _TARGET.plane_shape(index, film.width, film.height))
        for index, plane in enumerate(picture.planes)
    ]
    while len(planes) < _TARGET.planes:
        planes.append(np.full(_TARGET.plane_shape(1, film.width, film.height), _TARGET.neutral, np.uint8))
    return tuple(planes)


def _resized(plane: Plane, source: PixelFormat, shape: tuple[int, int]) -> NDArray[np.uint8]:
    resized = cv2.resize(plane.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA)
    return np.clip(np.rint(resized / (1 << (source.depth - 8))), 0, 255).astype(np.uint8)
