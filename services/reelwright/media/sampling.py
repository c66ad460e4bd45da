"""A few hundred frames from all over a film, cheaply, for what is decided once per title."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from reelwright.media.container import packets

# Places in the film, and consecutive frames at each: enough to meet several scenes, and for `idet` to judge motion.
_PLACES = 24
_RUN = 12


def sample_runs(
    container: InputContainer, stream: VideoStream, frames: int, start: int, duration: Fraction
) -> Iterator[Sequence[av.VideoFrame]]:
    """Runs of consecutive sound frames from even places of the film; all frames of a short one.

    Args:
        container: the open source, at its beginning.
        stream: its film.
        frames: how many there are, about; 0 when unknown.
        start: PTS of the first.
        duration: of the film in seconds; 0 when unknown.
    """
    if frames <= _PLACES * _RUN or not duration:
        whole = _decoded(container, stream)
        for _ in range(_PLACES):
            yield list(islice(whole, _RUN))
        return
    ticks = duration / Fraction(stream.time_base or 1)
    for place in range(_PLACES):
        target = start + int(ticks * place / _PLACES)
        try:
            container.seek(target, stream=stream)
        except (av.FFmpegError, OSError):
            return
        yield list(islice(_decoded(container, stream), _RUN))


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    """Frames that decode whole; what does not is the reader's business."""
    try:
        for packet in packets(container, stream):
            yield from _frames(packet)
    except (av.FFmpegError, OSError):
        return


def _frames(packet: Packet[VideoStream]) -> list[av.VideoFrame]:
    try:
        return [frame for frame in packet.decode() if not frame.is_corrupt]
    except av.FFmpegError:
        return []
