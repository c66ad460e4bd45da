"""Encodes one segment of a film into a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from av.codec.context import Flags as CodecFlags
from av.container.core import Flags as ContainerFlags
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from reelwright.media.film_format import FilmFormat, coded_colour
from reelwright.media.formats import EXACT
from reelwright.media.hdr import hdr_parameters
from reelwright.media.picture import Picture, Plane
from reelwright.media.profiles import ProfileSpec, encoded_size
from reelwright.media.scheduling import kept_scheduling
from reelwright.media.source_info import ColourInfo
from reelwright.store.failures import output_error
from reelwright.titles.errors import InternalError

# CPU_AVX512_SKX of OpenCV's cvdef.h: AVX-512 F, CD, BW, DQ and VL, the set that x264 asks for.
_X265_TREE_UNIT = 64
_AVX512_SKX = 256
# Encoders refuse rates above a few hundred. The rate only affects their rate control: assembly sets the times.
_RATES = (Fraction(1), Fraction(240))
# PyAV's stub declares a Flag, but its containers take a number.
BITEXACT = cast("int", ContainerFlags.bitexact.value)

# SVT-AV1 writes a page of information to stderr for each encoder. Only this variable sets its log level.
os.environ.setdefault("SVT_LOG", "1")


class SegmentEncoder:
    """Encodes the pictures of one segment, in order, into a small Matroska file that starts a closed GOP.

    The file holds the pictures and their order; assembly sets their times, which the plan has. The same pictures give
    the same bytes in any process and with any number of threads. Only one thread at a time may use an encoder.

    Args:
        target: the file to write, or a buffer in memory.
        spec: the film's profile.
        film: its format.
        threads: codec threads; ignored for a profile with a fixed number of threads.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, target: Path | BytesIO, spec: ProfileSpec, film: FilmFormat, threads: int = 1) -> None:
        self._target, self._film = target, film
        self._colour = coded_colour(spec, film)
        self._size = encoded_size(spec, film.width, film.height)
        self._frames, self._ended = 0, False
        with output_errors(target):
            self._container = av.open(target, "w", format="matroska")
            # Without this flag the muxer writes random identifiers and the library's version.
            self._container.flags |= BITEXACT
            rate = encoder_rate(film.average_rate)
            stream = self._container.add_stream(spec.encoder, rate=rate, options=_options(spec, film, self._size))
            self._stream = cast("VideoStream", stream)
            self._configure(spec.fixed_threads or threads)
            with kept_scheduling():
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
            ValueError: its pixel format or size is not the film's.
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
        with output_errors(self._target):
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
        with output_errors(self._target):
            self._container.mux(self._stream.encode(None))
            self._ended = True
            self._container.close()

    def abort(self) -> None:
        """Deletes the incomplete file. Does nothing after `finish` or a previous `abort`."""
        if self._ended:
            return
        self._ended = True
        with suppress(OSError):
            self._container.close()
        if isinstance(self._target, Path):
            self._target.unlink(missing_ok=True)


def video_frame(picture: Picture, size: tuple[int, int] | None = None) -> av.VideoFrame:
    """The picture as FFmpeg's frame, copied once. Columns and rows that `size` adds repeat the edge."""
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
    """Sets the colour tags of a frame or an encoder."""
    target.color_range = colour.range
    target.color_primaries = colour.primaries
    target.color_trc = colour.transfer
    target.colorspace = colour.matrix


@contextmanager
def output_errors(target: Path | BytesIO) -> Iterator[None]:
    """Raises an OutputError or UnavailableError in place of an OSError from writing `target`."""
    try:
        yield
    except OSError as error:
        raise output_error(error, str(target)) from error


def _options(spec: ProfileSpec, film: FilmFormat, size: tuple[int, int]) -> dict[str, str]:
    options = dict(spec.options)
    if spec.slices:
        options["slices"] = str(_slices(spec.encoder, spec.slices, film.pix_fmt, size))
    if spec.encoder == "libx264" and cv2.checkHardwareSupport(_AVX512_SKX):
        # If the width is not a multiple of 128, x264's AVX-512 code for macroblock trees reads memory that was never
        # written. Then the same pictures sometimes give other bytes. Every processor with AVX-512 has AVX2.
        options["x264-params"] = "asm=avx2"
    if spec.encoder == "libx265" and min(size) < _X265_TREE_UNIT:
        # In a picture smaller than one coding tree unit x265 reads memory that was never written: 4 of 110 segments of
        # 32x32 differed. With units of 16 samples none did.
        options["x265-params"] += ":ctu=16"
    name, parameters = hdr_parameters(spec.encoder, film.hdr)
    if parameters:
        options[name] = ":".join([*([options[name]] if name in options else []), *parameters])
    return options


@cache
def _slices(encoder: str, wanted: int, pix_fmt: str, size: tuple[int, int]) -> int:
    """The number nearest to `wanted` into which FFV1 can divide such a picture.

    A slice must end at the same place in luma and chroma, so some sizes do not allow every number.

    Raises:
        InternalError: no number is possible.
    """
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
    """Frames per second of a segment's file: the film's rate, limited to what encoders accept; 25 if unknown.

    Consecutive frames are 1/rate seconds apart in the file.
    """
    return min(max(rate, _RATES[0]), _RATES[1]) if rate > 0 else Fraction(25)
