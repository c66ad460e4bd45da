"""Finds layers beside the picture in HEVC: transparency (an alpha layer), or a second view."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast

import av
from av.video.stream import VideoStream

from reelwright.media.container import open_source, packets

# Rec. ITU-T H.265, D.2.1 (the number of the message that describes an alpha layer) and table 7-1.
_ALPHA_INFO = 165
_PREFIX_SEI = 39
_START_CODE = re.compile(rb"\x00\x00\x01")
# Each picture that a player can start at repeats the message; two pictures show both layers.
_LOOKED_AT = 4


def hevc_layer_notes(stream: VideoStream, location: str) -> list[str]:
    """Sentences that name the layers which the film does not carry; none for another codec.

    Raises:
        InputError: the source cannot be read.
    """
    if stream.codec_context.codec.canonical_name != "hevc":
        return []
    setup = stream.codec_context.extradata or b""
    kinds = _found(_configured(setup) if setup[:1] == b"\1" else _separated(setup))
    with open_source(location) as container:
        video = cast("VideoStream", container.streams[stream.index])
        try:
            for _, packet in zip(range(_LOOKED_AT), packets(container, video), strict=False):
                payload = bytes(packet)
                kinds |= _found(_measured(payload) if setup[:1] == b"\1" else _separated(payload))
        except av.FFmpegError:
            # Damage is the decoder's to report.
            pass
    if "alpha" in kinds:
        return ["transparency is left out (HEVC alpha layer)"]
    return ["a second layer of the HEVC stream is left out (a second view, or an enhancement)"] if kinds else []


def _found(units: Iterator[bytes]) -> set[str]:
    kinds = set()
    for unit in units:
        if len(unit) < 4:
            continue
        kind, layer = unit[0] >> 1 & 0x3F, (unit[0] & 1) << 5 | unit[1] >> 3
        # The message may say that there is no alpha layer any more: its first bit.
        if kind == _PREFIX_SEI and unit[2] == _ALPHA_INFO and not unit[4:5] >= b"\x80":
            kinds.add("alpha")
        elif layer and kind < 32:
            kinds.add("layer")
    return kinds


def _separated(data: bytes) -> Iterator[bytes]:
    """Units between start codes."""
    starts = [match.end() for match in _START_CODE.finditer(data)]
    yield from (data[start : end - 3] for start, end in zip(starts, [*starts[1:], len(data) + 3], strict=True))


def _measured(data: bytes) -> Iterator[bytes]:
    """Units with lengths of 4 bytes."""
    at = 0
    while at + 4 < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 4 + size]
        at += 4 + size


def _configured(record: bytes) -> Iterator[bytes]:
    """Units of a decoder configuration record (ISO/IEC 14496-15, 8.3.2.1)."""
    at = 23
    for _ in range(record[22] if len(record) > 22 else 0):
        count = int.from_bytes(record[at + 1 : at + 3], "big")
        at += 3
        for _ in range(count):
            size = int.from_bytes(record[at : at + 2], "big")
            yield record[at + 2 : at + 2 + size]
            at += 2 + size
