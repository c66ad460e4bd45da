"""The errors that say where a source is damaged, and the check of FFV1 slices."""

from __future__ import annotations

import zlib

from reelwright.titles.errors import DamagedSource

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def damaged(where: str) -> DamagedSource:
    """The error for a frame that does not decode; `where` names the file and the time."""
    return DamagedSource(
        "the film is damaged here and a frame does not decode",
        where,
        "use a better copy, or set on_damage=conceal to let the frame before stand in",
    )


def cut_short(location: str, missing: int) -> DamagedSource:
    """The error for a file whose end is missing."""
    return DamagedSource(
        f"the file ends in the middle: {missing} bytes that its header promises are not there",
        location,
        "copy the whole file again, or set on_damage=conceal to restore the film up to the cut",
    )


class SliceChecks:
    """Checks the CRC of every slice of an FFV1 version 3 stream (RFC 9043, 4.9.3).

    FFmpeg's decoder hides a slice whose CRC is wrong behind the previous frame's and reports it in its log only.
    """

    def __init__(self) -> None:
        self._coded: bool | None = None

    def broken(self, packet: bytes) -> bool:
        """Whether a slice of the frame does not match its CRC; False for a stream that carries none."""
        slices = _slices(packet, trailer=8)
        if self._coded is None:
            # The sizes chain back to the packet's start with one length of trailer alone, even where samples are
            # damaged.
            plain = _slices(packet, trailer=3)
            self._coded = bool(slices) if bool(slices) != bool(plain) else None
        return bool(self._coded) and not (slices and all(map(_crc_fits, slices)))


def _slices(packet: bytes, trailer: int) -> list[bytes]:
    """The packet's slices with their trailers, last first; empty when their sizes do not add up to the packet."""
    slices, end = [], len(packet)
    while end > 0:
        size = int.from_bytes(packet[max(0, end - trailer) : end][:3], "big")
        start = end - trailer - size
        if start < 0 or not size:
            return []
        slices.append(packet[start:end])
        end = start
    return slices


def _crc_fits(coded: bytes) -> bool:
    # The CRC's polynomial is zlib's, most significant bit first and without inversion, hence the mirrored bytes and
    # the register that starts and ends at 0.
    return zlib.crc32(coded.translate(_REVERSED), 0xFFFFFFFF) == 0xFFFFFFFF
