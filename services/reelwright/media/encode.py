"""Encodes one segment of a film into a file of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from av.codec.context import Flags as CodecFlags
from av.container.core import Flags as ContainerFlags
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from reelwright.media.colour import RANGE_FULL, RANGE_LIMITED, UNSPECIFIED, presumed_matrix
from reelwright.media.display_matrix import Matrix, fitted
from reelwright.media.formats import EXACT
from reelwright.media.hdr import hdr_parameters
from reelwright.media.picture import PIXEL_FORMATS, Picture, Plane
from reelwright.media.profiles import ProfileSpec, encoded_size
from reelwright.media.types import ColourInfo, HdrInfo, VideoInfo
from reelwright.store.failures import output_error
from reelwright.titles.errors import InternalError

# CPU_AVX512_SKX of OpenCV's cvdef.h: AVX-512 F, CD, BW, DQ and VL, the set that x264 asks for.
_AVX512_SKX = 256
# Encoders refuse rates beyond a few hundred; the rate only guides them, since assembly stamps the frames.
_RATES = (Fraction(1), Fraction(240))
_UNTAGGED = ColourInfo()
_NO_HDR = HdrInfo()
# PyAV's stub has this flag as a Flag, its containers want a number.
BITEXACT = cast("int", ContainerFlags.bitexact.value)

# SVT-AV1 writes a page about itself to stderr for each encoder it opens; it reads its level from here alone.
os.environ.setdefault("SVT_LOG", "1")


@dataclass(frozen=True, slots=True)
class FilmFormat:
    """The film's video stream.

    Attributes:
        width: columns of the pictures, before any padding that the codec needs.
        height: their rows.
        pix_fmt: a key of PIXEL_FORMATS.
        time_base: seconds per unit of PTS and duration.
        average_rate: frames per second; 0 when unknown.
        sample_aspect_ratio: width of a sample over its height.
        display_matrix: how a player turns and mirrors the picture (see `media.display_matrix`).
        colour: the source's tags, which describe the pictures that are encoded.
        to_limited: pictures of full range are converted to limited range.
        hdr: static metadata that bitstream or container carry.
    """

    width: int
    height: int
    pix_fmt: str
    time_base: Fraction
    average_rate: Fraction
    sample_aspect_ratio: Fraction = Fraction(1)
    display_matrix: Matrix = ()
    colour: ColourInfo = _UNTAGGED
    to_limited: bool = False
    hdr: HdrInfo = _NO_HDR


def film_format(video: VideoInfo, width: int, height: int, pix_fmt: str) -> FilmFormat:
    """The format of a film of the source's `video` with pictures of this size and pixel format.

    Gray that gets chroma planes becomes limited range, as in FFmpeg: players expect it of video with chroma.
    """
    gray, coloured = (PIXEL_FORMATS[name].planes == planes for name, planes in ((video.pix_fmt, 1), (pix_fmt, 3)))
    return FilmFormat(
        width=width,
        height=height,
        pix_fmt=pix_fmt,
        time_base=video.time_base,
        average_rate=video.average_rate,
        sample_aspect_ratio=video.sample_aspect_ratio or Fraction(1),
        display_matrix=fitted(video.display_matrix, width, height),
        colour=film_colour(video, width, height),
        to_limited=gray and coloured,
        hdr=video.hdr,
    )


def film_colour(video: VideoInfo, width: int, height: int) -> ColourInfo:
    """The source's colour tags; a matrix that it leaves open is written down where enlarging would change its meaning.

    Players take an untagged picture for BT.601 up to 576 lines and narrower than 1280, for BT.709 beyond (mpv's and
    VLC's rule). An enlarged film would cross that line and change its colours.
    """
    before = presumed_matrix(video.width, video.height)
    if video.colour.matrix != UNSPECIFIED or before == presumed_matrix(width, height):
        return video.colour
    return video.colour.model_copy(update={"matrix": before})


def coded_colour(spec: ProfileSpec, film: FilmFormat) -> ColourInfo:
    """The tags that bitstream and container carry, after the pictures were converted where that is needed."""
    if film.colour.range == RANGE_FULL and (spec.limited or film.to_limited):
        return film.colour.model_copy(update={"range": RANGE_LIMITED})
    return film.colour


class SegmentEncoder:
    """Encodes the pictures of one segment, in order, into a small Matroska file that starts a closed GOP.

    The file holds the pictures and their order; their times are stamped on at assembly, from the plan. The same
    pictures give the same bytes, in any process and with any number of threads. Used by one thread at a time.

    Args:
        path: the file to write.
        spec: the film's profile.
        film: its format.
        threads: codec threads, where their number does not change the bytes.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, path: Path, spec: ProfileSpec, film: FilmFormat, threads: int = 1) -> None:
        self._path, self._film = path, film
        self._colour = coded_colour(spec, film)
        self._size = encoded_size(spec, film.width, film.height)
        self._frames, self._ended = 0, False
        with output_errors(path):
            self._container = av.open(path, "w", format="matroska")
            # Without it the muxer writes random identifiers and the library's version.
            self._container.flags |= BITEXACT
            rate = encoder_rate(film.average_rate)
            stream = self._container.add_stream(spec.encoder, rate=rate, options=_options(spec, film, self._size))
            self._stream = cast("VideoStream", stream)
            self._configure(spec.fixed_threads or threads)
            self._container.start_encoding()

    def _configure(self, threads: int) -> None:
        context = self._stream.codec_context
        context.width, context.height = self._size
        context.pix_fmt = self._film.pix_fmt
        context.time_base = 1 / context.framerate
        context.thread_count = threads
        context.flags |= int(CodecFlags.bitexact)
        context.sample_aspect_ratio = self._film.sample_aspect_ratio
        set_colour(context, self._colour)

    def add(self, picture: Picture) -> None:
        """Encodes the next picture.

        Raises:
            ValueError: it is not of the film's format and size.
            OutputError: the file cannot be written.
        """
        film = self._film
        if (picture.pix_fmt, picture.width, picture.height) != (film.pix_fmt, film.width, film.height):
            raise ValueError(
                f"a picture of {picture.pix_fmt} {picture.width}x{picture.height} in a film of "
                f"{film.pix_fmt} {film.width}x{film.height}"
            )
        frame = self._ranged(video_frame(picture, self._size))
        set_colour(frame, self._colour)
        frame.pts, frame.time_base = self._frames, self._stream.codec_context.time_base
        self._frames += 1
        with output_errors(self._path):
            self._container.mux(self._stream.encode(frame))

    def _ranged(self, frame: av.VideoFrame) -> av.VideoFrame:
        given, coded = self._film.colour.range, self._colour.range
        if given == coded:
            return frame
        return frame.reformat(
            format=frame.format.name, src_color_range=given, dst_color_range=coded, interpolation=EXACT, threads=1
        )

    def finish(self) -> None:
        """Completes the file.

        Raises:
            OutputError: it cannot be written.
        """
        with output_errors(self._path):
            self._container.mux(self._stream.encode(None))
            self._ended = True
            self._container.close()

    def abort(self) -> None:
        """Drops the file; nothing happens after `finish` or a second time."""
        if self._ended:
            return
        self._ended = True
        with suppress(OSError):
            self._container.close()
        self._path.unlink(missing_ok=True)


def video_frame(picture: Picture, size: tuple[int, int] | None = None) -> av.VideoFrame:
    """The picture as FFmpeg's frame: one copy; columns and rows up to `size` repeat the edge."""
    width, height = size or (picture.width, picture.height)
    frame = av.VideoFrame(width, height, picture.pix_fmt)
    for plane, samples in zip(frame.planes, picture.planes, strict=True):
        rows = np.frombuffer(memoryview(plane), picture.format.dtype).reshape(plane.height, -1)
        _fill(cast("Plane", rows[:, : plane.width]), samples)
    return frame


def _fill(target: Plane, samples: Plane) -> None:
    rows, columns = samples.shape
    target[:rows, :columns] = samples
    target[:rows, columns:] = samples[:, -1:]
    target[rows:] = target[rows - 1]


def set_colour(target: av.VideoFrame | VideoCodecContext, colour: ColourInfo) -> None:
    """Writes colour tags onto a frame or an encoder."""
    target.color_range = colour.range
    target.color_primaries = colour.primaries
    target.color_trc = colour.transfer
    target.colorspace = colour.matrix


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turns the operating system's refusal to write `path` into an OutputError or UnavailableError."""
    try:
        yield
    except OSError as error:
        raise output_error(error, str(path)) from error


def _options(spec: ProfileSpec, film: FilmFormat, size: tuple[int, int]) -> dict[str, str]:
    options = dict(spec.options)
    if spec.slices:
        options["slices"] = str(_slices(spec.encoder, spec.slices, film.pix_fmt, size))
    if spec.encoder == "libx264" and cv2.checkHardwareSupport(_AVX512_SKX):
        # Its AVX-512 code for macroblock trees uses memory that was never written, where the width is no multiple of
        # 128, and so now and then gives other bytes for the same pictures. Every such processor has AVX2.
        options["x264-params"] = "asm=avx2"
    name, parameters = hdr_parameters(spec.encoder, film.hdr)
    if parameters:
        options[name] = ":".join([*([options[name]] if name in options else []), *parameters])
    return options


@cache
def _slices(encoder: str, wanted: int, pix_fmt: str, size: tuple[int, int]) -> int:
    """The number nearest to `wanted` into which FFV1 cuts such a picture: chroma and luma must part at one place."""
    for slices in sorted(range(1, 4 * wanted), key=lambda count: abs(count - wanted)):
        context = cast("VideoCodecContext", av.CodecContext.create(encoder, "w"))
        context.width, context.height = size
        context.pix_fmt, context.time_base = pix_fmt, Fraction(1, 25)
        context.options = {"level": "3", "slices": str(slices)}
        with suppress(av.FFmpegError):
            context.open()
            return slices
    raise InternalError(f"{encoder} takes no picture of {size[0]}x{size[1]} {pix_fmt}")


def encoder_rate(rate: Fraction) -> Fraction:
    """The rate a segment is encoded at: the film's where encoders take it; its frames lie 1/rate apart in the file."""
    return min(max(rate, _RATES[0]), _RATES[1]) if rate > 0 else Fraction(25)
