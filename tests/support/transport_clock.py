"""Transport streams with other times than they were written with (ISO/IEC 13818-1, 2.4.3.7)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

PICTURE, SOUND = 0x100, 0x101
"""PIDs that FFmpeg gives to the first two streams."""
WRAP = 1 << 33
_PACKET = 188
# So many pictures or packets of sound that one is complete, also to a parser, before the next stream's first.
_AHEAD = 8


def set_clock(path: Path, *, picture: int, ticks: int) -> None:
    """Overwrites the time of the picture with this number."""
    packets = _packets(path)
    _set_times(_begun(packets, PICTURE)[picture], lambda _: ticks)
    path.write_bytes(b"".join(packets))


def wrapping(path: Path, *, first: int, start: int) -> None:
    """Moves the clock of all streams, and puts the first packets of one in front of all others in the file.

    Args:
        path: the transport stream.
        first: PID of the stream that is to begin the file.
        start: what its first time becomes, in ticks of the 33-bit clock, which wraps.
    """
    packets = _packets(path)
    moved = start - _times(_begun(packets, first)[0])[0]
    for packet in [one for pid in (PICTURE, SOUND) for one in _begun(packets, pid)]:
        _set_times(packet, lambda time: (time + moved) % WRAP)
    end = packets.index(_begun(packets, first)[_AHEAD])
    ahead = [packet for packet in packets[:end] if _pid(packet) == first]
    tables = [packet for packet in packets[:end] if _pid(packet) not in {PICTURE, SOUND}]
    others = [packet for packet in packets[:end] if _pid(packet) in {PICTURE, SOUND} - {first}]
    path.write_bytes(b"".join([*tables, *ahead, *others, *packets[end:]]))


def drop_pictures(path: Path, first: int, count: int) -> None:
    """Removes the packets of some pictures, counted from 0 in the order of decoding."""
    packets = _packets(path)
    begun = _begun(packets, PICTURE)
    start, end = packets.index(begun[first]), packets.index(begun[first + count])
    gone = [packet for packet in packets[start:end] if _pid(packet) == PICTURE]
    path.write_bytes(b"".join(packet for packet in packets if not any(packet is each for each in gone)))


def _packets(path: Path) -> list[bytearray]:
    data = path.read_bytes()
    return [bytearray(data[at : at + _PACKET]) for at in range(0, len(data), _PACKET)]


def _pid(packet: bytearray) -> int:
    return (packet[1] & 0x1F) << 8 | packet[2]


def _begun(packets: list[bytearray], pid: int) -> list[bytearray]:
    """The packets in which a picture or a packet of sound begins."""
    return [packet for packet in packets if _pid(packet) == pid and packet[1] & 0x40]


def _fields(packet: bytearray) -> list[int]:
    """Where PTS and, if there is one, DTS lie."""
    pes = 4 + (1 + packet[4] if packet[3] & 0x20 else 0)
    return [pes + field for field in ([9, 14] if packet[pes + 7] & 0x40 else [9])]


def _times(packet: bytearray) -> list[int]:
    found = []
    for at in _fields(packet):
        high, middle, low = packet[at] >> 1 & 7, packet[at + 1] << 7 | packet[at + 2] >> 1, packet[at + 3] << 7
        found.append(high << 30 | middle << 15 | low | packet[at + 4] >> 1)
    return found


def _set_times(packet: bytearray, change: Callable[[int], int]) -> None:
    for at, time in zip(_fields(packet), _times(packet), strict=True):
        ticks = change(time)
        low = ((ticks >> 15 & 0x7FFF) << 1 | 1) << 16 | (ticks & 0x7FFF) << 1 | 1
        packet[at] = packet[at] & 0xF0 | ticks >> 29 & 0x0E | 1
        packet[at + 1 : at + 5] = low.to_bytes(4, "big")
