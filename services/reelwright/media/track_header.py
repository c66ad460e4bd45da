"""What FFmpeg knows about a stream and PyAV does not show: its muxer writes it into a Matroska header."""

from __future__ import annotations

import io
from contextlib import suppress

import av
from av.video.stream import VideoStream

from reelwright.media import ebml


def track_header(stream: VideoStream) -> bytes:
    """The content of the TrackEntry element that describes a stream; empty where Matroska does not hold its codec.

    Args:
        stream: the stream; its codec must have decoded a frame, so that the tags in the bitstream are known.
    """
    header = io.BytesIO()
    with suppress(av.FFmpegError, ValueError):
        out = av.open(header, "w", format="matroska")
        out.add_stream_from_template(stream, opaque=True)
        out.start_encoding()
    return _content(header.getvalue(), (ebml.SEGMENT, ebml.TRACKS, ebml.TRACK_ENTRY))


def elements(content: bytes, *path: int) -> dict[int, bytes]:
    """The contents of the elements in the first element at a path of identifiers, by identifier; empty for none."""
    for wanted in path:
        inner = (element for identifier, element in ebml.children(content) if identifier == wanted)
        content = ebml.content_of(next(inner, bytes([ebml.VOID, 0x80])))
    return {identifier: ebml.content_of(element) for identifier, element in ebml.children(content)}


def _content(data: bytes, path: tuple[int, ...]) -> bytes:
    """The content of the first element at a path. The segment's size is not written yet."""
    handle, at, end = io.BytesIO(data), 0, len(data)
    for wanted in path:
        while (element := ebml.read_element(handle, at)) is not None and element.identifier != wanted:
            at += element.header + (element.size or 0)
            if at >= end:
                return b""
        if element is None:
            return b""
        at += element.header
        end = at + element.size if element.size is not None else end
    return data[at:end]
