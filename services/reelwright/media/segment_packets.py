"""The packets of a film's segments in decoding order, with their times in the film."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import cast

import av
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from reelwright.media.caption_copy import CaptionCopy
from reelwright.media.encode import encoder_rate
from reelwright.media.film_format import FilmFormat
from reelwright.media.picture_clock import PictureClock, SegmentInput
from reelwright.titles.errors import InternalError


class SegmentPackets:
    """Reads the segments' files one after the other; iterate once.

    Args:
        segments: all of them, in order.
        target: the film's video stream.
        film: the film's format.
        clock: gives the packets their times.
        captions: writes the source's captions into the packets.

    Attributes:
        frames: number of frames in the segments that were read.
        end: when the last frame ends, in seconds on the film's clock; 0 until all packets were read.

    Raises (while iterating):
        InternalError: the segments do not make one film.
    """

    def __init__(
        self,
        segments: Iterable[SegmentInput],
        target: VideoStream,
        *,
        film: FilmFormat,
        clock: PictureClock,
        captions: CaptionCopy,
    ) -> None:
        self._segments, self._target, self._film = segments, target, film
        self._clock, self._captions = clock, captions
        self.frames, self.end = 0, Fraction(0)

    def __iter__(self) -> Iterator[Packet[Stream]]:
        # The last packet's duration depends on all others, so each is held until the next one is there.
        held: Packet[Stream] | None = None
        for packet in self._stamped():
            if held is not None:
                yield held
            packet.stream, held = self._target, packet
        if held is not None:
            self._clock.last(held)
            self.end = self._clock.end_seconds(self._film.time_base)
            yield held

    def _stamped(self) -> Iterator[Packet[Stream]]:
        rate = encoder_rate(self._film.average_rate)
        setup: bytes | None = None
        for segment in self._segments:
            self._clock.begin(segment)
            with av.open(segment.path) as container:
                stream = container.streams.video[0]
                extradata = stream.codec_context.extradata
                if self.frames and extradata != setup:
                    raise InternalError(f"{segment.path.name}: its codec setup differs from the first segment's")
                setup = extradata
                for packet in cast("Iterator[Packet[Stream]]", container.demux(stream)):
                    if packet.size:
                        index = round(cast("int", packet.pts) * packet.time_base * rate)
                        self._clock.stamp(packet, index)
                        packet.time_base = self._film.time_base
                        yield self._captions.add(packet, segment.frames[index].pts)
            self._clock.end()
            self.frames += len(segment.frames)
