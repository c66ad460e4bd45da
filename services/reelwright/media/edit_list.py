"""What the edit list of a MOV or MP4 file does to a stream."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from av.stream import Stream

from reelwright.media.mp4_edits import TrackEdits, track_edits
from reelwright.media.stream_copy import PREROLL_SECONDS

# Only MOV and MP4 have edit lists that the demuxer follows.
_FORMAT = "mov,mp4,m4a,3gp,3g2,mj2"


@dataclass(frozen=True)
class EditList:
    """The edits of a stream.

    Attributes:
        edits: as the file states them; None where it has no edit list.
        starts_at: time of the first packet that is played, in the stream's time base.
    """

    edits: TrackEdits | None = None
    starts_at: int = 0

    @staticmethod
    def of(stream: Stream, location: str) -> EditList:
        """Reads them from the file, and from the index that the demuxer makes of them.

        Raises:
            InputError: the source cannot be read.
        """
        if stream.container.format.name != _FORMAT:
            return EditList()
        edits = track_edits(location, stream.id)
        starts_at = next((entry.timestamp for entry in stream.index_entries if not entry.is_discard), 0)
        return EditList(edits, starts_at)

    @property
    def ends_at(self) -> Fraction | None:
        """When the last part ends, in seconds; None where it lasts to the end of the track."""
        last = self.edits.parts[-1] if self.edits else None
        return None if last is None or last.length is None else last.at + last.length

    def needs_decoding(self, *, lossless: bool, trims: bool) -> bool:
        """Whether a copy of the packets would hold other sound than is played.

        Args:
            lossless: the codec's packets stand alone, and decoding them loses nothing.
            trims: the film's container keeps what lies before its own start without playing it.
        """
        if self.edits is None:
            return False
        behind = self.edits.media_length - self.edits.ends_in_media
        # Lengths are rounded to the list's unit, and encoders are primed with samples that are cut off in front.
        in_front = self.edits.parts[0].start > (0 if lossless else PREROLL_SECONDS) and not trims
        return len(self.edits.parts) > 1 or in_front or (lossless and behind > 2 * self.edits.unit)
