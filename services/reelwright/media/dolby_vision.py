"""Dolby Vision: which pictures can be restored without its metadata, which no film carries."""

from __future__ import annotations

from av.video.stream import VideoStream

from reelwright.media import ebml
from reelwright.media.track_header import elements, track_header
from reelwright.titles.errors import InputError

# The codes of Dolby's configuration record in MP4 and Matroska ("Dolby Vision Streams Within the ISO Base Media File
# Format", 3.2), and the byte lengths that hold what is read of it.
_RECORDS, _SHORTEST = {b"dvcC", b"dvvC", b"dvwC"}, 5


def check_dolby_vision(stream: VideoStream, location: str) -> set[str]:
    """The name of Dolby Vision where a stream has it beside a picture that is complete without it; empty for none.

    Args:
        stream: the stream; its codec must have decoded a frame.
        location: of the source, for errors.

    Raises:
        InputError: the picture has Dolby's own colours (IPT), as in profile 5, which only its metadata translate.
    """
    found = elements(track_header(stream), ebml.BLOCK_ADDITION_MAPPING)
    record = found.get(ebml.BLOCK_ADDITION_SETUP, b"")
    if found.get(ebml.BLOCK_ADDITION_KIND) not in _RECORDS or len(record) < _SHORTEST:
        return set()
    # Profile in the first 7 bits behind the version, compatibility of the picture in the 4 bits from byte 4 on: none.
    profile, compatible = record[2] >> 1, record[4] >> 4
    if not compatible:
        raise InputError(
            f"its picture is Dolby Vision profile {profile}, whose colours need metadata that no film here carries",
            location,
            "give a version with an HDR10, HLG or SDR picture, such as profile 8",
        )
    return {"Dolby Vision"}
