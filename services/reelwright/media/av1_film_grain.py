"""Writes film grain into an encoded AV1 segment: players add it to the pictures that they decode.

FFmpeg's SVT-AV1 takes no table of film grain, so the parameters (section 5.9.30 of the AV1 specification) are added to
the headers of the frames after they were encoded. The pictures without their grain do not change by a bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
from av.packet import Packet
from av.stream import Stream

from reelwright.media.av1_bits import FRAME, FRAME_HEADER, REDUNDANT_HEADER, SEQUENCE_HEADER, packed, units, with_bits
from reelwright.media.av1_headers import HeaderReader
from reelwright.media.av1_sequence import read_sequence
from reelwright.media.encode import BITEXACT, output_errors
from reelwright.titles.errors import InternalError

# Bytes of an AV1CodecConfigurationRecord before its sequence header.
_CONFIGURATION = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmGrain:
    """The grain of a frame's luma, as section 6.8.20 of the specification has it.

    Attributes:
        seed: of its random numbers, 0 to 65,535.
        points: level and scaling, 0 to 255 each, by ascending level; at most 14.
        scaling_shift: scaled grain is divided by 2^this, 8 to 11.
        coefficients: 24, of the filter with a lag of 3, -128 to 127.
        coefficient_shift: they are divided by 2^this, 6 to 9.
        noise_shift: random numbers are divided by 2^this, 0 to 3.
    """

    seed: int
    points: tuple[tuple[int, int], ...]
    scaling_shift: int
    coefficients: tuple[int, ...]
    coefficient_shift: int
    noise_shift: int

    def bits(self, *, is_inter: bool) -> str:
        """The parameters as text of 0 and 1, for a frame in 4:2:0 that does or does not refer to others."""
        if not any(scaling for _, scaling in self.points):
            return "0"
        points = "".join(f"{level:08b}{scaling:08b}" for level, scaling in self.points)
        filtered = "".join(f"{value + 128:08b}" for value in self.coefficients)
        return "".join(
            (
                f"1{self.seed:016b}{'1' if is_inter else ''}{len(self.points):04b}{points}",
                # Chroma's grain is in the pixels: no scaling from luma, no points.
                "000000000",
                f"{self.scaling_shift - 8:02b}11{filtered}{self.coefficient_shift - 6:02b}{self.noise_shift:02b}",
                # Blocks overlap, and the samples may use the whole range.
                "10",
            )
        )


def write_film_grain(path: Path, grains: Sequence[FilmGrain]) -> None:
    """Adds film grain to the file of a segment, as `encode.SegmentEncoder` wrote it.

    Args:
        path: the file; it is replaced.
        grains: of each frame, in the order of display.

    Raises:
        InternalError: its headers have what the profile's encoder never writes.
        OutputError: the file cannot be written.
    """
    target = path.with_suffix(".grain.mkv")
    with output_errors(target), av.open(path) as source, av.open(target, "w", format="matroska") as result:
        result.flags |= BITEXACT
        stream = source.streams.video[0]
        copy = result.add_stream_from_template(stream, opaque=True)
        setup = bytes(stream.codec_context.extradata or b"")
        writer = _Writer(grains)
        try:
            copy.codec_context.extradata = setup[:_CONFIGURATION] + writer.rewritten(setup[_CONFIGURATION:])
            for packet in source.demux(stream):
                if not packet.size:
                    continue
                changed: Packet[Stream] = Packet(writer.rewritten(bytes(packet)))
                changed.pts, changed.dts, changed.duration = packet.pts, packet.dts, packet.duration
                changed.time_base, changed.is_keyframe = packet.time_base, packet.is_keyframe
                changed.stream = copy
                result.mux_one(changed)
                writer.shown += 1
        except (ValueError, IndexError) as error:
            raise InternalError(f"{path.name}: no film grain can be written: {error}") from None
    target.replace(path)


class _Writer:
    """Rewrites temporal units, in decoding order.

    Attributes:
        shown: how many frames were shown so far.
    """

    def __init__(self, grains: Sequence[FilmGrain]) -> None:
        self._grains, self.shown = grains, 0
        self._reader: HeaderReader | None = None
        self._hint_bits = 0

    def rewritten(self, data: bytes) -> bytes:
        return b"".join(packed(header, self._unit(kind, payload)) for kind, header, payload in units(data))

    def _unit(self, kind: int, payload: bytes) -> bytes:
        if kind == SEQUENCE_HEADER:
            sequence = read_sequence(payload)
            self._reader, self._hint_bits = HeaderReader(sequence), sequence.hint_bits
            byte, bit = divmod(sequence.grain_position, 8)
            return payload[:byte] + bytes([payload[byte] | 128 >> bit]) + payload[byte + 1 :]
        if kind == REDUNDANT_HEADER or self._reader is None or kind not in {FRAME, FRAME_HEADER}:
            if kind == REDUNDANT_HEADER:
                raise ValueError("a header that is repeated")
            return payload
        found = self._reader.read(payload)
        if found.shows_existing or not found.is_shown:
            return payload
        if kind != FRAME:
            raise ValueError("a header apart from its tiles")
        grain = self._grains[self._number(found.hint)]
        return with_bits(payload, found.end, grain.bits(is_inter=found.is_inter))

    def _number(self, hint: int) -> int:
        """The frame's number in the segment: the one nearest to the frame that is shown now."""
        half = 1 << (self._hint_bits - 1)
        number = self.shown + ((hint - self.shown + half) & (2 * half - 1)) - half
        if number < 0:
            raise ValueError("a frame before the first")
        return number
