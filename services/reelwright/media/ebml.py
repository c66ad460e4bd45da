"""Reads and writes EBML elements, the building blocks of Matroska files (RFC 8794)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import IO

# Identifiers with their marker bits: RFC 8794, section 11, and RFC 9559, section 5.
EBML, VOID, CRC32 = 0x1A45DFA3, 0xEC, 0xBF
SEGMENT, SEEK_HEAD, INFO, TRACKS, CUES = 0x18538067, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B
ATTACHMENTS, CHAPTERS, TAGS = 0x1941A469, 0x1043A770, 0x1254C367
CLUSTER, BLOCK_GROUP, BLOCK, SIMPLE_BLOCK = 0x1F43B675, 0xA0, 0xA1, 0xA3
TRACK_ENTRY, TRACK_NAME, VIDEO = 0xAE, 0x536E, 0xE0
DISPLAY_WIDTH, DISPLAY_HEIGHT, DISPLAY_UNIT = 0x54B0, 0x54BA, 0x54B2
COLOUR, MAX_CLL, MAX_FALL, MASTERING = 0x55B0, 0x55BC, 0x55BD, 0x55D0
# RFC 9559, 5.1.4.1.28.20 and .21: collocated with the first luma sample of its group, or halfway to the next.
CHROMA_SITING_HORZ, CHROMA_SITING_VERT = 0x55B7, 0x55B8
COLLOCATED, HALFWAY = 1, 2
# RFC 9559, 5.1.4.1.17: what blocks carry beside the picture; the kind is a code of four letters.
BLOCK_ADDITION_MAPPING, BLOCK_ADDITION_KIND, BLOCK_ADDITION_SETUP = 0x41E4, 0x41E7, 0x41ED
# x and y of red, green, blue and white; greatest and least luminance.
MASTERING_VALUES = tuple(range(0x55D1, 0x55DB))

# The longest header: an identifier of 4 bytes and a size of 8.
_LONGEST_HEADER = 12


@dataclass(frozen=True, slots=True)
class Element:
    """The header of an element.

    Attributes:
        identifier: with its marker bits, as RFC 9559 prints it.
        header: length of the header in bytes.
        size: length of the content in bytes; None when the file does not say (a live recording).
    """

    identifier: int
    header: int
    size: int | None


def read_element(handle: IO[bytes], at: int | None = None) -> Element | None:
    """Reads the header of an element.

    Args:
        handle: the file; it is left at the element's content.
        at: where the element begins; None for the current position.

    Returns:
        The header; None where the file ends or where no element begins.
    """
    start = handle.tell() if at is None else at
    try:
        handle.seek(start)
    except (OSError, OverflowError, ValueError):
        # A damaged size leads further than this file system can hold a file.
        return None
    data = handle.read(_LONGEST_HEADER)
    identifier_length = _length(data[:1])
    if not 0 < identifier_length <= 4 or len(data) <= identifier_length:
        return None
    size_length = _length(data[identifier_length : identifier_length + 1])
    header = identifier_length + size_length
    if not size_length or len(data) < header:
        return None
    unknown = (1 << 7 * size_length) - 1
    size = int.from_bytes(data[identifier_length:header], "big") & unknown
    handle.seek(start + header)
    return Element(int.from_bytes(data[:identifier_length], "big"), header, None if size == unknown else size)


def children(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The identifier and the whole bytes, header included, of each element in `content`.

    Raises:
        ValueError: the content is not a sequence of whole elements.
    """
    handle, at = BytesIO(content), 0
    while at < len(content):
        element = read_element(handle, at)
        if element is None or element.size is None or at + element.header + element.size > len(content):
            raise ValueError(f"no EBML element at byte {at}")
        end = at + element.header + element.size
        yield element.identifier, content[at:end]
        at = end


def content_of(element: bytes) -> bytes:
    """The content of an element that is given whole.

    Raises:
        ValueError: no element begins there.
    """
    header = read_element(BytesIO(element))
    if header is None:
        raise ValueError("no EBML element")
    return element[header.header :]


def write_element(identifier: int, content: bytes) -> bytes:
    """An element with the shortest size field that holds its size."""
    size, length = len(content), 1
    while size >= (1 << 7 * length) - 1:
        length += 1
    header = (size | 1 << 7 * length).to_bytes(length, "big")
    return identifier.to_bytes((identifier.bit_length() + 7) // 8, "big") + header + content


def _length(first: bytes) -> int:
    """Bytes of a variable-length number that begins with `first`; 0 where none begins."""
    return 9 - first[0].bit_length() if first and first[0] else 0
