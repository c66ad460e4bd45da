"""Bits, and the open bitstream units (OBU) of AV1, as section 4 and 5 of its specification define them."""

from __future__ import annotations

from collections.abc import Iterator

SEQUENCE_HEADER, FRAME_HEADER, FRAME, REDUNDANT_HEADER = 1, 3, 6, 7


class BitReader:
    """Reads bits, the most significant first.

    Args:
        data: where they are.

    Attributes:
        position: number of bits that were read.
    """

    def __init__(self, data: bytes) -> None:
        self._value, self._length, self.position = int.from_bytes(data, "big"), 8 * len(data), 0

    def read(self, count: int) -> int:
        """The next bits as a number that is not negative.

        Raises:
            ValueError: there are fewer.
        """
        self.position += count
        if self.position > self._length:
            raise ValueError("the header ends early")
        return (self._value >> (self._length - self.position)) & ((1 << count) - 1)

    def flag(self) -> bool:
        """The next bit."""
        return bool(self.read(1))

    def below(self, count: int) -> int:
        """The next number below `count`: ns(n) of the specification."""
        width = count.bit_length()
        spared = (1 << width) - count
        value = self.read(width - 1)
        return value if value < spared else 2 * value - spared + self.read(1)


def units(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """The units of a temporal unit: type, header and payload of each.

    Raises:
        ValueError: one has no size, or is longer than the data.
    """
    place = 0
    while place < len(data):
        header = data[place : place + (2 if data[place] & 4 else 1)]
        if not header[0] & 2:
            raise ValueError("a unit without its size")
        place += len(header)
        size = shift = 0
        while True:
            byte = data[place]
            size, shift, place = size | (byte & 127) << shift, shift + 7, place + 1
            if not byte & 128:
                break
        if place + size > len(data):
            raise ValueError("a unit that ends early")
        yield (header[0] >> 3) & 15, header, data[place : place + size]
        place += size


def packed(header: bytes, payload: bytes) -> bytes:
    """A unit with its size."""
    size, left = bytearray(), len(payload)
    while left > 127:
        size.append(left & 127 | 128)
        left >>= 7
    return header + bytes([*size, left]) + payload


def with_bits(payload: bytes, end: int, bits: str) -> bytes:
    """A frame's payload with bits added to its header; the tiles begin at the next whole byte.

    Args:
        payload: header, bits up to the next byte, tiles.
        end: number of the header's bits.
        bits: as text of 0 and 1.
    """
    whole = -(-end // 8)
    head = f"{int.from_bytes(payload[:whole], 'big'):0{8 * whole}b}"[:end] + bits
    head += "0" * (-len(head) % 8)
    return int(head, 2).to_bytes(len(head) // 8, "big") + payload[whole:]
