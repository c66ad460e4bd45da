"""Packets in, frames out, and an account of every one of them.

A packet either becomes a frame at its own time or is damage; which is found by keeping the timestamps of what went
into the decoder and striking off those that came out.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from reelwright.media.damage import SliceChecks, damaged
from reelwright.titles.errors import InputError

# These decoders patch what they cannot read and flag the frame, which keeps later frames closer to the film than
# giving the frame up; all others are told to give up.
_PATCHING = {"h264", "mpeg1video", "mpeg2video", "mpeg4", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "h263", "vc1"}
_PATCHING |= {"wmv1", "wmv2", "wmv3", "flv1"}
# Here a packet always is a frame, so one that gives none is damage even if the decoder does not complain. Others
# have packets that show nothing by design (hidden references, second fields, "not coded" frames).
_FRAME_PER_PACKET = {"mpeg1video", "mpeg2video", "av1", "ffv1", "prores", "mjpeg", "dvvideo"}
# These containers hold the order of decoding, not the time of showing; a frame takes the earliest time not yet taken.
_DECODE_TIMES = {"avi", "asf"}
# How often in a row the demuxer may fail before the rest of the file is given up.
_DEMUX_ATTEMPTS = 16
# A longer step back in time is a second recording, not jitter.
_MAX_STEP_BACK = 1


@dataclass(frozen=True, slots=True)
class RawFrame:
    """A decoded frame before conversion. `pts` and `duration` are in the stream's time base."""

    frame: av.VideoFrame
    pts: int
    duration: int
    concealed: bool = False


class Decoder:
    """The frames of a stream in presentation order; iterate once.

    Args:
        container: the open source.
        stream: its film.
        location: the source's name, for errors.
        conceal: let the frame before stand in for a damaged one rather than raise.
        cut: the file is known to end early, so what is broken at its end is left out.
        threads: slice threads; results do not depend on them.

    Attributes:
        notes: what was repaired on the way, complete after iteration.
        broke_off: the demuxer could not read the file to its end.
        end: where the last frame ends, in the stream's time base.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        location: str,
        *,
        conceal: bool,
        cut: bool = False,
        threads: int = 1,
    ) -> None:
        self._container, self._stream, self._where, self._conceal = container, stream, location, conceal
        self._tick = Fraction(stream.time_base or Fraction(1, 1000))
        self._account = _Account(stream, by_decode_time=container.format.name in _DECODE_TIMES)
        self._slices = SliceChecks() if _codec(stream) == "ffv1" else None
        self._origin: int | None = None
        self._last: RawFrame | None = None
        self._lost: list[_Expected] = []
        self._shifted = 0
        self.broke_off = cut
        self.end = 0
        stream.codec_context.options = _options(stream)
        # Frame threads report an error with a later packet, so only slices are shared out.
        stream.thread_type = "SLICE"
        stream.thread_count = threads

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each kind of repair."""
        notes = []
        if self._account.silent:
            notes.append(f"{self._account.silent} packets hold no picture of their own")
        if self._shifted:
            notes.append(f"{self._shifted} frames had no time of their own, or an earlier one than their neighbour")
        return tuple(notes)

    def __iter__(self) -> Iterator[RawFrame]:
        for packet in self._packets():
            for frame in self._decoded(packet):
                yield from self._placed(frame)
        yield from self._tail()

    def _packets(self) -> Iterator[Packet[VideoStream] | None]:
        """The stream's packets, then None to flush the decoder."""
        failures = 0
        while failures < _DEMUX_ATTEMPTS:
            try:
                for packet in self._container.demux(self._stream):
                    if packet.size:
                        failures = 0
                        yield packet
                break
            except (av.FFmpegError, OSError):
                failures += 1
                self._account.distrust()
                if not self._conceal:
                    raise self._damage(self.end) from None
        self.broke_off = self.broke_off or failures > 0
        yield None

    def _decoded(self, packet: Packet[VideoStream] | None) -> list[av.VideoFrame]:
        entry = self._account.fed(packet) if packet is not None else None
        try:
            frames = self._stream.codec_context.decode(packet)
        except av.FFmpegError:
            frames = []
            if entry:
                self._account.failed(entry)
        if entry and packet and (packet.is_corrupt or (self._slices and self._slices.broken(bytes(packet)))):
            self._account.failed(entry)
        return frames

    def _placed(self, frame: av.VideoFrame) -> Iterator[RawFrame]:
        lost, entry = self._account.came_out(frame)
        self._lost += self._damage_or_nothing(lost)
        if entry.failed or frame.is_corrupt:
            self._account.distrust()
            self._lost += self._damage_or_nothing([entry])
            return
        yield from self._stand_ins(frame)
        yield self._timed(frame, entry, concealed=False)

    def _tail(self) -> Iterator[RawFrame]:
        self._lost += self._damage_or_nothing(self._account.never_came_out())
        if self._last is not None and not self.broke_off:
            yield from self._stand_ins(self._last.frame)

    def _stand_ins(self, first: av.VideoFrame) -> Iterator[RawFrame]:
        """Frames for what was lost: the one before, or at the very start the one after."""
        for entry in self._lost:
            yield self._timed(self._last.frame if self._last else first, entry, concealed=True)
        self._lost = []

    def _damage_or_nothing(self, lost: list[_Expected]) -> list[_Expected]:
        if lost and not self._conceal:
            raise self._damage(lost[0].pts)
        return lost

    def _damage(self, pts: int | None) -> InputError:
        origin = self._origin if self._origin is not None else (self._stream.start_time or 0)
        return damaged(self._where, ((pts if pts is not None else self.end) - origin) * self._tick)

    def _timed(self, frame: av.VideoFrame, entry: _Expected, *, concealed: bool) -> RawFrame:
        """Gives the frame its time: its own, or the next free one where that would not go forward."""
        pts = entry.pts if entry.pts is not None else self.end
        last = self._last
        if last is not None and pts <= last.pts:
            if (last.pts - pts) * self._tick > _MAX_STEP_BACK:
                raise self._restarts(last.pts)
            pts = last.pts + 1
        self._shifted += entry.pts != pts
        if self._origin is None:
            self._origin = pts
        self.end = pts + (entry.duration or 1)
        self._last = RawFrame(frame, pts, entry.duration, concealed)
        return self._last

    def _restarts(self, pts: int) -> InputError:
        return InputError(
            f"its clock starts over after {float((pts - (self._origin or 0)) * self._tick):.3f} s; "
            "it is several recordings in one file",
            self._where,
            "split it, or rewrite its timestamps by remuxing it",
        )


def _codec(stream: VideoStream) -> str:
    return stream.codec_context.codec.canonical_name


def _options(stream: VideoStream) -> dict[str, str]:
    return {"err_detect": "crccheck" if _codec(stream) in _PATCHING else "crccheck+explode"}


@dataclass(slots=True)
class _Expected:
    pts: int | None
    duration: int
    failed: bool = False


class _Account:
    """What went into the decoder and has not come out. `silent` counts packets that showed nothing by design."""

    def __init__(self, stream: VideoStream, *, by_decode_time: bool) -> None:
        self._context = stream.codec_context
        self._by_decode_time = by_decode_time
        # Once something is broken, nothing is by design any more.
        self._strict = _codec(stream) in _FRAME_PER_PACKET
        self._open: list[tuple[int, int, _Expected]] = []
        self._serial = 0
        self._started = False
        self.silent = 0

    def fed(self, packet: Packet[Any]) -> _Expected | None:
        time = packet.dts if self._by_decode_time else packet.pts
        # What an edit list cuts off is decoded but never shown.
        if packet.is_discard:
            return None
        entry = _Expected(time, packet.duration or 0)
        if time is not None:
            self._serial += 1
            heapq.heappush(self._open, (time, self._serial, entry))
        return entry

    def failed(self, entry: _Expected) -> None:
        entry.failed = True
        self.distrust()

    def distrust(self) -> None:
        self._strict = self._started = True

    def came_out(self, frame: av.VideoFrame) -> tuple[list[_Expected], _Expected]:
        """Strikes the frame off. Returns what was passed over and is damage, and the frame's own entry."""
        if self._by_decode_time:
            return self._earliest()
        if frame.pts is None:
            return [], _Expected(None, frame.duration)
        passed = []
        while self._open and self._open[0][0] < frame.pts:
            passed.append(heapq.heappop(self._open)[2])
        lost = self._judged(passed)
        self._started = True
        if self._open and self._open[0][0] == frame.pts:
            return lost, heapq.heappop(self._open)[2]
        return lost, _Expected(frame.pts, frame.duration)

    def never_came_out(self) -> list[_Expected]:
        return self._judged([heapq.heappop(self._open)[2] for _ in range(len(self._open))])

    def _earliest(self) -> tuple[list[_Expected], _Expected]:
        lost: list[_Expected] = []
        while self._open and self._open[0][2].failed:
            lost.append(heapq.heappop(self._open)[2])
        entry = heapq.heappop(self._open)[2] if self._open else _Expected(None, 0)
        # No decoder holds back more than its reordering depth; what is older gave no picture.
        while len(self._open) > self._context.reorder_depth + 1 and not self._open[0][2].failed:
            heapq.heappop(self._open)
            self.silent += 1
        return lost, entry

    def _judged(self, passed: list[_Expected]) -> list[_Expected]:
        """Which of the packets that gave no frame are damage.

        Pictures before the first one shown are not: a recording that starts between two key frames begins with some
        that refer to what was never recorded, and every player leaves them out.
        """
        lost = [entry for entry in passed if entry.failed or (self._strict and self._started)]
        self.silent += len(passed) - len(lost)
        return lost
