"""The times of packets of a film's video stream, the units of its times, and the shift from the source's clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from reelwright.media.frame_record import FrameRecord
from reelwright.titles.errors import InternalError

# A film keeps its source's clock, unless that starts so late that players would show a long blank: broadcast captures
# count from an arbitrary hour.
_LATEST_START = 60
# MP4 counts a track's time in whole units of 1/timescale; finer than this keeps sound in place to 0.1 ms.
_COARSEST_SCALE = 10_000
FINEST_SCALE = 100_000_000
"""Units per second of the finest clock of a film."""


@dataclass(frozen=True, slots=True)
class SegmentInput:
    """An encoded segment; its file is read only until the next one is asked for.

    Attributes:
        path: as `SegmentEncoder` wrote it.
        frames: its frames in presentation order; `pts` and `duration` in the film format's time base.
    """

    path: Path
    frames: Sequence[FrameRecord]


class PictureClock:
    """Stamps the packets of consecutive segments with the plan's times.

    PTS are the frames'. DTS are the same times in order, begun `reorder` frames early, so that each packet is decoded
    no later than it is shown (ISO/IEC 14496-12 asks for rising DTS alone; H.264 C.4 bounds the reordering).

    Args:
        reorder: frames by which decoding order runs ahead of presentation.
        shift: units added to every time.
    """

    def __init__(self, reorder: int, shift: int) -> None:
        self._reorder, self._shift = reorder, shift
        self._dts: deque[int] = deque()
        self._segment: SegmentInput | None = None
        self._seen: set[int] = set()
        self._lead: int | None = None
        self._start = 0

    def begin(self, segment: SegmentInput) -> None:
        """Takes up the next segment."""
        times = [frame.pts + self._shift for frame in segment.frames]
        if self._lead is None:
            step = _step(segment.frames)
            self._start, self._lead = times[0], step * self._reorder
            self._dts.extend(times[0] - step * early for early in range(self._reorder, 0, -1))
        self._dts.extend(times)
        self._segment, self._seen = segment, set()

    def stamp(self, packet: Packet[Stream], index: int) -> None:
        """Sets the times of the segment's packet that shows its frame `index`.

        Raises:
            InternalError: the file holds a frame twice, one that is not planned, or reorders more than it should.
        """
        assert self._segment is not None
        if index in self._seen or not 0 <= index < len(self._segment.frames):
            raise InternalError(f"{self._segment.path.name}: frame {index} is not planned or comes twice")
        self._seen.add(index)
        frame, dts = self._segment.frames[index], self._dts.popleft()
        packet.pts, packet.dts = frame.pts + self._shift, dts
        packet.duration = frame.duration or _step(self._segment.frames, index)
        if packet.pts < dts:
            raise InternalError(f"{self._segment.path.name}: frame {index} is decoded after it is shown")

    def end(self) -> None:
        """Checks that the segment was whole.

        Raises:
            InternalError: a planned frame is not in its file.
        """
        assert self._segment is not None
        if len(self._seen) != len(self._segment.frames):
            missing = len(self._segment.frames) - len(self._seen)
            raise InternalError(f"{self._segment.path.name}: {missing} of its frames are missing")

    def last(self, packet: Packet[Stream]) -> None:
        """Lets the film's last packet last until the film is over.

        MP4 adds up durations in decoding order, where the frame that is shown last need not come last.
        """
        assert packet.pts is not None
        assert packet.dts is not None
        length = self._end() - self._start
        left = length - (packet.dts - self._start + (self._lead or 0))
        packet.duration = max(packet.duration or 0, min(left, self._start + length - packet.pts))

    def end_seconds(self, unit: Fraction) -> Fraction:
        """When the last frame of the segment in hand ends, in seconds.

        Args:
            unit: seconds per unit of the frames' times.
        """
        return self._end() * unit

    def _end(self) -> int:
        assert self._segment is not None
        frames = self._segment.frames
        return frames[-1].pts + (frames[-1].duration or _step(frames, len(frames) - 1)) + self._shift


def film_shift(start: Fraction, earliest: Fraction | None) -> Fraction:
    """Seconds to add to the source's times.

    Args:
        start: the first frame's time in seconds.
        earliest: of the source, as `earliest_start` gives it.
    """
    begin = start if earliest is None else min(start, earliest)
    return Fraction(0) if 0 <= begin <= _LATEST_START else -begin


def earliest_start(source: InputContainer) -> Fraction | None:
    """The time in seconds at which the source's first stream starts; None where it does not say.

    Below zero only sound that is heard and subtitles count. Codecs are primed with sound before zero, which is not
    heard, and pictures before the first one that decodes are not shown.
    """
    if source.start_time is None:
        return None
    earliest = Fraction(source.start_time, av.time_base)
    if earliest >= 0:
        return earliest
    starts = (_first_moment(stream) for stream in source.streams if stream.type in {"audio", "subtitle"})
    return min((start for start in starts if start is not None), default=Fraction(0))


def _first_moment(stream: Stream) -> Fraction | None:
    """When a stream of sound is first heard or a subtitle is first shown, in seconds."""
    if stream.start_time is None:
        return None
    start = stream.start_time * Fraction(stream.time_base or 1)
    if isinstance(stream, AudioStream) and stream.sample_rate:
        start += Fraction(stream.codec_context.delay, stream.sample_rate)
    return start


def timescale(time_base: Fraction) -> int:
    """Units per second for an MP4 track that holds whole units of `time_base` exactly, or to 10 ns at the finest."""
    scale = time_base.denominator
    if scale > FINEST_SCALE:
        return FINEST_SCALE
    while scale < _COARSEST_SCALE:
        scale *= 2
    return scale


def movie_scale(track: int) -> int:
    """Units per second for an MP4's edits and chapters: whole units of its track's, and milliseconds where they fit."""
    common = lcm(track, 1000)
    return common if common <= FINEST_SCALE else track


def _step(frames: Sequence[FrameRecord], index: int = 0) -> int:
    """Units from a frame to the next; for a last frame of unknown duration, from the one before."""
    if index + 1 < len(frames):
        return frames[index + 1].pts - frames[index].pts
    if index:
        return frames[index].pts - frames[index - 1].pts
    return frames[index].duration or 1
