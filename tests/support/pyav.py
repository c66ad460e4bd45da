"""Reads from PyAV's objects what its types declare as optional or leave out."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from av.packet import Packet


def present(ticks: int | None) -> int:
    """A time that must be there."""
    assert ticks is not None
    return ticks


def in_seconds(ticks: int | None, time_base: Fraction | None) -> Fraction:
    """A time that must be there, in seconds; `time_base` is the length of a tick."""
    assert time_base is not None
    return present(ticks) * time_base


def subtitle_texts(decoder: Any, packet: Packet[Any]) -> list[bytes]:
    """The texts in a packet, decoded by the codec context of its subtitle stream."""
    return [part.dialogue for part in decoder.decode2(packet) or ()]
