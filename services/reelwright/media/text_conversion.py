"""Converts text subtitles to the kind that the film's container holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle, SubtitleSet
from typing_extensions import override

from reelwright.media.profiles import ProfileSpec
from reelwright.media.stream_copy import StreamClock, StreamWriter, lost
from reelwright.media.stream_outcome import StreamOutcome
from reelwright.media.subtitle_copy import SubtitleEnds, without_time

# A mov_text sample counts the bytes of its text in 16 bits (3GPP TS 26.245, 5.17).
_LONGEST_TEXT = 0xFFFF
# Fields of an ASS event before its text: order, layer, style, name, three margins, effect.
_FIELDS_BEFORE_TEXT = 8


@dataclass(frozen=True, slots=True)
class Cue:
    """A subtitle.

    Attributes:
        start: when it appears, in the source stream's unit.
        end: when it goes.
        events: its lines as ASS events without times, as libavcodec's decoders give them.
    """

    start: int
    end: int
    events: tuple[bytes, ...]


class OverlappingCues:
    """Turns cues that overlap into samples that follow one another: an MP4 text track shows one sample at a time.

    Where a cue appears or goes, one sample ends and the next begins; a sample holds the text of every cue shown then.

    Attributes:
        joined: samples that hold more than one cue.
        dropped: cues that did not fit into a sample beside the others.
        late: cues whose time was over when they were added.
    """

    def __init__(self) -> None:
        self._shown: list[Cue] = []
        self._now = 0
        self.joined = self.dropped = self.late = 0

    def add(self, cue: Cue) -> Iterator[Cue]:
        """The samples that are complete once `cue` appears.

        Cues come in the order of their starts. One whose time is over by then is shown late, for as long, and not lost.
        """
        yield from self._until(cue.start)
        if max(cue.start, 0) < cue.end <= self._now:
            self.late += 1
            cue = Cue(self._now, self._now + cue.end - cue.start, cue.events)
        self._shown.append(cue)

    def flush(self) -> Iterator[Cue]:
        """The samples of the cues that are still shown."""
        yield from self._until(max((cue.end for cue in self._shown), default=self._now))

    def _until(self, time: int) -> Iterator[Cue]:
        while self._shown and self._now < time:
            following = min(time, *(cue.end for cue in self._shown))
            if following > self._now:
                yield Cue(self._now, following, self._events())
                self._now = following
            self._shown = [cue for cue in self._shown if cue.end > self._now]
        self._now = max(self._now, time)

    def _events(self) -> tuple[bytes, ...]:
        if len(self._shown) == 1:
            return self._shown[0].events
        self.joined += 1
        events: list[bytes] = []
        size = 0
        for event in (event for cue in self._shown for event in cue.events):
            size += len(event)
            if size > _LONGEST_TEXT:
                self.dropped += 1
            else:
                events.append(event)
        return tuple(events)


class TextConversion(StreamWriter):
    """Decodes text subtitles and encodes them as the film's kind, each at its own time.

    Args:
        outcome: the stream's; its reason says why it is converted and into what.
        stream: the source's.
        target: the film's, with an encoder; also an attribute.
        clock: puts packets on the film's clock.
        shift: seconds from the source's time to the film's.
        longest: seconds; a longer duration is an endless one.
    """

    def __init__(
        self,
        outcome: StreamOutcome,
        stream: SubtitleStream,
        *,
        target: SubtitleStream,
        clock: StreamClock,
        shift: Fraction,
        longest: Fraction,
    ) -> None:
        self._outcome, self._stream, self.target = outcome, stream, target
        self._encoder, self._shift = TextEncoder(target, clock), shift
        self._unit = Fraction(stream.time_base or 1)
        self._ends = SubtitleEnds(longest)
        self._overlaps = OverlappingCues() if target.codec_context.name == "mov_text" else None
        self._packets = self._lost = 0

    @override
    def packets(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        for part in self._ends.bounded(packet):
            yield from self._converted(part)

    @override
    def flush(self, end: Fraction) -> Iterator[Packet[Stream]]:
        for part in self._ends.flush(end - self._shift):
            yield from self._converted(part)
        if self._overlaps:
            for sample in self._overlaps.flush():
                yield from self._encoded(sample)

    @override
    def outcome(self) -> StreamOutcome:
        reasons = [self._outcome.reason]
        if self._overlaps and self._overlaps.joined:
            reasons.append("subtitles that are shown together share a sample")
        if self._overlaps and self._overlaps.dropped:
            reasons.append(f"{self._overlaps.dropped} lines did not fit into a sample")
        if self._overlaps and self._overlaps.late:
            reasons.append(f"{self._overlaps.late} subtitles are not in order in the source, and shown late")
        reasons += filter(None, (without_time(self._ends.timeless), lost(self._lost)))
        update = {"outcome": "converted", "reason": "; ".join(reasons), "packets": self._packets}
        return self._outcome.model_copy(update={**update, "damaged": self._lost})

    def _converted(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        try:
            decoded = self._stream.codec_context.decode2(packet)
        except av.FFmpegError:
            self._lost += 1
            return
        events = tuple(part.ass for part in decoded or () if isinstance(part, AssSubtitle))
        if not events:
            return
        assert packet.pts is not None
        cue = Cue(packet.pts, packet.pts + (packet.duration or 0), events)
        for sample in self._overlaps.add(cue) if self._overlaps else (cue,):
            yield from self._encoded(sample)

    def _encoded(self, cue: Cue) -> Iterator[Packet[Stream]]:
        try:
            packet = self._encoder.encode(_one_event(cue.events), cue.start, cue.end, self._unit)
        except av.FFmpegError:
            self._lost += 1
            return
        self._packets += 1
        yield packet


class TextEncoder:
    """Encodes ASS events as a film's subtitles.

    Args:
        target: the film's stream, with an encoder.
        clock: puts packets on the film's clock.
    """

    def __init__(self, target: SubtitleStream, clock: StreamClock) -> None:
        self._target, self._clock = target, clock

    def encode(self, event: bytes, start: int, end: int, unit: Fraction) -> Packet[Stream]:
        """A packet of one event.

        Args:
            event: as libavcodec's decoders give it, without times.
            start: when it appears, in `unit` seconds.
            end: when it goes.
            unit: seconds per unit.

        Raises:
            av.FFmpegError: it cannot be encoded.
        """
        packet = self._target.codec_context.encode_subtitle(SubtitleSet.create(event, 0, 0))
        packet.time_base = unit
        packet.pts = packet.dts = start
        packet.duration = end - start
        self._clock.stamp(packet)
        return packet


def convert_text(
    stream: SubtitleStream,
    film: OutputContainer,
    *,
    spec: ProfileSpec,
    outcome: StreamOutcome,
    shift: Fraction,
    longest: Fraction,
) -> TextConversion:
    """Adds text subtitles that the container cannot hold to the film, as the container's own kind."""
    target = cast("SubtitleStream", film.add_stream(spec.subtitles))
    target.time_base = stream.time_base
    stream.codec_context.open(strict=False)
    # The encoders take the styles that the decoder found as an ASS header.
    target.codec_context.subtitle_header = stream.codec_context.subtitle_header
    reason = f"{spec.suffix[1:]} files hold no {outcome.codec}; now {spec.subtitles}"
    outcome = outcome.model_copy(update={"reason": reason})
    clock = StreamClock(shift, target, strict=False)
    return TextConversion(outcome, stream, target=target, clock=clock, shift=shift, longest=longest)


def _one_event(events: tuple[bytes, ...]) -> bytes:
    """Events as lines of one, since PyAV encodes one at a time; each line begins without the overrides of the last."""
    texts = (event.split(b",", _FIELDS_BEFORE_TEXT)[-1] for event in events[1:])
    return b"\\N{\\r}".join((events[0], *texts))
