"""Decodes a few hundred frames spread over a film, for what `probe` measures once per title: bars and field order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import islice

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from reelwright.media.container import ReadBound, packets
from reelwright.media.source_info import SourceInfo

# Positions in the film, and consecutive frames at each: enough to meet several scenes and to judge motion.
_POSITIONS = 24
_RUN = 12
# Bytes without a packet of the film: other streams lie between, and an uncompressed frame has 8 bytes for each pixel.
_MOST_READ, _MOST_READ_PER_PIXEL = 64 << 20, 16


def sampling_bound(width: int, height: int) -> ReadBound:
    """The bound of reading samples of a film with pictures of this size."""
    return ReadBound(_MOST_READ + _MOST_READ_PER_PIXEL * width * height)


def sample_runs(
    container: InputContainer,
    stream: VideoStream,
    info: SourceInfo,
    bound: ReadBound,
) -> Iterator[Iterator[av.VideoFrame]]:
    """Runs of consecutive whole frames, from positions spread evenly over the film; all frames of a short one.

    A run must be read to its end before the next one is asked for. One frame at a time is held.

    Args:
        container: the open source, at its beginning.
        stream: its film.
        info: what is known about it so far.
        bound: of the container's reading; once it is reached, the runs are empty.
    """
    frames, start, duration = info.video.frames_estimate, info.video.start_pts, Fraction(info.duration)
    if frames <= _POSITIONS * _RUN or not duration:
        whole = _decoded(container, stream, bound)
        for _ in range(_POSITIONS):
            yield islice(whole, _RUN)
        return
    ticks = duration / Fraction(stream.time_base or 1)
    for position in range(_POSITIONS):
        target = start + int(ticks * position / _POSITIONS)
        try:
            if info.joins:
                # A time may be in several recordings.
                container.seek(info.size * position // _POSITIONS, unsupported_byte_offset=True)
            else:
                container.seek(target, stream=stream)
        except (av.FFmpegError, OSError):
            return
        yield islice(_decoded(container, stream, bound), _RUN)


def _decoded(container: InputContainer, stream: VideoStream, bound: ReadBound) -> Iterator[av.VideoFrame]:
    """Frames that decode without an error, to the last one that the decoder holds; FrameReader reports the others."""
    with suppress(av.FFmpegError, OSError):
        for packet in packets(container, stream):
            bound.renew()
            yield from _frames(stream, packet)
    yield from _frames(stream, None)


def _frames(stream: VideoStream, packet: Packet[VideoStream] | None) -> list[av.VideoFrame]:
    try:
        return [frame for frame in stream.codec_context.decode(packet) if not frame.is_corrupt]
    except av.FFmpegError:
        return []
