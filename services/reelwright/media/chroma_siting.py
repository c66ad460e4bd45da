"""Where a stream's chroma samples lie, by its tags or by its codec."""

from __future__ import annotations

import io
from contextlib import suppress

import av
from av.video.format import VideoFormat
from av.video.stream import VideoStream

from reelwright.media import ebml

# What codecs without a tag mean: JPEG (JFIF), MPEG-1, H.261, H.263 and Theora centre chroma between luma samples; DV
# in PAL puts it on the first luma sample (SMPTE 314M). All others follow MPEG-2 and H.264: left, between two rows.
_CENTRED = {"mjpeg", "mpeg1video", "h261", "h263", "flv1", "theora"}
_BY_CODEC = dict.fromkeys(_CENTRED, (ebml.HALFWAY, ebml.HALFWAY)) | {"dvvideo": (ebml.COLLOCATED, ebml.COLLOCATED)}
_DEFAULT = (ebml.COLLOCATED, ebml.HALFWAY)

Siting = tuple[float, float]


def chroma_siting(stream: VideoStream, pix_fmt: str, target: str) -> Siting:
    """Where the first chroma sample of the pictures lies, right of and below the first luma sample, in luma samples.

    libswscale takes chroma for centred in source and target. Where it resamples chroma to a finer grid, the sample
    that it calls centred lies as far from there as the source's own samples do.

    Args:
        stream: the stream; its codec must have decoded a frame, so that the tags in the bitstream are known.
        pix_fmt: FFmpeg's pixel format of its frames.
        target: the format that the pictures are converted to.

    Returns:
        (0, 0.5) for MPEG-2 and H.264, (0.5, 0.5) for JPEG and MPEG-1, (0, 0) where all lie on one point.
    """
    tagged = _tagged(stream)
    usual = _BY_CODEC.get(stream.codec_context.codec.canonical_name, _DEFAULT)
    sites = [tag or own for tag, own in zip(tagged, usual, strict=True)]
    offsets = []
    for site, step, finer in zip(sites, _steps(pix_fmt), _steps(target), strict=True):
        offsets.append(((step - 1) / 2 if site == ebml.HALFWAY else 0.0) + (finer - step) / 2)
    return offsets[0], offsets[1]


def _steps(pix_fmt: str) -> tuple[int, int]:
    """Luma columns and rows per chroma sample."""
    layout = VideoFormat(pix_fmt, 16, 16)
    return 16 // max(1, layout.chroma_width(16)), 16 // max(1, layout.chroma_height(16))


def _tagged(stream: VideoStream) -> tuple[int, int]:
    """The tags as a Matroska header holds them; PyAV shows them nowhere else."""
    header = io.BytesIO()
    with suppress(av.FFmpegError, ValueError):
        out = av.open(header, "w", format="matroska")
        out.add_stream_from_template(stream, opaque=True)
        out.start_encoding()
    found = _find(header.getvalue(), (ebml.SEGMENT, ebml.TRACKS, ebml.TRACK_ENTRY, ebml.VIDEO, ebml.COLOUR))
    return found.get(ebml.CHROMA_SITING_HORZ, 0), found.get(ebml.CHROMA_SITING_VERT, 0)


def _find(data: bytes, path: tuple[int, ...]) -> dict[int, int]:
    """The integers of the first element at a path of identifiers, by identifier."""
    handle, at, end = io.BytesIO(data), 0, len(data)
    for wanted in path:
        while (element := ebml.read_element(handle, at)) is not None and element.identifier != wanted:
            at += element.header + (element.size or 0)
            if at >= end:
                return {}
        if element is None:
            return {}
        at += element.header
        end = at + element.size if element.size is not None else end
    numbers = {}
    while at < end and (element := ebml.read_element(handle, at)) is not None and element.size is not None:
        numbers[element.identifier] = int.from_bytes(handle.read(element.size), "big")
        at += element.header + element.size
    return numbers
