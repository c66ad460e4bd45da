"""Films whose frames are coded as pairs of field pictures, H.264 (PAFF) and MPEG-2: the encoders here write none.

In H.264 every macroblock is I_PCM (ITU-T H.264, 7.3.5), in MPEG-2 every block is of one level (ITU-T H.262, 7.2.1), so
that the decoded samples are the given ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.packet import Packet
from numpy.typing import NDArray

COLUMNS, ROWS = 64, 64
_KEY_EVERY = 6
_SPS, _PPS, _IDR, _SLICE = b"\x67", b"\x68", b"\x65", b"\x61"
# Codes for the size of a difference of levels (H.262, tables B.12 and B.13), by size.
_LUMA_SIZES = ("100", "00", "01", "101", "110", "1110", "11110", "111110", "1111110")
_CHROMA_SIZES = ("00", "01", "10", "110", "1110", "11110", "111110", "1111110", "11111110")
_END_OF_BLOCK = "10"

Planes = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]


class _Bits:
    def __init__(self) -> None:
        self._bits: list[str] = []
        self._length = 0

    def number(self, value: int, width: int) -> _Bits:
        return self._add(f"{value:0{width}b}")

    def golomb(self, *values: int) -> _Bits:
        for value in values:
            code = f"{value + 1:b}"
            self._add("0" * (len(code) - 1) + code)
        return self

    def samples(self, data: bytes) -> _Bits:
        self._add("0" * (-self._length % 8))
        return self._add("".join(f"{byte:08b}" for byte in data))

    def unit(self, header: bytes) -> bytes:
        """A unit with a start code, stop bit and emulation prevention."""
        text = "".join(self._bits) + "1"
        text += "0" * (-len(text) % 8)
        body, zeros = bytearray(), 0
        for byte in int(text, 2).to_bytes(len(text) // 8, "big"):
            if zeros == 2 and byte <= 3:
                body.append(3)
                zeros = 0
            body.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return b"\0\0\0\1" + header + bytes(body)

    def aligned(self, start_code: int) -> bytes:
        """The bits behind a start code of MPEG-2, filled up with zeros."""
        text = "".join(self._bits)
        text += "0" * (-len(text) % 8)
        return bytes([0, 0, 1, start_code]) + int(text, 2).to_bytes(len(text) // 8, "big")

    def code(self, text: str) -> _Bits:
        return self._add(text)

    def _add(self, text: str) -> _Bits:
        self._bits.append(text)
        self._length += len(text)
        return self


def scene(number: int) -> Planes:
    """A frame whose fields were taken at two times: a bar that moves 8 columns from field to field."""
    luma = np.full((ROWS, COLUMNS), 40, np.uint8)
    for field in (0, 1):
        at = 16 * (number % 4) + 8 * field
        luma[field::2, at : at + 8] = 200
    chroma = np.full((ROWS // 2, COLUMNS // 2), 128, np.uint8)
    return luma, chroma, chroma


def coded_h264(frames: Iterable[Planes], *, mixed: bool) -> Iterator[tuple[bytes, ...]]:
    """The pictures of each frame: its two fields, or the frame.

    Args:
        frames: pictures of ROWS x COLUMNS luma samples, 4:2:0.
        mixed: every third frame is coded as a frame.
    """
    sps = _Bits().number(77, 8).number(0, 8).number(30, 8).golomb(0, 0, 0, 2, 1).number(0, 1)
    # Pictures in macroblocks; frame_mbs_only, mb_adaptive_frame_field, direct_8x8_inference, cropping, VUI.
    sps.golomb(COLUMNS // 16 - 1, ROWS // 32 - 1).number(0b00101, 5)
    # 25 frames per second; no reordering.
    sps.number(0b00001, 5).number(1, 32).number(50, 32).number(1, 1).number(0b0001, 4).number(1, 1)
    sps.golomb(0, 0, 10, 10, 0, 1)
    pps = _Bits().golomb(0, 0).number(0, 2).golomb(0, 0, 0).number(0, 3).golomb(0, 0, 0).number(0b100, 3)
    setup = sps.unit(_SPS) + pps.unit(_PPS)
    for number, frame in enumerate(frames):
        key = number % _KEY_EVERY == 0
        head = setup if key else b""
        if mixed and number % 3 == 2:
            yield (head + _picture(frame, number, key=key, field=None),)
        else:
            top = tuple(plane[::2] for plane in frame)
            bottom = tuple(plane[1::2] for plane in frame)
            yield head + _picture(top, number, key=key, field=0), _picture(bottom, number, key=False, field=1)


def _picture(planes: tuple[NDArray[np.uint8], ...], number: int, *, key: bool, field: int | None) -> bytes:
    since_key = number % _KEY_EVERY
    bits = _Bits().golomb(0, 7, 0).number(since_key, 4)
    bits.number(0, 1) if field is None else bits.number(2 + field, 2)
    if key:
        bits.golomb(number // _KEY_EVERY % 2)
    bits.number(2 * since_key + (field or 0), 6)
    bits.number(0, 2 if key else 1)
    # No change of the quantiser, no deblocking.
    bits.golomb(0, 1)
    luma, *chroma = planes
    for row in range(0, luma.shape[0], 16):
        for column in range(0, luma.shape[1], 16):
            bits.golomb(25).samples(luma[row : row + 16, column : column + 16].tobytes())
            for plane in chroma:
                bits.samples(plane[row // 2 : row // 2 + 8, column // 2 : column // 2 + 8].tobytes())
    return bits.unit(_IDR if key else _SLICE)


def coded_mpeg2(frames: Iterable[Planes]) -> Iterator[tuple[bytes, ...]]:
    """The two fields of each frame.

    Args:
        frames: pictures of ROWS x COLUMNS luma samples, 4:2:0; every block of 8 rows of a field is of one level.
    """
    # Size, square samples, 25 frames per second, bit rate, buffer; no matrices. Then main profile, interlaced.
    sequence = _Bits().number(COLUMNS, 12).number(ROWS, 12).number(0x13, 8).number(2500, 18).number(1, 1).number(56, 10)
    setup = sequence.number(0, 3).aligned(0xB3)
    extension = _Bits().number(1, 4).number(0x48, 8).number(0, 1).number(1, 2).number(0, 16).number(1, 1)
    setup += extension.number(0, 16).aligned(0xB5)
    for number, frame in enumerate(frames):
        fields = [_field(tuple(plane[field::2] for plane in frame), number, field) for field in (0, 1)]
        yield setup + fields[0], fields[1]


def _field(planes: tuple[NDArray[np.uint8], ...], number: int, field: int) -> bytes:
    # Temporal reference, intra, no delay known. Then no motion vectors, 8-bit levels, top or bottom field.
    head = _Bits().number(number % 1024, 10).number(1, 3).number(0xFFFF, 16).number(0, 1).aligned(0)
    head += _Bits().number(8, 4).number(0xFFFF, 16).number(0, 2).number(1 + field, 2).number(0, 10).aligned(0xB5)
    luma, *chroma = planes
    slices = b""
    for row in range(0, luma.shape[0], 16):
        bits, before = _Bits().number(1, 5).number(0, 1), [128, 128, 128]
        for column in range(0, luma.shape[1], 16):
            bits.code("11")
            blocks = [(0, luma[row + down, column + across]) for down in (0, 8) for across in (0, 8)]
            blocks += [(1 + plane, chroma[plane][row // 2, column // 2]) for plane in (0, 1)]
            for plane, level in blocks:
                step, before[plane] = int(level) - before[plane], int(level)
                size = abs(step).bit_length()
                bits.code((_CHROMA_SIZES if plane else _LUMA_SIZES)[size])
                if size:
                    bits.number(step if step > 0 else step + (1 << size) - 1, size)
                bits.code(_END_OF_BLOCK)
        slices += bits.aligned(1 + row // 16)
    return head + slices


def write_fields(path: Path, codec: str, count: int = 24, *, mixed: bool = False, apart: bool = False) -> list[Planes]:
    """Writes such a film at 25 frames per second, which starts at 1 s; the frames.

    Args:
        path: of the film, a transport stream.
        codec: h264 or mpeg2video.
        count: frames.
        mixed: every third frame of H.264 is coded as a frame.
        apart: each field has its own packet and time, as broadcasters send them.
    """
    frames = [scene(number) for number in range(count)]
    coded = coded_h264(frames, mixed=mixed) if codec == "h264" else coded_mpeg2(frames)
    with av.open(str(path), "w") as out:
        video: Any = out.add_mux_stream(codec, rate=25)
        video.width, video.height = COLUMNS, ROWS
        for number, units in enumerate(coded):
            parts = units if apart else (b"".join(units),)
            for half, part in enumerate(parts):
                delimiter = b"\0\0\0\1\x09\xf0" if codec == "h264" else b""
                packet: Packet[Any] = Packet(delimiter + part)
                packet.stream, packet.time_base = video, Fraction(1, 50)
                packet.pts = packet.dts = 50 + 2 * number + half
                packet.is_keyframe = half == 0 and (codec != "h264" or number % _KEY_EVERY == 0)
                out.mux(packet)
    return frames
