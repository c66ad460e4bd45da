"""From FFmpeg's pixel formats to the ones the pipeline carries, with one copy per frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import av
import numpy as np
from av.video.format import VideoFormat
from av.video.reformatter import Interpolation

from reelwright.media.bars import crop
from reelwright.media.colour import RANGE_FULL, RANGE_LIMITED, RANGE_UNKNOWN, SCALER_MATRIX, rgb_matrix
from reelwright.media.picture import PIXEL_FORMATS, Picture, PixelFormat, Plane
from reelwright.media.source_info import Bars, ColourInfo
from reelwright.titles.errors import InputError

EXACT = int(
    Interpolation.BILINEAR
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.FULL_CHR_H_INT
)
# These standards say that gray is of limited range where a stream does not say (H.264 and H.265, E.2.1).
_LIMITED_GRAY = {"h264", "hevc", "av1"}


@dataclass(frozen=True, slots=True)
class Conversion:
    """How a source pixel format becomes a carried one.

    Attributes:
        target: a key of PIXEL_FORMATS.
        direct: the planes are already laid out as `target`'s and are only copied.
        rgb: the source holds R, G, B (or a palette of them).
        note: what is lost, empty when nothing is.
    """

    target: str
    direct: bool
    rgb: bool = False
    note: str = ""


@lru_cache(maxsize=64)
def conversion(pix_fmt: str) -> Conversion:
    """What becomes of FFmpeg's `pix_fmt`.

    Raises:
        InputError: a format of hardware memory or sensor data, which is no picture yet.
    """
    source = VideoFormat(pix_fmt, 16, 16)
    colours = [component for component in source.components if not component.is_alpha]
    if not colours or source.is_bayer:
        raise InputError(f"pixel format {pix_fmt} cannot be read", "", "convert the film to yuv420p first")
    rgb = source.is_rgb or source.has_palette or pix_fmt.startswith("xyz")
    depth = max(component.bits for component in colours)
    layout, same_layout = ("yuv444p", False) if rgb else _layout(source, len(colours))
    carried = next((known for known in (8, 10, 12) if depth <= known), 12)
    target = layout + ("" if carried == 8 else f"{carried}le")
    planes = [component.plane for component in colours]
    alpha = len(source.components) > len(colours)
    shared_alpha = alpha and any(c.plane in planes for c in source.components if c.is_alpha)
    direct = (
        same_layout
        and depth == carried
        and planes == list(range(len(colours)))
        and not (source.is_big_endian or source.is_bit_stream or shared_alpha or "msb" in pix_fmt)
    )
    return Conversion(target, direct, rgb, _loss(rgb, same_layout, depth, target, alpha=alpha))


def _layout(source: VideoFormat, components: int) -> tuple[str, bool]:
    """The carried layout and whether it has the source's own subsampling; the nearest finer one otherwise."""
    if components == 1:
        return "gray", True
    steps = (16 // source.chroma_width(16), 16 // source.chroma_height(16))
    known = {(1, 1): "yuv444p", (2, 1): "yuv422p", (2, 2): "yuv420p"}
    near = {(1, 2): "yuv444p", (4, 1): "yuv422p", (4, 4): "yuv420p"}
    return (known[steps], True) if steps in known else (near.get(steps, "yuv444p"), False)


def _loss(rgb: bool, same_layout: bool, depth: int, target: str, *, alpha: bool) -> str:
    losses = []
    if rgb:
        losses.append("RGB becomes Y'CbCr")
    elif not same_layout:
        losses.append("chroma is resampled to a finer grid")
    if depth > PIXEL_FORMATS[target].depth:
        losses.append(f"{depth} bits become {PIXEL_FORMATS[target].depth}")
    if alpha:
        losses.append("transparency is left out")
    return f"{', '.join(losses)} ({target})" if losses else ""


def colour_of(frame: av.VideoFrame, codec: str = "") -> ColourInfo:
    """The colour description of the pictures that `picture_of` makes of frames like this one.

    Untagged gray is of full range, as in scans and in FFmpeg's own conversions (libswscale, handle_jpeg), unless the
    codec's standard says otherwise.

    Args:
        frame: a decoded frame.
        codec: FFmpeg's common name of its codec.
    """
    chosen = conversion(frame.format.name)
    matrix, colour_range = int(frame.colorspace), int(frame.color_range)
    if chosen.rgb:
        matrix, colour_range = rgb_matrix(frame.height), RANGE_LIMITED
    elif frame.format.name.startswith("yuvj") or (
        colour_range == RANGE_UNKNOWN and chosen.target.startswith("gray") and codec not in _LIMITED_GRAY
    ):
        colour_range = RANGE_FULL
    return ColourInfo(
        range=colour_range, primaries=int(frame.color_primaries), transfer=int(frame.color_trc), matrix=matrix
    )


def picture_of(frame: av.VideoFrame, bars: Bars) -> Picture:
    """The active area of a decoded frame as tight planes, copied once."""
    chosen = conversion(frame.format.name)
    if not chosen.direct:
        frame = _converted(frame, chosen)
    target = PIXEL_FORMATS[chosen.target]
    views = tuple(_plane_view(frame, index, target) for index in range(target.planes))
    return crop(Picture(chosen.target, frame.width, frame.height, views), bars)


def luma_of(frame: av.VideoFrame) -> tuple[Plane, int]:
    """The luma of a decoded frame and its depth in bits; without a copy where the format allows, valid as long as it.

    Shape (rows, columns), uint8 or uint16 in [0, 2**depth - 1].
    """
    chosen = conversion(frame.format.name)
    target = PIXEL_FORMATS[chosen.target]
    return _plane_view(frame if chosen.direct else _converted(frame, chosen), 0, target), target.depth


def _plane_view(frame: av.VideoFrame, index: int, target: PixelFormat) -> Plane:
    """A plane of a frame without a copy, shape (rows, columns); valid as long as the frame."""
    plane = frame.planes[index]
    samples: Plane = np.frombuffer(memoryview(plane), target.dtype)  # type: ignore[assignment]
    view = samples.reshape(plane.height, abs(plane.line_size) // samples.itemsize)[:, : plane.width]
    # A negative line size stores the rows from the bottom up.
    return view[::-1] if plane.line_size < 0 else view


def _converted(frame: av.VideoFrame, chosen: Conversion) -> av.VideoFrame:
    # One thread and bit-exact code: the same samples on every machine.
    if chosen.rgb:
        matrix = SCALER_MATRIX[rgb_matrix(frame.height)]
        return frame.reformat(
            format=chosen.target,
            dst_colorspace=matrix,
            dst_color_range=RANGE_LIMITED,
            interpolation=EXACT,
            threads=1,
        )
    # Naming one range for both sides keeps the code values as they are.
    same = frame.color_range or RANGE_LIMITED
    return frame.reformat(
        format=chosen.target, src_color_range=same, dst_color_range=same, interpolation=EXACT, threads=1
    )
