"""What the edit list of a MOV or MP4 file does to a stream."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from av.stream import Stream

from reelwright.media.stream_copy import PREROLL_SECONDS


@dataclass(frozen=True)
class EditList:
    """The edits of a stream.

    Attributes:
        in_front: more is cut off at the start than the packets that a decoder needs to begin.
        inside: a part in the middle is cut out.
        starts_at: time of the first packet that is played, in the stream's time base.
    """

    in_front: bool = False
    inside: bool = False
    starts_at: int = 0

    @staticmethod
    def of(stream: Stream) -> EditList:
        """Reads them from the index that the demuxer makes of the edit list; other containers have no edits."""
        starts_at, first_cut, cut_since = None, None, False
        for entry in stream.index_entries:
            if entry.is_discard:
                first_cut = entry.timestamp if first_cut is None else first_cut
                cut_since = starts_at is not None
            elif starts_at is None:
                starts_at = entry.timestamp
            elif cut_since:
                return EditList(inside=True, starts_at=starts_at)
        if starts_at is None or first_cut is None:
            return EditList(starts_at=starts_at or 0)
        preroll = round(PREROLL_SECONDS / Fraction(stream.time_base or 1))
        return EditList(in_front=starts_at - first_cut > preroll, starts_at=starts_at)
