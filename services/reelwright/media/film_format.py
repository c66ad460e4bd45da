"""The format of a film's video stream, as it follows from the source's."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from reelwright.media.colour import RANGE_FULL, RANGE_LIMITED, UNSPECIFIED, presumed_matrix
from reelwright.media.display_matrix import Matrix, fitted
from reelwright.media.picture import PIXEL_FORMATS
from reelwright.media.profiles import ProfileSpec
from reelwright.media.source_info import ColourInfo, HdrInfo, VideoInfo

_UNTAGGED = ColourInfo()
_NO_HDR = HdrInfo()


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmFormat:
    """The format of the film's video stream.

    Attributes:
        width: columns of the pictures, before any padding that the codec needs.
        height: rows of the pictures, before padding.
        pix_fmt: a key of PIXEL_FORMATS.
        time_base: seconds per unit of PTS and duration.
        average_rate: frames per second; 0 when unknown.
        sample_aspect_ratio: width of a sample over its height.
        display_matrix: how a player rotates and mirrors the picture (see `media.display_matrix`).
        colour: the source's tags, which describe the pictures that are encoded.
        to_limited: pictures of full range are converted to limited range.
        hdr: static metadata for the bitstream or the container.
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
    """The source's colour tags, with a matrix if the source has none and enlarging would change how players show it.

    Players read a picture without a matrix as BT.601 if it has at most 576 lines and less than 1280 columns, and as
    BT.709 otherwise (the rule of mpv and VLC). So an enlarged film could get other colours than its source.
    """
    before = presumed_matrix(video.width, video.height)
    if video.colour.matrix != UNSPECIFIED or before == presumed_matrix(width, height):
        return video.colour
    return video.colour.model_copy(update={"matrix": before})


def coded_colour(spec: ProfileSpec, film: FilmFormat) -> ColourInfo:
    """The tags of the bitstream and the container. They describe the pictures after a conversion to limited range."""
    if film.colour.range == RANGE_FULL and (spec.limited or film.to_limited):
        return film.colour.model_copy(update={"range": RANGE_LIMITED})
    return film.colour
