"""Where a stream's chroma samples lie, by its tags or by its codec."""

from __future__ import annotations

from av.video.format import VideoFormat
from av.video.stream import VideoStream

from reelwright.media import ebml
from reelwright.media.track_header import elements, track_header

# What codecs without a tag mean: JPEG (JFIF), MPEG-1, H.261, H.263 and Theora centre chroma between luma samples; DV
# in PAL puts it on the first luma sample (SMPTE 314M). All others follow MPEG-2 and H.264: left, between two rows.
_CENTRED = {"mjpeg", "mpeg1video", "h261", "h263", "flv1", "theora"}
_BY_CODEC = dict.fromkeys(_CENTRED, (ebml.HALFWAY, ebml.HALFWAY)) | {"dvvideo": (ebml.COLLOCATED, ebml.COLLOCATED)}
_DEFAULT = (ebml.COLLOCATED, ebml.HALFWAY)

# Restoration puts the chroma of every film there, wherever it lies in the source (restoration/chroma.py).
_OF_FILMS = {"yuv420": _DEFAULT, "yuv422": (ebml.COLLOCATED, ebml.COLLOCATED)}

Siting = tuple[float, float]


def film_siting(pix_fmt: str) -> tuple[int, ...]:
    """Matroska's horizontal and vertical chroma siting of a film; empty where its chroma is not subsampled."""
    return _OF_FILMS.get(pix_fmt[:6], ())


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
    found = elements(track_header(stream), ebml.VIDEO, ebml.COLOUR)
    across, down = (found.get(tag, b"") for tag in (ebml.CHROMA_SITING_HORZ, ebml.CHROMA_SITING_VERT))
    return int.from_bytes(across, "big"), int.from_bytes(down, "big")
