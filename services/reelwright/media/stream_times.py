"""Holds a finished film's other streams against the source: the time of every packet, and the tags."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from av.packet import Packet
from av.stream import Stream

from reelwright.media.stream_outcome import StreamOutcome, StreamTimes
from reelwright.media.tags import lost_tags
from reelwright.titles.errors import InternalError

# A converted stream is cut into other packets. Its first one may lie a codec's delay early and its last one may be
# filled up: two frames of AAC, the longest there are here.
_CONVERTED_SAMPLES = 2 * 1024
_SLOWEST_RATE = 8000
# Uncompressed sound has no packets of its own: a container groups its samples as it likes.
_REGROUPED = "pcm_"
_CAPTIONS = "eia_608"


class PacketTimes:
    """The presentation times of one stream's packets, in demuxing order.

    A packet that an edit list cuts out is not counted, and neither are the empty samples that MP4 puts between
    subtitles: they are not shown.

    Sound is heard in the order of its packets. Where damage makes a packet go back in time, or takes its time, no
    container can show it then, and the earliest moment it can have is that of the packet before.

    Args:
        stream: the stream that the packets are of.
        codec: its name.

    Attributes:
        unit: seconds per unit of `starts` and `end`.
        starts: time of each packet; of sound, no earlier than that of the packet before.
        end: when the last one ends; None where the container does not say.
        displaced: packets of sound that had no time, or an earlier one than the packet before.
        continued: packets of sound that `ContinuedClock` had moved before they were added.
    """

    def __init__(self, stream: Stream, codec: str) -> None:
        self.unit = Fraction(stream.time_base or 1)
        self.starts = array("q")
        self.end: int | None = None
        self.displaced = self.continued = 0
        self._codec, self._ordered = codec, stream.type == "audio"

    def add(self, packet: Packet[Stream]) -> None:
        """Notes a packet's time."""
        start = packet.pts if packet.pts is not None else packet.dts
        if packet.is_discard or is_empty_text(packet, self._codec):
            return
        if self._ordered and self.starts and (start is None or start < self.starts[-1]):
            start = self.starts[-1]
            self.displaced += 1
        if start is None:
            return
        self.starts.append(start)
        if packet.duration:
            self.end = max(self.end if self.end is not None else start, start + packet.duration)

    def digest(self) -> str:
        """SHA-256 over all times, as hex."""
        return hashlib.sha256(repr((self.unit, list(self.starts))).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class TimedStream:
    """A stream of packets with times, in a source or in a film.

    Attributes:
        kind: audio or subtitle.
        times: of its packets.
        tags: as its container holds them.
        dispositions: FFmpeg's names.
    """

    kind: str
    times: PacketTimes
    tags: Mapping[str, str]
    dispositions: frozenset[str]


def settle_outcomes(
    outcomes: Sequence[StreamOutcome], source: Mapping[int, TimedStream], film: Sequence[TimedStream], shift: Fraction
) -> tuple[StreamOutcome, ...]:
    """Writes into the outcomes when the film's streams are shown and what of their tags the container does not hold.

    Args:
        outcomes: what became of each of the source's streams, in the order in which the film holds them.
        source: the source's streams by index, as they were read.
        film: the film's, read back, in order.
        shift: seconds from the source's time to the film's.
    """
    outcomes = list(_without_unplayed(outcomes, source, film, shift))
    pairs = dict(paired(outcomes, film))
    settled = []
    for outcome in outcomes:
        wanted, found = source.get(outcome.index), pairs.get(outcome.index)
        if wanted is None or found is None or not wanted.times.starts:
            settled.append(outcome)
            continue
        lost = [f"disposition {name}" for name in sorted(wanted.dispositions - found.dispositions)]
        moved = moved_packets(wanted.times.displaced, wanted.times.continued)
        update = {
            "reason": "; ".join(filter(None, (outcome.reason, *moved))),
            "times": compare_times(outcome, wanted.times, found.times, shift),
            "not_kept": (*lost_tags(wanted.tags, found.tags), *lost),
        }
        settled.append(outcome.model_copy(update=update))
    return tuple(settled)


def check_places(outcomes: Sequence[StreamOutcome], length: Fraction) -> None:
    """Checks that no stream lies apart from its place in a film by more than what damage within it explains.

    Args:
        outcomes: settled.
        length: of the film's picture, in seconds.

    Raises:
        InternalError: one is further from its place than the film and the stream last together.
    """
    for one in outcomes:
        times = one.times
        if times and times.error > times.tolerance + length + times.source_last - times.source_first:
            raise InternalError(f"{one.kind} stream {one.index} is {times.error:.0f} s from its place in the film")


def _without_unplayed(
    outcomes: Sequence[StreamOutcome], source: Mapping[int, TimedStream], film: Sequence[TimedStream], shift: Fraction
) -> Iterator[StreamOutcome]:
    """The outcomes; a stream that ends before the film's start is left out where the container plays none of it."""
    for outcome in outcomes:
        wanted = source.get(outcome.index)
        early = wanted is not None and all(start * wanted.times.unit + shift < 0 for start in wanted.times.starts)
        written = sum(one.kind == outcome.kind and one.outcome != "left out" and one.packets > 0 for one in outcomes)
        played = sum(stream.kind == outcome.kind and len(stream.times.starts) > 0 for stream in film)
        if early and outcome.packets and played < written:
            update = {"outcome": "left out", "reason": "all of it lies before the film's start", "packets": 0}
            yield outcome.model_copy(update={**update, "sha256": ""})
        else:
            yield outcome


def paired(outcomes: Sequence[StreamOutcome], film: Sequence[TimedStream]) -> Iterator[tuple[int, TimedStream]]:
    """The source index and the film's stream of each outcome that went into the film as a stream with packets.

    A track in which there is nothing is left out of both: MP4 drops it.
    """
    for kind in ("audio", "subtitle"):
        written = [one.index for one in outcomes if one.kind == kind and one.outcome != "left out" and one.packets]
        held = [stream for stream in film if stream.kind == kind and stream.times.starts]
        yield from zip(written, held, strict=False)


def moved_packets(displaced: int, continued: int, stream: str = "") -> Iterator[str]:
    """What is said of a stream's packets of sound that are not at their own times, as `PacketTimes` counts them."""
    packets = f"packets of {stream}" if stream else "packets"
    if displaced:
        reason = "had no time of their own, or an earlier one than the packet before"
        yield f"{displaced} {packets} {reason}, and follow that one"
    if continued:
        yield f"{continued} {packets} have times of a clock that starts over or jumps, and follow the packets before"


def is_empty_text(packet: Packet[Stream], codec: str) -> bool:
    """Whether a packet is an empty text sample, which MP4 puts where no subtitle is shown."""
    return codec == "mov_text" and bytes(memoryview(packet)[:2]) == b"\0\0"


def compare_times(outcome: StreamOutcome, source: PacketTimes, film: PacketTimes, shift: Fraction) -> StreamTimes:
    """Holds a stream of the film against the source's.

    Args:
        outcome: what became of the stream.
        source: the times of its packets, as the source's demuxer gives them.
        film: the times read back from the film.
        shift: seconds from the source's time to the film's.

    Returns:
        Times on the film's clock. `error` is the largest distance of a packet from its time in the source; of a
        stream that is cut into other packets, that of its first and its last moment.
    """
    # Each packet that follows at once is a unit behind the one before.
    tolerance = source.unit + (2 + source.displaced) * film.unit
    if outcome.outcome == "converted" and outcome.kind == "audio":
        tolerance += Fraction(_CONVERTED_SAMPLES, _SLOWEST_RATE)
    wanted = [start * source.unit + shift for start in (min(source.starts), max(source.starts))]
    # Where the container does not say how long packets are, the last one is taken to be short.
    end = (source.end if source.end is not None else max(source.starts)) * source.unit + shift
    found = [start * film.unit for start in (min(film.starts), max(film.starts))]
    return StreamTimes(
        source_first=wanted[0],
        source_last=wanted[1],
        film_first=found[0],
        film_last=found[1],
        error=float(_error(outcome, source=source, film=film, shift=shift, end=end)),
        tolerance=float(tolerance),
        packets=len(film.starts),
        displaced=source.displaced,
        continued=source.continued,
        sha256=film.digest(),
    )


def _error(
    outcome: StreamOutcome, *, source: PacketTimes, film: PacketTimes, shift: Fraction, end: Fraction
) -> Fraction:
    if outcome.kind == "audio" and (outcome.outcome == "converted" or outcome.codec.startswith(_REGROUPED)):
        first = abs(min(film.starts) * film.unit - min(source.starts) * source.unit - shift)
        film_end = (film.end if film.end is not None else max(film.starts)) * film.unit
        return max(first, abs(film_end - end))
    # In whole nanoseconds: a film has hundreds of thousands of packets.
    wanted = sorted(_nanoseconds(source, shift))
    found = sorted(_nanoseconds(film, Fraction(0)))
    if outcome.codec == _CAPTIONS and outcome.outcome == "converted":
        # A pair of characters in each packet; a subtitle begins with the one that shows the text.
        return Fraction(max(_distance(wanted, time) for time in found), 10**9)
    if len(wanted) != len(found):
        # MP4 cuts off what lies before its zero, such as the samples that an encoder is primed with.
        wanted, found = ([time for time in times if time >= 0] or times for times in (wanted, found))
    if len(wanted) == len(found):
        worst = max(abs(one - other) for one, other in zip(wanted, found, strict=True))
    else:
        # Subtitles of one time become one sample in MP4. The packets farthest from the film's are the damaged ones.
        distances = sorted(_distance(found, time) for time in wanted)
        worst = distances[max(0, len(distances) - 1 - outcome.damaged)]
    return Fraction(worst, 10**9)


def _nanoseconds(times: PacketTimes, shift: Fraction) -> Sequence[int]:
    unit, offset = times.unit * 10**9, shift * 10**9
    common = unit.denominator * offset.denominator
    up, add = int(unit * common), int(offset * common)
    return [(start * up + add) // common for start in times.starts]


def _distance(times: Sequence[int], wanted: int) -> int:
    at = bisect_left(times, wanted)
    return min(abs(time - wanted) for time in times[max(0, at - 1) : at + 1])
