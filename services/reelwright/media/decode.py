"""Packets in, frames out: every frame at its own time, and what does not decode named or stood in for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from reelwright.media.container import packets
from reelwright.media.container_integrity import ContainerWalk
from reelwright.media.damage import SliceChecks, damaged
from reelwright.media.packet_tracking import Expected, PacketTracker, codec_name
from reelwright.media.timestamp import timestamp
from reelwright.media.types import FrameRecord
from reelwright.titles.errors import InputError

# These decoders patch what they cannot read and flag the frame, which keeps later frames closer to the film than
# giving the frame up; all others are told to give up.
_PATCHING = {"h264", "mpeg1video", "mpeg2video", "mpeg4", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "h263", "vc1"}
_PATCHING |= {"wmv1", "wmv2", "wmv3", "flv1"}
# How often in a row the demuxer may fail before the rest of the file is given up.
_DEMUX_ATTEMPTS = 16
# A longer step back in time is a second recording, not jitter.
_MAX_STEP_BACK = 1
# No film holds a frame for an hour, and MP4 cannot hold one for a day.
_MAX_STEP_AHEAD = 3600


@dataclass(frozen=True, slots=True)
class RawFrame:
    """A decoded frame before conversion.

    Attributes:
        frame: as FFmpeg decoded it.
        record: its time; shots and previews are not known yet.
    """

    frame: av.VideoFrame
    record: FrameRecord


class VideoDecoder:
    """The frames of a stream in presentation order; iterate once.

    Args:
        container: the open source.
        stream: its film.
        location: the source's name, for errors.
        conceal: let the frame before stand in for a damaged one rather than raise.
        cut: the file is known to end early, so what is broken at its end is left out.
        threads: slice threads; results do not depend on them.
        chain: the file's structure, followed as the film is read.

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
        chain: ContainerWalk | None = None,
    ) -> None:
        self._container, self._stream, self._where, self._conceal = container, stream, location, conceal
        self._tick = Fraction(stream.time_base or Fraction(1, 1000))
        self._account = PacketTracker(stream, container.format.name)
        self._slices = SliceChecks() if codec_name(stream) == "ffv1" else None
        self._origin: int | None = None
        self._last: RawFrame | None = None
        self._lost: list[Expected] = []
        self._shifted = 0
        self._chain = chain
        self._gaps: list[str] = []
        self.broke_off = cut
        self.end = 0
        stream.codec_context.options = _options(stream)
        # Frame threads report an error with a later packet, so only slices are shared out.
        stream.thread_type = "SLICE"
        stream.thread_count = threads

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each kind of repair."""
        notes = list(self._gaps)
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
        failures, last = 0, None
        while failures < _DEMUX_ATTEMPTS:
            try:
                for packet in packets(self._container, self._stream):
                    failures = 0
                    self._follow(packet.pos)
                    if last is not None and packet.dts is not None:
                        self._refuse_restart(last, packet.dts)
                    last = packet.dts if packet.dts is not None else last
                    yield packet
                break
            except (av.FFmpegError, OSError):
                failures += 1
                self._account.distrust()
                if not self._conceal:
                    raise self._damage(self.end) from None
        self.broke_off = self.broke_off or failures > 0
        if not self.broke_off:
            self._follow(None)
        yield None

    def _follow(self, offset: int | None) -> None:
        """Sees to it that the demuxer did not skip anything on the way to `offset`."""
        if self._chain is None or not self._chain.broken_before(offset):
            return
        self._account.distrust()
        if not self._conceal:
            raise self._damage(self.end)
        at = self._at(self.end).removeprefix(f"{self._where} at ")
        self._gaps.append(f"the file is damaged at {at}: frames and sound may be missing there")

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
        self._refuse_change(frame)
        lost, entry = self._account.came_out(frame)
        self._lost += self._damage_or_nothing(lost)
        if entry is None:
            return
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

    def _damage_or_nothing(self, lost: list[Expected]) -> list[Expected]:
        if lost and not self._conceal:
            raise self._damage(lost[0].pts)
        return lost

    def _damage(self, pts: int | None) -> InputError:
        return damaged(self._at(pts if pts is not None else self.end))

    def _timed(self, frame: av.VideoFrame, entry: Expected, *, concealed: bool) -> RawFrame:
        """Gives the frame its time: its own, or the next free one where that would not go forward.

        Raises:
            InputError: it lies further ahead than a film's clock goes in one step.
        """
        pts = entry.pts if entry.pts is not None else self.end
        last = self._last.record if self._last is not None else None
        if last is not None and pts <= last.pts:
            pts = last.pts + 1
        if last is not None and (pts - last.pts) * self._tick > _MAX_STEP_AHEAD:
            raise InputError(
                f"its clock leaps to {timestamp(pts * self._tick)}",
                self._at(last.pts),
                "split it there, or rewrite its timestamps by remuxing it",
            )
        self._shifted += entry.pts != pts
        if self._origin is None:
            self._origin = pts
        self.end = pts + (entry.duration or 1)
        self._last = RawFrame(frame, FrameRecord(pts=pts, duration=entry.duration, concealed=concealed))
        return self._last

    def _refuse_restart(self, last: int, dts: int) -> None:
        if (last - dts) * self._tick > _MAX_STEP_BACK:
            raise InputError(
                "its clock starts over; it is several recordings in one file",
                self._at(last),
                "split it there, or rewrite its timestamps by remuxing it",
            )

    def _refuse_change(self, frame: av.VideoFrame) -> None:
        if self._last is None:
            return
        before, after = _described(self._last.frame), _described(frame)
        if before != after:
            raise InputError(
                f"its picture changes from {before} to {after}",
                self._at(frame.pts if frame.pts is not None else self.end),
                "split it there and restore the parts by themselves",
            )

    def _at(self, pts: int) -> str:
        origin = self._origin if self._origin is not None else (self._stream.start_time or 0)
        return f"{self._where} at {timestamp((pts - origin) * self._tick)}"


def _described(frame: av.VideoFrame) -> str:
    return f"{frame.width}x{frame.height} {frame.format.name}"


def _options(stream: VideoStream) -> dict[str, str]:
    options = {"err_detect": "crccheck" if codec_name(stream) in _PATCHING else "crccheck+explode"}
    if stream.codec_context.name == "libdav1d":
        # Its own frame threads, which report errors late too.
        options["max_frame_delay"] = "1"
    return options
