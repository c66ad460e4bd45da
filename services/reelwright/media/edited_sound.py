"""Decodes the sound that an edit list plays, cut to the sample."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from reelwright.media.container import open_source
from reelwright.media.mp4_edits import EditPart

# A decoder needs the packets before the first one that is heard: AAC with SBR three frames of 2048 samples.
_PREROLL = Fraction(1, 4)


class EditedSound:
    """Reads a track without its edit list and gives the samples of the parts, each at its time on the source's clock.

    Args:
        location: of the source.
        index: of the stream.
        parts: what is played.

    Attributes:
        lost: packets that did not decode, and parts that could not be read to their end.
    """

    def __init__(self, location: str, index: int, parts: tuple[EditPart, ...]) -> None:
        self._frames = self._read(location, index, parts)
        self._next: AudioFrame | None = None
        self.lost = 0

    def until(self, time: Fraction | None) -> Iterator[AudioFrame]:
        """The frames that begin before `time`, in seconds, and were not given yet; all of them for None.

        Their time base is one sample.
        """
        while True:
            self._next = self._next or next(self._frames, None)
            if self._next is None or (time is not None and _start(self._next) >= time):
                return
            yield self._next
            self._next = None

    def _read(self, location: str, index: int, parts: tuple[EditPart, ...]) -> Iterator[AudioFrame]:
        with open_source(location, edits=False) as source:
            stream = cast("AudioStream", source.streams[index])
            unit = Fraction(stream.time_base or 1)
            for part in parts:
                # What can no longer be read of a damaged file is lost sound, as packets that do not decode are.
                try:
                    source.seek(max(0, int((part.start - _PREROLL) / unit)), stream=stream)
                    yield from self._part(source.demux(stream), part, unit, stream.sample_rate)
                except av.FFmpegError:
                    self.lost += 1

    def _part(
        self, packets: Iterator[av.Packet[AudioStream]], part: EditPart, unit: Fraction, rate: int
    ) -> Iterator[AudioFrame]:
        first, last = round(part.start * rate), None
        if part.length is not None:
            last = round((part.start + part.length) * rate)
        for at, frame in self._placed(packets, unit):
            if last is not None and at >= last:
                return
            yield from _cut(frame, at=at, first=first, last=last, offset=round(part.at * rate) - first)

    def _placed(self, packets: Iterator[av.Packet[AudioStream]], unit: Fraction) -> Iterator[tuple[int, AudioFrame]]:
        """Decoded frames and where in the track they begin, in samples, counted so that a coarse clock does no harm."""
        following: int | None = None
        for packet in packets:
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self.lost += 1
                continue
            for frame in frames:
                rate = frame.sample_rate
                at = following
                if frame.pts is not None:
                    stated = round(frame.pts * unit * rate)
                    at = stated if at is None or abs(stated - at) > 2 * unit * rate + 1 else at
                if at is None:
                    continue
                yield at, frame
                following = at + frame.samples


def _start(frame: AudioFrame) -> Fraction:
    assert frame.pts is not None, "every frame was given a time"
    return Fraction(frame.pts, frame.sample_rate)


def _cut(frame: AudioFrame, *, at: int, first: int, last: int | None, offset: int) -> Iterator[AudioFrame]:
    """What of a frame lies between two samples, with its time moved by an offset."""
    skipped = max(0, first - at)
    kept = min(frame.samples, frame.samples if last is None else last - at) - skipped
    if kept <= 0:
        return
    whole = frame
    if kept < frame.samples:
        step = 1 if frame.format.is_planar else len(frame.layout.channels)
        samples: Any = frame.to_ndarray()[:, skipped * step : (skipped + kept) * step]
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples), whole.format.name, whole.layout.name)
        frame.sample_rate = whole.sample_rate
    frame.pts, frame.time_base = at + skipped + offset, Fraction(1, whole.sample_rate)
    yield frame
