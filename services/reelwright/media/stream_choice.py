"""Chooses the video stream of a source that is the film."""

from __future__ import annotations

from typing import cast

from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from reelwright.media.container import open_source
from reelwright.titles.errors import InputError

# Packets of the video streams that are read to distinguish a film from a poster.
_PEEK = 200


def video_stream(container: InputContainer, location: str) -> VideoStream:
    """The film's stream. Of the streams with more than one picture it is the one marked default, else the first.

    Raises:
        InputError: there is no video stream, or no decoder for its codec.
    """
    streams = film_streams(container)
    if not streams:
        raise InputError("there is no picture in it, only sound or data", location, "give a file with a video stream")
    still = single_pictures(streams, location)
    moving = [stream for stream in streams if stream.index not in still] or streams
    stream = next((s for s in moving if s.disposition & Disposition.default), moving[0])
    if cast("object", stream.codec_context) is None:
        raise InputError("its video codec is not known here", location, "convert it to H.264 or FFV1 first")
    return stream


def film_streams(container: InputContainer) -> list[VideoStream]:
    """The video streams that are not marked as cover pictures."""
    covers = Disposition.attached_pic | Disposition.timed_thumbnails
    return [stream for stream in container.streams.video if not stream.disposition & covers]


def single_pictures(streams: list[VideoStream], location: str) -> set[int]:
    """Indices of the streams that hold one picture, such as a poster.

    Empty if all of them do, or if there is only one stream. If the container does not say how many frames a stream
    has, the file's first packets are read.

    Raises:
        InputError: see `open_source`.
    """
    if len(streams) < 2:
        return set()
    counts = {stream.index: stream.frames or _counted(stream) for stream in streams}
    if not all(counts.values()):
        with open_source(location) as container:
            seen = dict.fromkeys(counts, 0)
            chosen = [container.streams[index] for index in counts]
            for number, packet in enumerate(container.demux(chosen)):
                if number == _PEEK or all(count > 1 for count in seen.values()):
                    break
                seen[packet.stream.index] += bool(packet.size)
        counts = {index: count or seen[index] for index, count in counts.items()}
    return {index for index, count in counts.items() if count == 1} if max(counts.values()) > 1 else set()


def _counted(stream: VideoStream) -> int:
    """Number of frames by Matroska's statistics tags; 0 without such tags."""
    tags = (value for key, value in stream.metadata.items() if key.startswith("NUMBER_OF_FRAMES"))
    return next((int(value) for value in tags if value.isdigit()), 0)
