"""Encodes and assembles a clip without restoring it, so that every frame and packet of the film is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.assemble import AssembledFilm, assemble_film
from reelwright.media.encode import SegmentEncoder
from reelwright.media.film_format import FilmFormat, film_format
from reelwright.media.frame_record import DecodedFrame
from reelwright.media.picture import PIXEL_FORMATS, Picture, Plane
from reelwright.media.picture_clock import SegmentInput
from reelwright.media.probe import probe
from reelwright.media.profiles import ProfileSpec, out_pix_fmt, profile_spec
from reelwright.media.reader import FrameReader
from reelwright.media.source_info import SourceInfo
from reelwright.titles.recipe import Recipe
from tests.support.pyav import in_seconds

PROFILES = ("web", "master", "hevc10", "av1", "prores")


@dataclass(frozen=True)
class UnrestoredFilm:
    """A film and what it was made from.

    Attributes:
        path: the film.
        info: the probed source.
        spec: the profile.
        film: format of the film.
        segments: the encoded segments in order.
        pictures: every picture that was encoded.
        result: what `assemble_film` returned.
    """

    path: Path
    info: SourceInfo
    spec: ProfileSpec
    film: FilmFormat
    segments: tuple[SegmentInput, ...]
    pictures: tuple[Picture, ...]
    result: AssembledFilm


def make_unrestored_film(
    source: str | Path, profile: str, folder: Path, *, segment: int = 20, limit: int = 10**6
) -> UnrestoredFilm:
    """Encodes a source in segments and assembles them.

    Args:
        source: path of the source.
        profile: name of the profile.
        folder: for segments and film.
        segment: frames of a segment.
        limit: frames of the source that are encoded.
    """
    info = probe(str(source))
    spec = profile_spec(profile)
    frames = _take(FrameReader(info, Recipe(bars="ignore", deinterlace="off")), limit)
    pix_fmt = out_pix_fmt(profile, info.video.pix_fmt)
    pictures = tuple(convert(frame.picture, pix_fmt) for frame in frames)
    film = format_of(info, pictures[0])
    segments = tuple(_segments(frames, pictures, folder, spec, film, segment))
    path = folder / f"film{spec.suffix}"
    result = assemble_film(path, segments, source=info, spec=spec, film=film)
    return UnrestoredFilm(path, info, spec, film, segments, pictures, result)


def format_of(info: SourceInfo, picture: Picture) -> FilmFormat:
    """The format of a film from this source with pictures like this one."""
    return film_format(info.video, picture.width, picture.height, picture.pix_fmt)


def write_segment(
    path: Path, spec: ProfileSpec, film: FilmFormat, pictures: Iterable[Picture], threads: int = 1
) -> Path:
    """Encodes one segment; its path."""
    encoder = SegmentEncoder(path, spec, film, threads)
    for picture in pictures:
        encoder.add(picture)
    encoder.finish()
    return path


def convert(picture: Picture, pix_fmt: str) -> Picture:
    """Converts a picture to another pixel format; code values scale with the depth, and gray gets neutral chroma."""
    layout = PIXEL_FORMATS[pix_fmt]
    planes: list[Plane] = []
    for index in range(layout.planes):
        rows, columns = layout.plane_shape(index, picture.width, picture.height)
        if picture.format.planes == 1 and index:
            planes.append(np.full((rows, columns), layout.neutral, layout.dtype))  # type: ignore[arg-type]
            continue
        samples: NDArray[Any] = picture.planes[index].astype(np.float32) * 2.0 ** (layout.depth - picture.format.depth)
        if samples.shape != (rows, columns):
            samples = cv2.resize(samples, (columns, rows), interpolation=cv2.INTER_AREA)
        planes.append(np.ascontiguousarray(samples.astype(layout.dtype)))
    return Picture(pix_fmt, picture.width, picture.height, tuple(planes))


def decoded(path: Path) -> Iterator[tuple[Fraction, list[NDArray[np.float64]]]]:
    """Decodes a film with PyAV alone: time in seconds and planes, as levels of 8 bits, of each frame."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            deep = max(component.bits for component in frame.format.components) > 8
            dtype, unit = (np.uint16, 4.0) if deep else (np.uint8, 1.0)
            planes = []
            for plane in frame.planes:
                rows: Any = np.frombuffer(memoryview(plane), dtype).reshape(plane.height, -1)
                planes.append(rows[:, : plane.width] / unit)
            yield in_seconds(frame.pts, frame.time_base), planes


def mean_difference(picture: Picture, planes: Sequence[NDArray[np.float64]]) -> float:
    """The mean absolute difference from a picture, in 8-bit levels; of its planes, the largest."""
    unit = 2.0 ** (picture.format.depth - 8)
    return max(
        float(np.abs(plane[: own.shape[0], : own.shape[1]] - own / unit).mean())
        for own, plane in zip(picture.planes, planes, strict=True)
    )


def demuxed_packets(path: Path, kind: str) -> list[Any]:
    """The packets of the first stream of a kind (video, audio, subtitle), demultiplexed with PyAV alone."""
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return [packet for packet in container.demux(stream) if packet.size]


def decoded_sound(path: Path, index: int = 0) -> tuple[Fraction, NDArray[np.float64]]:
    """Decodes an audio stream: time of its first sample in seconds, and the first channel's samples in [-1, 1]."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=index))
    start = in_seconds(frames[0].pts, frames[0].time_base)
    scale = {"s16": 2.0**15, "s32": 2.0**31}.get(frames[0].format.packed.name, 1.0)
    arrays = [frame.to_ndarray() for frame in frames]
    channels = 1 if frames[0].format.is_planar else len(frames[0].layout.channels)
    return start, np.concatenate([array[0][::channels] for array in arrays]) / scale


def _take(frames: Iterable[DecodedFrame], limit: int) -> list[DecodedFrame]:
    taken = []
    for frame in frames:
        taken.append(frame)
        if len(taken) == limit:
            break
    return taken


def _segments(
    frames: Sequence[DecodedFrame],
    pictures: Sequence[Picture],
    folder: Path,
    spec: ProfileSpec,
    film: FilmFormat,
    length: int,
) -> Iterator[SegmentInput]:
    for start in range(0, len(frames), length):
        path = write_segment(folder / f"{start:06d}.mkv", spec, film, pictures[start : start + length])
        yield SegmentInput(path, [frame.record for frame in frames[start : start + length]])
