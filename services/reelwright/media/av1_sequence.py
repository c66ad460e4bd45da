"""Reads the sequence header that SVT-AV1 writes for the profile `av1`, section 5.5 of the AV1 specification."""

from __future__ import annotations

from dataclasses import dataclass

from reelwright.media.av1_bits import BitReader

CHOSEN = 2
"""Each frame's header chooses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """What frame headers depend on; names as in section 5.5."""

    width: int
    height: int
    large_blocks: bool
    warped_motion: bool
    reference_mvs: bool
    screen_content: int
    integer_mv: int
    hint_bits: int
    superres: bool
    cdef: bool
    restoration: bool
    planes: int
    subsampled: bool
    separate_delta: bool
    grain_position: int


def read_sequence(payload: bytes) -> Sequence:
    """Reads a sequence header.

    Raises:
        ValueError: it has what the profile's encoder never writes.
    """
    bits = BitReader(payload)
    profile, _, reduced = bits.read(3), bits.flag(), bits.flag()
    refuse(reduced, "a still picture")
    if bits.flag():
        bits.read(64)
        refuse(bits.flag() or bits.flag(), "a constant rate or a decoder model")
    delays = bits.flag()
    for _ in range(bits.read(5) + 1):
        bits.read(12)
        if bits.read(5) > 7:
            bits.read(1)
        if delays and bits.flag():
            bits.read(4)
    widths = bits.read(4) + 1, bits.read(4) + 1
    width, height = bits.read(widths[0]) + 1, bits.read(widths[1]) + 1
    refuse(bits.flag(), "frame numbers")
    large = bits.flag()
    bits.read(4)
    warped = bits.flag()
    bits.read(1)
    hints = bits.flag()
    mvs = bool(bits.read(2) & 1) if hints else False
    screen = CHOSEN if bits.flag() else bits.read(1)
    integer = (CHOSEN if bits.flag() else bits.read(1)) if screen else CHOSEN
    hint_bits = bits.read(3) + 1 if hints else 0
    superres, cdef, restoration = bits.flag(), bits.flag(), bits.flag()
    refuse(profile != 0, "another profile than Main")
    bits.read(1)
    mono = bits.flag()
    if bits.flag():
        refuse(bits.read(24) == 0x010D00, "RGB")
    bits.read(1)
    separate = False
    if not mono:
        bits.read(2)
        separate = bits.flag()
    return Sequence(
        width=width,
        height=height,
        large_blocks=large,
        warped_motion=warped,
        reference_mvs=mvs,
        screen_content=screen,
        integer_mv=integer,
        hint_bits=hint_bits,
        superres=superres,
        cdef=cdef,
        restoration=restoration,
        planes=1 if mono else 3,
        subsampled=not mono,
        separate_delta=separate,
        grain_position=bits.position,
    )


def refuse(is_there: bool, what: str) -> None:
    """Raises ValueError if something is there that the profile's encoder never writes."""
    if is_there:
        raise ValueError(f"{what} in an AV1 header")
