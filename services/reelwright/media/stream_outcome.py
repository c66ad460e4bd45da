"""What became of a stream of the source that is not restored."""

from __future__ import annotations

from reelwright.media.document_values import DocumentValue, Rational


class StreamTimes(DocumentValue):
    """When a stream's packets are shown, in the film and in the source, on the film's clock.

    Attributes:
        source_first: time of the source's first packet, in seconds.
        source_last: time of its last packet.
        film_first: time of the film's first packet.
        film_last: time of its last packet.
        error: seconds by which a packet is off its time in the source at most.
        tolerance: the largest error that the clocks of both containers, or a conversion, explain.
        packets: how many the film holds.
        displaced: how many of the source's packets of sound had no time, or an earlier one than the packet before; that
            packet's time counts as theirs.
        continued: how many of the source's packets of sound had times of a clock that starts over or jumps; the times
            that count are those behind the packets before.
        sha256: of all their times, as `PacketTimes.digest` gives it.
    """

    source_first: Rational
    source_last: Rational
    film_first: Rational
    film_last: Rational
    error: float
    tolerance: float
    packets: int
    displaced: int = 0
    continued: int = 0
    sha256: str


class StreamOutcome(DocumentValue):
    """What became of a source stream.

    Attributes:
        index: in the source.
        kind: audio, subtitle, attachment, data, video or cover.
        codec: FFmpeg's name; an attachment's MIME type.
        language: as the source tags it.
        title: the same.
        outcome: copied, converted or left out.
        reason: why it is not a plain copy, and what is damaged in it, for the person.
        packets: that went into the film.
        damaged: packets of the source that the film does not hold because they could not be read.
        sha256: of a copy's content, as hex.
        times: of its packets; None for what has no time, or is not in the film.
        not_kept: tags and dispositions that the film's container does not hold.
    """

    index: int
    kind: str
    codec: str
    language: str = ""
    title: str = ""
    outcome: str
    reason: str = ""
    packets: int = 0
    damaged: int = 0
    sha256: str = ""
    times: StreamTimes | None = None
    not_kept: tuple[str, ...] = ()
