"""Decodes a stream: every frame at its own time, and each packet that does not decode reported or concealed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import PictureType
from av.video.stream import VideoStream

from reelwright.media.container import packets
from reelwright.media.container_integrity import ContainerWalk
from reelwright.media.damage import SliceChecks, damaged
from reelwright.media.frame_record import FrameRecord
from reelwright.media.frame_times import FrameTimes
from reelwright.media.joined_clock import JoinedClock, join_notes
from reelwright.media.packet_tracking import Expected, PacketTracker, codec_name
from reelwright.media.sample_shape import SampleShape
from reelwright.media.seeking import KeyFrames
from reelwright.media.source_info import ClockJoin
from reelwright.titles.errors import InputError

# These decoders replace what they cannot read and flag the frame, which keeps later frames closer to the film than
# dropping the frame; all others stop at the first error.
_CONCEALING = {"h264", "mpeg1video", "mpeg2video", "mpeg4", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "h263", "vc1"}
_CONCEALING |= {"wmv1", "wmv2", "wmv3", "flv1"}
# How often in a row the demuxer may fail before the rest of the file is given up.
_MAX_DEMUX_FAILURES = 16
# These decoders make a picture of a packet whose references are missing, without an error: grey with some motion in it.
_NEEDS_INTRA = {"mpeg4", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "h263", "flv1", "wmv1", "wmv2", "wmv3", "vc1"}
# FFmpeg marks one of the last packets before a gap in a transport stream's counters. Where two recordings were joined,
# the second one's key frame comes within this many packets.
_JOINT = 3


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
        stream: the stream to decode.
        location: the source's name, for errors.
        conceal: repeat the last frame in place of a damaged one instead of raising.
        cut: the file is known to end early, so what is broken at its end is left out.
        threads: slice threads; results do not depend on them.
        walk: the file's structure, checked as the film is read.
        joins: where the file goes on with another recording.
        origin: PTS of the title's first frame, if the container was moved to another one.

    Attributes:
        notes: what was repaired and left out, complete after iteration.
        broke_off: the demuxer could not read the file to its end.
        end: where the last frame ends, in the stream's time base.

    Raises (while iterating):
        DamagedSource: without `conceal`, for a packet that does not decode and for a damaged file structure.
        InputError: for a picture that changes size, pixel format or sample shape, and for a clock that starts over.
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
        walk: ContainerWalk | None = None,
        joins: Sequence[ClockJoin] = (),
        origin: int | None = None,
    ) -> None:
        self._container, self._stream, self._conceal, self._walk = container, stream, conceal, walk
        self._times = FrameTimes(stream, location, origin)
        self._clock, self._joins = JoinedClock(joins, stream.index), joins
        self._tracker = PacketTracker(stream, container.format.name)
        self._slices = SliceChecks() if codec_name(stream) == "ffv1" else None
        self._shape = SampleShape(container, stream)
        self._last: RawFrame | None = None
        self._lost: list[Expected] = []
        # Of the recording at hand: whether a frame of it came out, and its first key frame.
        self._begun = self._seen_key_frame = False
        self._first_key_pts: int | None = None
        self._gaps: list[str] = []
        # Where a transport stream's counters jump within a recording: the first time, and how often.
        self._counted = container.format.name == "mpegts"
        self._first_jump: int | None = None
        self._jumps = 0
        self._key_frames = KeyFrames(container, stream)
        self._reorder_depth = stream.codec_context.reorder_depth
        # Damage was met, or packets that an edit list cuts off.
        self._disturbed = False
        self.broke_off = cut
        stream.codec_context.options = _options(stream)
        # Frame threads report an error with a later packet, so only slices are decoded in parallel.
        stream.thread_type = "SLICE"
        stream.thread_count = threads

    @property
    def end(self) -> int:
        """Where the last frame ends, in the stream's time base."""
        return self._times.end

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each kind of repair and omission."""
        notes = [*self._gaps, *join_notes(self._joins, self._times.start)]
        if self._first_jump is not None:
            times = "once" if self._jumps == 1 else f"{self._jumps} times"
            notes.append(
                f"the counters of the transport stream's packets jump {times}, first near "
                f"{self._times.time_of(self._first_jump)}: pictures may be missing there"
            )
        if self._tracker.leading:
            seconds = float(self._times.seconds(self._tracker.leading_time))
            first = "first whole picture" + (" of a recording" if self._joins else "")
            notes.append(
                f"{self._tracker.leading} packets ({seconds:.3f} s) before the {first} were left out: they refer to "
                "pictures that are not in the file"
            )
        if self._tracker.silent:
            notes.append(f"{self._tracker.silent} packets hold no picture of their own")
        if self._times.shifted:
            notes.append(
                f"{self._times.shifted} frames had no time of their own, or one that is not later than the last frame's"
            )
        notes += self._shape.notes
        if self._walk is not None and self._walk.unknown:
            notes.append(
                f"parts of the file that are not known here were stepped over: {', '.join(self._walk.unknown)}"
            )
        return tuple(notes)

    @property
    def seekable(self) -> bool:
        """Whether a reading that begins at a key frame of what was read so far gives the same frames as this one.

        It does where nothing was repaired or left out, and where no packet changed what the decoder does with later
        ones. Once false, it stays so.
        """
        repaired = self._disturbed or self.broke_off or self._joins or self.notes
        # Some decoders raise it when they meet a picture out of order.
        same_order = self._stream.codec_context.reorder_depth == self._reorder_depth
        return not repaired and same_order and self._key_frames.stand_alone

    def __iter__(self) -> Iterator[RawFrame]:
        for packet, joined, begins in self._packets_and_joints():
            if begins:
                yield from self._recording_ended()
            for frame in self._decoded(packet, joined=joined):
                yield from self._placed(frame)
        self._lost += self._damage_or_nothing(self._tracker.never_came_out())
        if self._last is not None and not self.broke_off:
            yield from self._concealed(self._last.frame)

    def _recording_ended(self) -> Iterator[RawFrame]:
        """Empties the decoder: pictures of the next recording do not refer to this one's."""
        for frame in self._decoded(None, joined=False):
            yield from self._placed(frame)
        self._stream.codec_context.flush_buffers()
        self._lost += self._damage_or_nothing(self._tracker.end_recording())
        self._begun = self._seen_key_frame = False

    def _packets_and_joints(self) -> Iterator[tuple[Packet[VideoStream] | None, bool, bool]]:
        """The stream's packets; then None to flush the decoder.

        Each comes with whether a key frame or another recording follows soon, and whether it begins another recording.
        """
        held: deque[tuple[Packet[VideoStream], bool]] = deque()
        for entry in self._packets():
            held.append(entry)
            if len(held) > _JOINT:
                yield self._next_of(held)
        while held:
            yield self._next_of(held)
        yield None, False, False

    def _next_of(self, held: deque[tuple[Packet[VideoStream], bool]]) -> tuple[Packet[VideoStream], bool, bool]:
        packet, begins = held.popleft()
        joined = any(later_begins for _, later_begins in held)
        if self._counted and packet.is_corrupt and not joined:
            # Whole pictures that are missing are no error to a decoder.
            self._jumps += 1
            if self._first_jump is None:
                self._first_jump = self.end if packet.pts is None else packet.pts
        return packet, joined or any(later.is_keyframe for later, _ in held), begins

    def _packets(self) -> Iterator[tuple[Packet[VideoStream], bool]]:
        """The stream's packets, each with whether it begins another recording."""
        failures, position = 0, 0
        while failures < _MAX_DEMUX_FAILURES:
            try:
                for packet in packets(self._container, self._stream):
                    failures = 0
                    position = packet.pos or position
                    self._check_structure(packet.pos)
                    begins = self._clock.place(packet)
                    # Before each part that an edit list keeps, the packets since its key frame come once more.
                    if not packet.is_discard:
                        self._times.check_decoding_time(packet.dts)
                    self._disturbed |= packet.is_discard
                    self._key_frames.watch(packet)
                    yield packet, begins
                break
            except (av.FFmpegError, OSError):
                failures += 1
                # Bytes of another kind behind the last packet are no part of the film.
                if self._walk is None or self._walk.film_follows(position):
                    self.broke_off = True
                    self._report_demux_failure()
        if not self.broke_off:
            self._check_structure(None)

    def _report_demux_failure(self) -> None:
        self._tracker.distrust()
        if not self._conceal:
            raise self._damage(self.end)

    def _check_structure(self, offset: int | None) -> None:
        """Checks that the demuxer skipped nothing of the film on the way to `offset`."""
        if self._walk is None or not self._walk.broken_before(offset):
            return
        self._tracker.distrust()
        if not self._conceal:
            raise self._damage(self.end)
        self._gaps.append(
            f"the file is damaged at {self._times.time_of(self.end)}: frames and sound may be missing there"
        )

    def _decoded(self, packet: Packet[VideoStream] | None, *, joined: bool) -> list[av.VideoFrame]:
        entry = self._tracker.fed(packet) if packet is not None else None
        if entry and packet and packet.is_keyframe and not self._seen_key_frame:
            self._seen_key_frame, self._first_key_pts = True, entry.pts
        failed = False
        try:
            frames = self._stream.codec_context.decode(packet)
        except av.FFmpegError:
            frames, failed = [], True
        if entry and packet and not failed:
            # Most decoders see for themselves whether a picture is whole; the others need the demuxer's mark.
            suspect = packet.is_corrupt and not joined and codec_name(self._stream) not in _CONCEALING
            failed = suspect or bool(self._slices and self._slices.broken(bytes(packet)))
        if entry and failed:
            if self._is_leading(entry):
                self._tracker.leave_out(entry)
            else:
                self._tracker.failed(entry)
        self._shape.check(self._times)
        return frames

    def _placed(self, frame: av.VideoFrame) -> Iterator[RawFrame]:
        self._check_unchanged(frame)
        lost, entry = self._tracker.came_out(frame)
        self._lost += self._damage_or_nothing(lost)
        if entry is None:
            return
        unreferenced = not self._begun and frame.pict_type != PictureType.I
        if unreferenced and codec_name(self._stream) in _NEEDS_INTRA:
            self._tracker.leave_out(entry)
            return
        if entry.failed or frame.is_corrupt:
            if self._is_leading(entry):
                self._tracker.leave_out(entry)
                return
            self._tracker.distrust()
            self._lost += self._damage_or_nothing([entry])
            return
        yield from self._concealed(frame)
        yield self._timed(frame, entry, concealed=False)

    def _is_leading(self, entry: Expected) -> bool:
        """Whether a packet that does not decode refers to frames before the beginning of a stream cut in mid-GOP."""
        if self._begun:
            return False
        if not self._seen_key_frame:
            return True
        return entry.pts is not None and self._first_key_pts is not None and entry.pts < self._first_key_pts

    def _concealed(self, first: av.VideoFrame) -> Iterator[RawFrame]:
        """Frames in place of what was lost: the one before, or at the very start the one after."""
        for entry in self._lost:
            yield self._timed(self._last.frame if self._last else first, entry, concealed=True)
        self._lost = []

    def _timed(self, frame: av.VideoFrame, entry: Expected, *, concealed: bool) -> RawFrame:
        self._begun = True
        pts = self._times.assign_pts(entry.pts, entry.duration)
        self._last = RawFrame(frame, FrameRecord(pts=pts, duration=entry.duration, concealed=concealed))
        return self._last

    def _damage_or_nothing(self, lost: list[Expected]) -> list[Expected]:
        if lost and not self._conceal:
            raise self._damage(lost[0].pts)
        self._disturbed |= bool(lost)
        return lost

    def _damage(self, pts: int | None) -> InputError:
        return damaged(self._times.position(pts))

    def _check_unchanged(self, frame: av.VideoFrame) -> None:
        if self._last is None:
            return
        before, after = (f"{each.width}x{each.height} {each.format.name}" for each in (self._last.frame, frame))
        if before != after:
            raise InputError(
                f"its picture changes from {before} to {after}",
                self._times.position(frame.pts),
                "split it there and restore the parts by themselves",
            )


def _options(stream: VideoStream) -> dict[str, str]:
    options = {"err_detect": "crccheck" if codec_name(stream) in _CONCEALING else "crccheck+explode"}
    if stream.codec_context.name == "libdav1d":
        # Its own frame threads, which report errors late too.
        options["max_frame_delay"] = "1"
    return options
