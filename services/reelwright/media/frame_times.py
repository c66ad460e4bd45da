"""Gives every decoded frame its time, and refuses streams whose clock cannot be one film's."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from av.video.stream import VideoStream

from reelwright.media.picture_clock import FINEST_SCALE
from reelwright.media.timestamp import timestamp
from reelwright.titles.errors import InputError

# Seconds. A longer step back in time is a second recording, not jitter.
_MAX_STEP_BACK = 1
# Seconds. No film holds a frame for an hour, and MP4 cannot hold one for a day.
_MAX_STEP_AHEAD = 3600
_REMEDY = "split it there, or rewrite its timestamps by remuxing it"


class FrameTimes:
    """Times of a stream's frames in presentation order, in units of its time base.

    Args:
        stream: the stream that is decoded.
        location: the source's name, for errors.
        origin: PTS of the title's first frame, if another one is read first.

    Attributes:
        end: where the last frame ends; 0 before the first.
        shifted: how many frames had no time, or one that was not later than the last frame's in the clock of any film.
    """

    def __init__(self, stream: VideoStream, location: str, origin: int | None = None) -> None:
        self._location = location
        self._unit = Fraction(stream.time_base or Fraction(1, 1000))
        # Frames that are closer would have one time in MP4, which takes no two decoding times that are equal.
        self._least_step = max(1, ceil(1 / (self._unit * FINEST_SCALE)))
        self._origin = origin
        self._start = stream.start_time or 0
        self._last: int | None = None
        self._last_dts: int | None = None
        self.end = 0
        self.shifted = 0

    def assign_pts(self, pts: int | None, duration: int) -> int:
        """The time of the next frame: its own, or the next free one where that would not be later than the last.

        Raises:
            InputError: it lies further ahead than a film's clock goes in one step.
        """
        wanted = self.end if pts is None else pts
        assigned = wanted if self._last is None else max(wanted, self._last + self._least_step)
        if self._last is not None and (assigned - self._last) * self._unit > _MAX_STEP_AHEAD:
            raise InputError(
                f"its clock jumps to {timestamp(assigned * self._unit)}", self.position(self._last), _REMEDY
            )
        self.shifted += pts != assigned
        if self._origin is None:
            self._origin = assigned
        self._last, self.end = assigned, assigned + (duration or 1)
        return assigned

    def check_decoding_time(self, dts: int | None) -> None:
        """Notes the decoding time of the next packet.

        Raises:
            InputError: the clock starts again from an earlier time.
        """
        if dts is None:
            return
        if self._last_dts is not None and (self._last_dts - dts) * self._unit > _MAX_STEP_BACK:
            raise InputError(
                "its clock starts over; it is several recordings in one file", self.position(self._last_dts), _REMEDY
            )
        self._last_dts = dts

    @property
    def start(self) -> Fraction:
        """The first frame's time in seconds; where the stream starts, before there was a frame."""
        return (self._start if self._origin is None else self._origin) * self._unit

    def time_of(self, pts: int) -> str:
        """A time as people read it, counted from the first frame."""
        return timestamp(pts * self._unit - self.start)

    def seconds(self, ticks: int) -> Fraction:
        """A span of time in seconds."""
        return ticks * self._unit

    def position(self, pts: int | None) -> str:
        """The file and a time in it, for errors; the end of the last frame for None."""
        return f"{self._location} at {self.time_of(self.end if pts is None else pts)}"
