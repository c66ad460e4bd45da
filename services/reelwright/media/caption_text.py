"""Turns closed captions into a subtitle track, for films whose codec holds none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import cast

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.codeccontext import SubtitleCodecContext
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle
from typing_extensions import override

from reelwright.media.captions import has_captions, holds_captions
from reelwright.media.profiles import ProfileSpec
from reelwright.media.stream_copy import StreamClock, StreamWriter, lost
from reelwright.media.stream_outcome import StreamOutcome
from reelwright.media.text_conversion import TextEncoder

_UNIT = Fraction(1, 90_000)
_TITLE = "Closed captions"
_OVERRIDES = re.compile(rb"\{[^}]*\}")


class CaptionText:
    """Decodes captions picture by picture and encodes what they show as subtitles.

    Args:
        target: the film's stream, with an encoder.

    Attributes:
        packets: subtitles so far.
        lost: packets of captions that did not decode, or have no time.
    """

    def __init__(self, target: SubtitleStream) -> None:
        self._target = target
        self._encoder = TextEncoder(target, StreamClock(Fraction(0), target, strict=False))
        self._decoder = cast("SubtitleCodecContext", av.CodecContext.create("cc_dec", "r"))
        # Text is given when it appears, not when it goes.
        self._decoder.options = {"real_time": "1", "real_time_latency_msec": "0"}
        self._decoder.open(strict=False)
        header = self._decoder.subtitle_header or b""
        # The encoders write down a font that is not the usual one.
        target.codec_context.subtitle_header = header.replace(b"Monospace", b"Arial")
        self._shown: tuple[int, bytes] | None = None
        self.packets = self.lost = 0

    def add(self, captions: bytes, time: Fraction) -> Iterator[Packet[Stream]]:
        """The subtitles that are complete with the captions of the next picture shown.

        Args:
            captions: as `captions.caption_data` gives them.
            time: of the picture, on the film's clock in seconds.
        """
        packet: Packet[Stream] = Packet(captions)
        packet.time_base, packet.pts = _UNIT, round(time / _UNIT)
        packet.dts = packet.pts
        try:
            shown = self._decoder.decode2(packet)
        except av.FFmpegError:
            self.lost += 1
            return
        if shown is not None and len(shown):
            yield from self.flush(time)
            # Place and font are for a television of 32 columns.
            event = _OVERRIDES.sub(b"", cast("AssSubtitle", shown[0]).ass)
            if event.split(b",", 8)[-1].strip():
                self._shown = (packet.pts, event)

    def flush(self, end: Fraction) -> Iterator[Packet[Stream]]:
        """The subtitle that is shown until `end`."""
        if self._shown is not None:
            start, event = self._shown
            self._shown = None
            self.packets += 1
            yield self._encoder.encode(event, start, max(round(end / _UNIT), start + 1), _UNIT)

    def outcome(self, index: int, codec: str, spec: ProfileSpec) -> StreamOutcome:
        """What became of the captions in the source's stream `index`, for a film of `codec`."""
        return StreamOutcome(
            index=index,
            kind="captions",
            codec="eia_608",
            outcome="converted",
            reason="; ".join(
                filter(None, (f"{codec} holds no captions; now {spec.subtitles} subtitles", lost(self.lost)))
            ),
            packets=self.packets,
            damaged=self.lost,
        )


def add_caption_text(film: OutputContainer, location: str, codec: str, spec: ProfileSpec) -> CaptionText | None:
    """Adds a subtitle track for the captions of a source; None where there are none or the film's picture holds them.

    Args:
        film: its header is not written yet.
        location: of the source.
        codec: of the film's picture.
        spec: the film's profile.
    """
    if holds_captions(codec) or not has_captions(location):
        return None
    return CaptionText(_add_track(film, spec))


class CaptionTrack(StreamWriter):
    """Turns a caption track (QuickTime's c608) into text, for containers that hold no such track. A StreamWriter.

    Args:
        outcome: the stream's, yet to be filled in.
        film: the film; its header is not written yet.
        spec: its profile.
        shift: seconds from the source's time to the film's.

    Attributes:
        target: the film's stream.
    """

    def __init__(self, outcome: StreamOutcome, film: OutputContainer, spec: ProfileSpec, shift: Fraction) -> None:
        self.target = _add_track(film, spec)
        self._outcome, self._spec, self._shift = outcome, spec, shift
        self._text = CaptionText(self.target)

    @override
    def packets(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        if packet.pts is None:
            self._text.lost += 1
        elif not packet.is_discard:
            yield from self._text.add(bytes(packet), packet.pts * packet.time_base + self._shift)

    @override
    def flush(self, end: Fraction) -> Iterator[Packet[Stream]]:
        return self._text.flush(end)

    @override
    def outcome(self) -> StreamOutcome:
        reason = f"{self._spec.suffix[1:]} files hold no caption tracks; now {self._spec.subtitles} subtitles"
        reason = "; ".join(filter(None, (reason, lost(self._text.lost))))
        update = {"outcome": "converted", "reason": reason, "packets": self._text.packets}
        return self._outcome.model_copy(update={**update, "damaged": self._text.lost})


def _add_track(film: OutputContainer, spec: ProfileSpec) -> SubtitleStream:
    target = cast("SubtitleStream", film.add_stream(spec.subtitles))
    target.time_base = _UNIT
    target.metadata.update({"title": _TITLE} if spec.container == "matroska" else {"handler_name": _TITLE})
    return target
