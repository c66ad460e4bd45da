"""Fills the gaps of uncompressed sound with silence, for containers that would close them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Stream
from typing_extensions import override

from reelwright.media.stream_copy import StreamCopy, StreamWriter
from reelwright.media.stream_outcome import StreamOutcome

# FFmpeg's names: the kind of sample and its bits.
PCM = re.compile(r"pcm_([suf])(\d+)")
# Shorter gaps are jitter of a coarse clock.
_SHORTEST = Fraction(1, 10)
# A packet of silence is no longer, whatever the gap.
_LONGEST_PACKET = Fraction(1)


class GapFiller(StreamWriter):
    """Copies uncompressed sound, with silence where the source has none.

    Args:
        copy: copies the packets.
        stream: the source's.
    """

    def __init__(self, copy: StreamCopy, stream: AudioStream) -> None:
        self._copy, self._rate = copy, stream.sample_rate
        match = PCM.match(stream.codec_context.codec.canonical_name)
        assert match is not None, "only uncompressed sound is filled"
        self._frame = int(match[2]) // 8 * stream.layout.nb_channels
        # Unsigned samples are silent in the middle of their range.
        self._silence = b"\x80" if match[1] == "u" else b"\0"
        self._end: Fraction | None = None

    @override
    def packets(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        if packet.pts is not None and not packet.is_discard:
            start = packet.pts * packet.time_base
            if self._end is not None and start - self._end >= _SHORTEST:
                yield from self._silent(self._end, start, packet.time_base)
            # Counted in samples, which do not jitter.
            self._end = (start if self._is_new(start) else self._end or start) + Fraction(
                packet.size // self._frame, self._rate
            )
        yield from self._copy.packets(packet)

    @override
    def flush(self, end: Fraction) -> Iterator[Packet[Stream]]:
        return self._copy.flush(end)

    @override
    def outcome(self) -> StreamOutcome:
        return self._copy.outcome()

    def _is_new(self, start: Fraction) -> bool:
        return self._end is None or abs(start - self._end) >= _SHORTEST

    def _silent(self, start: Fraction, end: Fraction, unit: Fraction) -> Iterator[Packet[Stream]]:
        while start < end:
            length = min(end - start, _LONGEST_PACKET)
            samples = round(length * self._rate)
            packet: Packet[Stream] = Packet(self._silence * (samples * self._frame))
            packet.time_base, packet.pts = unit, round(start / unit)
            packet.dts, packet.duration = packet.pts, round(length / unit)
            packet.is_keyframe = True
            yield from self._copy.packets(packet)
            start += length
