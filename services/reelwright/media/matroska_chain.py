"""Steps through the elements of a Matroska or WebM file (RFC 9559) and finds where they do not fit together."""

from __future__ import annotations

from typing import IO

from reelwright.media import ebml

# Elements that hold others of the chain; all others are stepped over whole.
_OPEN = {ebml.SEGMENT, ebml.CLUSTER, ebml.BLOCK_GROUP}
# What else a chain holds (RFC 9559, section 5).
_TOP = {ebml.EBML, ebml.SEEK_HEAD, ebml.INFO, ebml.TRACKS, ebml.CUES, ebml.ATTACHMENTS, ebml.CHAPTERS, ebml.TAGS}
_IN_CLUSTER = {ebml.SIMPLE_BLOCK, 0xE7, 0x5854, 0xA7, 0xAB, 0xAF}
_IN_GROUP = {ebml.BLOCK, 0xA2, 0x75A1, 0x9B, 0xFA, 0xFB, 0xFD, 0xA4, 0x75A2, 0x8E, 0xC8}
_DEFINED = _OPEN | _TOP | _IN_CLUSTER | _IN_GROUP | {ebml.VOID, ebml.CRC32}
# No element is as long as a terabyte; a broken size may be longer than any file can be read at.
_LARGEST = 1 << 40
# Unknown elements in a row that the chain may step over before it must meet one that is defined.
_MAX_UNKNOWN = 16
_BLOCK = 1 << 20
# Elements in front of the first cluster that are looked at.
_MAX_FRONT = 64
# EditionEntry and EditionFlagOrdered.
_EDITION, _ORDERED = 0x45B9, 0x45DD


def segment_end(handle: IO[bytes]) -> int | None:
    """Where the first Segment ends; None where that is unknown (a live recording)."""
    header = ebml.read_element(handle, 0)
    if header is None or header.size is None:
        return None
    at = header.header + header.size
    segment = ebml.read_element(handle, at)
    if segment is None or segment.identifier != ebml.SEGMENT or segment.size is None:
        return None
    return at + segment.header + segment.size


def has_ordered_chapters(handle: IO[bytes]) -> bool:
    """Whether an edition of the chapters is to be played in the chapters' order (RFC 9559, 5.1.7.1.2.5).

    Looks at the elements in front of the first cluster, where muxers put chapters.
    """
    at = 0
    for _ in range(_MAX_FRONT):
        element = ebml.read_element(handle, at)
        if element is None or element.identifier == ebml.CLUSTER:
            return False
        if element.identifier == ebml.CHAPTERS and element.size is not None and element.size < _BLOCK:
            return _is_ordered(handle.read(element.size))
        if element.identifier != ebml.SEGMENT and element.size is None:
            return False
        at += element.header + (0 if element.identifier == ebml.SEGMENT else element.size or 0)
    return False


def _is_ordered(chapters: bytes) -> bool:
    """Whether one of the editions in the content of a Chapters element has its ordered flag set."""
    try:
        editions = [edition for kind, edition in ebml.children(chapters) if kind == _EDITION]
        parts = [part for edition in editions for part in ebml.children(ebml.content_of(edition))]
        return any(kind == _ORDERED and ebml.content_of(part)[-1:] == b"\1" for kind, part in parts)
    except ValueError:
        return False


class MatroskaChain:
    """Steps from element to element through a Matroska or WebM file.

    Args:
        handle: the file.
        size: its length in bytes.

    Attributes:
        unknown: names of the elements stepped over that are not defined, in order.
    """

    def __init__(self, handle: IO[bytes], size: int) -> None:
        self._handle, self._size = handle, size
        # Where the Segment and the current Cluster end; None where they do not say.
        self._segment_end: int | None = None
        self._cluster_end: int | None = None
        self.unknown: dict[str, None] = {}

    def step(self, at: int) -> int | None:
        """Offset of the element after the one at `at`, or of the first one in it; None where the chain is broken.

        What lies behind the film is not part of the chain: the answer is then the size of the file.
        """
        element = ebml.read_element(self._handle, at)
        name = element.identifier if element else None
        if self._segment_end is not None and at >= self._segment_end and name not in _TOP | {ebml.CLUSTER}:
            return self._size
        if element is not None and name in _OPEN:
            if name == ebml.SEGMENT:
                self._segment_end = _end(element, at)
            elif name == ebml.CLUSTER:
                self._cluster_end = _end(element, at)
            return at + element.header
        if element is not None and name in _DEFINED and element.size is not None:
            return _end(element, at)
        after = self._after_unknown(at)
        if after is None:
            return self._size if self._is_trailer(at) else None
        self.unknown[f"element 0x{name:X}"] = None
        return after

    def _after_unknown(self, at: int) -> int | None:
        """The end of an element that is not defined; None unless the chain goes on behind it."""
        first: int | None = None
        for _ in range(_MAX_UNKNOWN):
            element = ebml.read_element(self._handle, at)
            if first is not None and element is not None and element.identifier in _DEFINED:
                return first
            if element is None or element.size is None or element.size >= _LARGEST:
                return None
            at += element.header + element.size
            first = first or at
            if at in {self._size, self._segment_end, self._cluster_end}:
                return first
        return None

    def _is_trailer(self, at: int) -> bool:
        """Whether a Segment of unknown size ends at this offset: behind a whole Cluster, and none follows."""
        if self._segment_end is not None or self._cluster_end is None or at < self._cluster_end:
            return False
        self._handle.seek(at)
        mark = ebml.CLUSTER.to_bytes(4, "big")
        before = b""
        while block := self._handle.read(_BLOCK):
            if mark in before + block:
                return False
            before = block[-3:]
        return True


def _end(element: ebml.Element, at: int) -> int | None:
    """Where the element that begins at an offset ends; None where it does not say."""
    return None if element.size is None else at + element.header + element.size
