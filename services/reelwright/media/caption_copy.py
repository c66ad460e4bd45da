"""Carries the closed captions of a source's picture into the film: inside its packets, or as a subtitle track."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from typing import cast

from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from reelwright.media.caption_text import add_caption_text
from reelwright.media.captions import CaptionReader, holds_captions, with_captions
from reelwright.media.profiles import ProfileSpec
from reelwright.media.stream_outcome import StreamOutcome


class CaptionCopy:
    """Writes each picture's captions, and says what became of them.

    Args:
        reader: reads the source's captions; None for a film that has none of them.
        film: gets a subtitle track where its picture's codec holds no captions; its header is not written yet.
        location: of the source.
        codec: of the film's picture.
        spec: the film's profile.
    """

    def __init__(
        self, reader: CaptionReader | None, film: OutputContainer, *, location: str, codec: str, spec: ProfileSpec
    ) -> None:
        self._reader, self._codec, self._spec = reader, codec, spec
        self._text = None if reader is None else add_caption_text(film, location, codec, spec)
        self._subtitles: list[Packet[Stream]] = []
        self._pictures, self._sha = 0, hashlib.sha256()

    def add(self, packet: Packet[Stream], source_pts: int) -> Packet[Stream]:
        """The packet of a picture of the film, with the captions of the source's picture.

        Args:
            packet: with its times in the film; called in decoding order.
            source_pts: of the source's picture, in the source's time base.
        """
        captions = None if self._reader is None else self._reader.of_picture(source_pts)
        if captions and self._text:
            time = Fraction(cast("int", packet.pts)) * packet.time_base
            self._subtitles += self._text.add(captions, time)
        if not captions or not holds_captions(self._codec):
            return packet
        self._pictures += 1
        self._sha.update(captions)
        captioned: Packet[Stream] = Packet(with_captions(bytes(packet), self._codec, captions))
        captioned.time_base, captioned.is_keyframe = packet.time_base, packet.is_keyframe
        captioned.pts, captioned.dts, captioned.duration = packet.pts, packet.dts, packet.duration
        return captioned

    def subtitles(self) -> list[Packet[Stream]]:
        """The subtitles that were completed since the last call."""
        complete, self._subtitles = self._subtitles, []
        return complete

    def flush(self, end: Fraction) -> list[Packet[Stream]]:
        """The subtitle that is shown until the film's `end`, in seconds."""
        return list(self._text.flush(end)) if self._text else []

    def outcomes(self, index: int) -> Iterator[StreamOutcome]:
        """What became of the captions in the source's stream `index`; nothing where it has none."""
        found = 0 if self._reader is None else self._reader.found
        if not found:
            return
        outcome = StreamOutcome(index=index, kind="captions", codec="eia_608", outcome="left out")
        if self._text:
            yield self._text.outcome(index, self._codec, self._spec)
        elif self._pictures:
            lost = found - self._pictures
            reason = f"{lost} of {found} pictures with captions are not in the film" if lost else ""
            update = {"outcome": "copied", "reason": reason, "packets": self._pictures}
            yield outcome.model_copy(update={**update, "sha256": self._sha.hexdigest()})
        else:
            reason = f"{self._codec} in {self._spec.suffix[1:]} files holds no captions"
            yield outcome.model_copy(update={"reason": reason})

    def notes(self) -> list[str]:
        """A sentence for each kind of user data beside the captions that the film does not hold."""
        return [f"the picture's {name} is not carried" for name in sorted(self._reader.named if self._reader else ())]
