"""Reads which streams of an MPEG transport stream belong together (ISO/IEC 13818-1, 2.4.4: PAT and PMT)."""

from __future__ import annotations

from collections.abc import Iterator

from reelwright.media.source_file import open_file

_SYNC = 0x47
_LENGTHS = (188, 192, 204)
# Descriptors of a stream of teletext (EN 300 468, 6.2.43 and 6.2.47).
_TELETEXT = {0x56, 0x46}
# The tables recur several times a second, so they are near the beginning.
_SEARCHED = 4 << 20
Programmes = dict[int, dict[int, set[int]]]
"""The tags of the descriptors of each stream, by programme number and PID."""


def other_programmes(programmes: Programmes, pid: int) -> dict[int, set[int]]:
    """The programmes of a transport stream that do not hold a packet identifier (PID).

    Args:
        programmes: as `read_programmes` found them.
        pid: of the stream that is restored.

    Returns:
        The PIDs of the streams of each other programme, by programme number, without those that are shared with the
        programme of `pid`; empty where there is one programme, or where the tables are not found.
    """
    own = {other for pids in programmes.values() if pid in pids for other in pids}
    if not own:
        return {}
    return {number: set(pids) - own for number, pids in programmes.items() if pid not in pids and set(pids) - own}


def teletext(programmes: Programmes) -> set[int]:
    """The PIDs of a transport stream's teletext, which FFmpeg here does not decode and PyAV cannot name."""
    streams = [entry for pids in programmes.values() for entry in pids.items()]
    return {pid for pid, descriptors in streams if descriptors & _TELETEXT}


def read_programmes(location: str) -> Programmes:
    """The programmes of a transport stream; none where the tables are not found.

    Raises:
        InputError: the source cannot be read.
    """
    maps: dict[int, int] = {}
    found: dict[int, dict[int, set[int]]] = {}
    with open_file(location) as handle:
        data = handle.read(_SEARCHED)
    for pid, section in _sections(data):
        if pid == 0 and section[0] == 0x00:
            entries = section[8 : 3 + _length(section) - 4]
            for at in range(0, len(entries) - 3, 4):
                number = int.from_bytes(entries[at : at + 2], "big")
                if number:
                    maps[int.from_bytes(entries[at + 2 : at + 4], "big") & 0x1FFF] = number
        elif section[0] == 0x02 and pid in maps:
            found[int.from_bytes(section[3:5], "big")] = dict(_streams(section))
    return found


def _streams(section: bytes) -> Iterator[tuple[int, set[int]]]:
    """PID and tags of the descriptors of each stream in a programme map."""
    at = 12 + (int.from_bytes(section[10:12], "big") & 0xFFF)
    end = 3 + _length(section) - 4
    while at + 5 <= end:
        pid = int.from_bytes(section[at + 1 : at + 3], "big") & 0x1FFF
        after = at + 5 + (int.from_bytes(section[at + 3 : at + 5], "big") & 0xFFF)
        yield pid, set(_tags(section[at + 5 : min(after, end)]))
        at = after


def _tags(descriptors: bytes) -> Iterator[int]:
    at = 0
    while at + 2 <= len(descriptors):
        yield descriptors[at]
        at += 2 + descriptors[at + 1]


def _length(section: bytes) -> int:
    return int.from_bytes(section[1:3], "big") & 0xFFF


def _sections(data: bytes) -> Iterator[tuple[int, bytes]]:
    """PID and bytes of each table section that lies within one packet, as those of small multiplexes do."""
    for length in _LENGTHS:
        start = next((at for at in range(length) if data[at : at + 5 * length : length] == bytes([_SYNC]) * 5), None)
        if start is not None:
            break
    else:
        return
    for at in range(start, len(data) - 187, length):
        packet = data[at : at + 188]
        if packet[0] != _SYNC or not packet[1] & 0x40:
            continue
        payload = 4 + (1 + packet[4] if packet[3] & 0x20 else 0)
        if not packet[3] & 0x10 or payload >= 187:
            continue
        section = packet[payload + 1 + packet[payload] :]
        if len(section) > 12 and 3 + _length(section) <= len(section) and section[0] in {0x00, 0x02}:
            yield int.from_bytes(packet[1:3], "big") & 0x1FFF, section
