"""Reads the frame headers that SVT-AV1 writes for the profile `av1`, to find where their film grain belongs.

The order of the elements is that of the AV1 specification, section 5.9. Film grain is the last element of a frame's
header, so all others are read. What the profile's encoder never writes is refused: scaled references, tiles of uneven
size, lossless frames.
"""

from __future__ import annotations

from dataclasses import dataclass

from reelwright.media.av1_bits import BitReader
from reelwright.media.av1_sequence import CHOSEN, Sequence, refuse

_KEY, _INTRA_ONLY, _SWITCH = 0, 2, 3
_SLOTS, _REFERENCES, _NONE = 8, 7, 7
_SEGMENT_FEATURES = ((8, 1), (6, 1), (6, 1), (6, 1), (6, 1), (3, 0), (0, 0), (0, 0))


@dataclass(slots=True)
class FrameHeader:
    """What is known of a frame when its header was read.

    Attributes:
        end: number of bits of the header.
        hint: number of the frame in the order of display, modulo 2^hint_bits.
        is_inter: whether it refers to others.
        is_shown: now, or later by another header.
        shows_existing: the header only shows a frame that was there.
    """

    end: int = 0
    hint: int = 0
    is_inter: bool = False
    is_shown: bool = True
    shows_existing: bool = False


class HeaderReader:
    """Reads the frame headers of a segment, in decoding order.

    Args:
        sequence: their sequence header.
    """

    def __init__(self, sequence: Sequence) -> None:
        self._sequence = sequence
        self._hints = [0] * _SLOTS

    def read(self, payload: bytes) -> FrameHeader:
        """Reads a frame's header up to its film grain.

        Raises:
            ValueError: it has what the profile's encoder never writes.
        """
        frame = _Frame(self._sequence, BitReader(payload), self._hints)
        found = frame.read()
        for slot in range(_SLOTS):
            if frame.refresh >> slot & 1:
                self._hints[slot] = found.hint
        return found


class _Frame:
    """One frame header; each method reads one part of it."""

    def __init__(self, sequence: Sequence, bits: BitReader, hints: list[int]) -> None:
        self._sequence, self._bits, self._hints = sequence, bits, hints
        self.refresh = 0
        self._references: list[int] = []
        self._found = FrameHeader()
        self._high_precision = self._block_copy = self._integer = False

    def read(self) -> FrameHeader:
        bits, found, sequence = self._bits, self._found, self._sequence
        if bits.flag():
            bits.read(3)
            found.end, found.shows_existing = bits.position, True
            return found
        kind, shown = bits.read(2), bits.flag()
        found.is_shown = kind != _KEY if shown else bits.flag()
        found.is_shown = found.is_shown or shown
        intra = kind in {_KEY, _INTRA_ONLY}
        found.is_inter = not intra
        resilient = kind == _SWITCH or (kind == _KEY and shown) or bits.flag()
        frozen = bits.flag()
        screen = bits.flag() if sequence.screen_content == CHOSEN else bool(sequence.screen_content)
        if screen:
            self._integer = bits.flag() if sequence.integer_mv == CHOSEN else bool(sequence.integer_mv)
        refuse(kind == _SWITCH or bits.flag(), "another frame size")
        found.hint = bits.read(sequence.hint_bits)
        primary = _NONE if intra or resilient else bits.read(3)
        self.refresh = 255 if kind == _KEY and shown else bits.read(8)
        if (not intra or self.refresh != 255) and resilient and sequence.hint_bits:
            bits.read(_SLOTS * sequence.hint_bits)
        if intra:
            self._size()
            self._block_copy = screen and bits.flag()
        else:
            self._inter(resilient=resilient)
        if not frozen:
            bits.read(1)
        self._tiles()
        self._quantisation(primary)
        self._filters()
        self._modes(intra=intra, resilient=resilient)
        found.end = bits.position
        return found

    def _size(self) -> None:
        refuse(self._sequence.superres and self._bits.flag(), "super-resolution")
        if self._bits.flag():
            self._bits.read(32)

    def _inter(self, *, resilient: bool) -> None:
        bits, sequence = self._bits, self._sequence
        refuse(bool(sequence.hint_bits) and bits.flag(), "short references")
        self._references = [bits.read(3) for _ in range(_REFERENCES)]
        self._size()
        self._high_precision = not self._integer and bits.flag()
        if not bits.flag():
            bits.read(2)
        bits.read(1)
        if not resilient and sequence.reference_mvs:
            bits.read(1)

    def _tiles(self) -> None:
        bits, sequence = self._bits, self._sequence
        shift = 5 if sequence.large_blocks else 4
        columns, rows = (
            (2 * ((side + 7) >> 3) + (1 << shift) - 1) >> shift for side in (sequence.width, sequence.height)
        )
        least = _log2(4096 >> (shift + 2), columns)
        least_tiles = max(least, _log2(4096 * 2304 >> 2 * (shift + 2), rows * columns))
        refuse(not bits.flag(), "uneven tiles")
        across = self._tile_log2(least, _log2(1, min(columns, 64)))
        down = self._tile_log2(max(0, least_tiles - across), _log2(1, min(rows, 64)))
        if across or down:
            bits.read(across + down + 2)

    def _tile_log2(self, least: int, most: int) -> int:
        while least < most and self._bits.flag():
            least += 1
        return least

    def _quantisation(self, primary: int) -> None:
        bits, sequence = self._bits, self._sequence
        refuse(bits.read(8) == 0, "a lossless frame")
        deltas = 0
        if sequence.planes > 1:
            self._delta()
            deltas = 4 if sequence.separate_delta and bits.flag() else 2
        else:
            self._delta()
        for _ in range(deltas):
            self._delta()
        if bits.flag():
            bits.read(12 if sequence.separate_delta else 8)
        self._segmentation(primary)
        if bits.flag():
            bits.read(2)
            if not self._block_copy and bits.flag():
                bits.read(3)

    def _delta(self) -> None:
        if self._bits.flag():
            self._bits.read(7)

    def _segmentation(self, primary: int) -> None:
        bits = self._bits
        if not bits.flag():
            return
        updates = True
        if primary != _NONE:
            if bits.flag():
                bits.read(1)
            updates = bits.flag()
        if updates:
            for width, sign in _SEGMENT_FEATURES * 8:
                if bits.flag():
                    bits.read(width + sign)

    def _filters(self) -> None:
        bits, sequence, colour = self._bits, self._sequence, self._sequence.planes > 1
        if self._block_copy:
            return
        if bits.read(12) and colour:
            bits.read(12)
        bits.read(3)
        if bits.flag() and bits.flag():
            for _ in range(10):
                self._delta()
        if sequence.cdef:
            bits.read(2)
            bits.read((12 if colour else 6) << bits.read(2))
        if sequence.restoration:
            kinds = [bits.read(2) for _ in range(sequence.planes)]
            if any(kinds):
                if bits.flag() and not sequence.large_blocks:
                    bits.read(1)
                if sequence.subsampled and any(kinds[1:]):
                    bits.read(1)

    def _modes(self, *, intra: bool, resilient: bool) -> None:
        bits = self._bits
        bits.read(1)
        if not intra and bits.flag() and self._has_skip_mode():
            bits.read(1)
        if not (intra or resilient) and self._sequence.warped_motion:
            bits.read(1)
        bits.read(1)
        if not intra:
            for _ in range(_REFERENCES):
                self._global_motion()

    def _has_skip_mode(self) -> bool:
        """Whether there is a frame before and one after, or two before: section 5.9.22."""
        distances = [self._distance(self._hints[slot]) for slot in self._references]
        before = sorted({each for each in distances if each < 0})
        return bool(before) and (any(each > 0 for each in distances) or len(before) > 1)

    def _distance(self, hint: int) -> int:
        half = 1 << (self._sequence.hint_bits - 1)
        return ((hint - self._found.hint + half) & (2 * half - 1)) - half

    def _global_motion(self) -> None:
        bits = self._bits
        if not bits.flag():
            return
        if bits.flag():
            widths = [12, 12, 12, 12]
        elif bits.flag():
            widths = [9 - (not self._high_precision)] * 2
        else:
            widths = [12] * 6
        for width in widths:
            self._subexponential((2 << width) + 1)

    def _subexponential(self, count: int) -> None:
        """Section 5.9.27. How many bits a number takes does not depend on what it is compared with."""
        step, base, width = 0, 0, 3
        while True:
            width = 3 + step - 1 if step else 3
            if count <= base + 3 * (1 << width):
                self._bits.below(count - base)
                return
            if not self._bits.flag():
                self._bits.read(width)
                return
            step, base = step + 1, base + (1 << width)


def _log2(block: int, target: int) -> int:
    count = 0
    while block << count < target:
        count += 1
    return count
