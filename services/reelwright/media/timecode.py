"""The start timecode of a film: found in the source, and moved to where the film's container counts from.

Timecodes count frames (SMPTE ST 12-1): `hh:mm:ss:ff`, with a semicolon before the frames when the count drops numbers
to stay with the clock at 30000/1001 frames per second.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from av.container import InputContainer
from av.stream import Stream

from reelwright.media.container import open_source, packets
from reelwright.media.stream_choice import video_stream

_TEXT = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d)")
_GOP_HEADER, _PICTURE_HEADER = b"\0\0\1\xb8", b"\0\0\1\0"
# A recording that begins between two key frames has its first GOP header within the longest GOP that broadcast uses.
_GOP_PACKETS = 300
_MPEG = {"mpeg1video", "mpeg2video"}


@dataclass(frozen=True, slots=True)
class Timecode:
    """A count of frames since midnight.

    Attributes:
        frame: counted without gaps.
        per_second: frames that a timecode's second counts, e.g. 30 for 30000/1001 frames per second.
        drop: numbers are dropped: two a minute of 30, except every tenth minute.
    """

    frame: int
    per_second: int
    drop: bool = False

    @staticmethod
    def parse(text: str, rate: Fraction) -> Timecode | None:
        """A timecode as tags hold it; None for text that is no timecode at this rate.

        Args:
            text: `hh:mm:ss:ff`.
            rate: frames per second.
        """
        match, per_second = _TEXT.fullmatch(text.strip()), round(rate)
        if match is None or per_second < 1:
            return None
        hours, minutes, seconds, frames = (int(match[group]) for group in (1, 2, 3, 5))
        if minutes > 59 or seconds > 59 or frames >= per_second:
            return None
        total_minutes = hours * 60 + minutes
        frame = (total_minutes * 60 + seconds) * per_second + frames
        # Only a count of 30 or 60 has numbers to drop (ST 12-1); elsewhere the semicolon is a writer's habit.
        drop = match[4] != ":" and per_second % 30 == 0
        if drop:
            frame -= _dropped(per_second) * (total_minutes - total_minutes // 10)
        return Timecode(frame, per_second, drop)

    def moved(self, frames: int) -> Timecode:
        """The timecode of a frame that is shown `frames` later; the count starts over at midnight."""
        day = 24 * 3600 * self.per_second
        if self.drop:
            day -= _dropped(self.per_second) * (24 * 60 - 24 * 6)
        return Timecode((self.frame + frames) % day, self.per_second, self.drop)

    def __str__(self) -> str:
        number = self.frame
        if self.drop:
            # ST 12-1: a block of ten minutes drops nine times.
            dropped = _dropped(self.per_second)
            minute = 60 * self.per_second - dropped
            tens, rest = divmod(number, 10 * minute + dropped)
            number += 9 * dropped * tens + dropped * max(0, (rest - dropped) // minute)
        seconds, frames = divmod(number, self.per_second)
        separator = ";" if self.drop else ":"
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{separator}{frames:02}"


def start_timecode(source: InputContainer, location: str, start: Fraction, rate: Fraction) -> Timecode | None:
    """The timecode of the film's first frame.

    Looks at the MOV timecode track, the tags of picture and file (MXF, Matroska, DV), and MPEG-2's GOP headers.

    Args:
        source: the open source.
        location: where it lies.
        start: time of the film's first frame on the source's clock, in seconds.
        rate: frames per second.
    """
    for stream in source.streams:
        if stream.type == "data" and (found := _tagged(stream.metadata, rate)):
            return found.moved(round((start - _track_start(stream)) * rate))
    main = video_stream(source, location)
    tagged = _tagged(main.metadata, rate) or _tagged(source.metadata, rate)
    if tagged or main.codec_context.codec.canonical_name not in _MPEG:
        return tagged
    return _gop_timecode(location, start, rate)


def film_timecode(timecode: Timecode, start: Fraction, rate: Fraction, container: str) -> Timecode:
    """The timecode as a film's container counts it.

    Args:
        timecode: of the first frame.
        start: time of the first frame on the film's clock, in seconds.
        rate: frames per second.
        container: libavformat's muxer. MOV and MP4 get a timecode track that starts at time zero; Matroska's tag is
            that of the first frame.
    """
    return timecode if container == "matroska" else timecode.moved(-round(start * rate))


def _tagged(tags: Mapping[str, str], rate: Fraction) -> Timecode | None:
    text = next((value for key, value in tags.items() if key.lower() == "timecode"), "")
    return Timecode.parse(text, rate)


def _track_start(stream: Stream) -> Fraction:
    """When a timecode track's first sample is shown. An edit list that cuts it in front moves that below zero."""
    first = next(iter(stream.index_entries), None)
    return Fraction(0) if first is None else first.timestamp * Fraction(stream.time_base or 1)


def _gop_timecode(location: str, start: Fraction, rate: Fraction) -> Timecode | None:
    """The first GOP header's timecode (ISO/IEC 13818-2, 6.2.2.6), moved to the film's first frame.

    Encoders without a timecode count from zero; such a timecode has no meaning.
    """
    with open_source(location) as source:
        main = video_stream(source, location)
        for _, packet in zip(range(_GOP_PACKETS), packets(source, main), strict=False):
            data = bytes(packet)
            at = data.find(_GOP_HEADER)
            picture = data.find(_PICTURE_HEADER, at)
            if at < 0 or picture < 0 or packet.pts is None or len(data) < picture + 6:
                continue
            # The timecode is that of the group's first picture as displayed; the reference counts pictures from it.
            reference = int.from_bytes(data[picture + 4 : picture + 6], "big") >> 6
            found = _parse_gop(int.from_bytes(data[at + 4 : at + 8], "big"), rate)
            return found and found.moved(round((start - packet.pts * packet.time_base) * rate) + reference)
    return None


def _parse_gop(header: int, rate: Fraction) -> Timecode | None:
    drop, hours, minutes = header >> 31, header >> 26 & 31, header >> 20 & 63
    seconds, frames = header >> 13 & 63, header >> 7 & 63
    if not (hours or minutes or seconds or frames):
        return None
    separator = ";" if drop else ":"
    return Timecode.parse(f"{hours:02}:{minutes:02}:{seconds:02}{separator}{frames:02}", rate)


def _dropped(per_second: int) -> int:
    return per_second // 15
