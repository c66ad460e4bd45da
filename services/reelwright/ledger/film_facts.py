"""What the manifest says of the assembled film's file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from reelwright.media.stream_outcome import StreamOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmFacts:
    """The assembled film, as read back from its file.

    Attributes:
        name: the file's name without its folder.
        sha256: of the file's bytes, as hex.
        size: in bytes.
        width: of the stored picture, in luma samples.
        height: the same.
        pix_fmt: of the video stream.
        time_base: seconds per unit of `pts`.
        pts: of each frame in presentation order, as the container holds them.
        lossless: decoding the film gives the restored frames exactly.
        streams: what became of the source's other streams.
        chapters: number of chapters.
        timecode: at which the film starts, as hh:mm:ss:ff; empty without a timecode.
        seconds: wall seconds per stage that the segment records do not hold.
        notes: sentences for a person: conversions, and what the container cannot hold.
    """

    name: str
    sha256: str
    size: int
    width: int
    height: int
    pix_fmt: str
    time_base: Fraction
    pts: Sequence[int]
    lossless: bool
    streams: tuple[StreamOutcome, ...] = ()
    chapters: int = 0
    timecode: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
