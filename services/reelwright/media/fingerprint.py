"""The fingerprint of a source wherever it lies."""

from __future__ import annotations

from reelwright.media.container import open_file
from reelwright.titles.identity import content_fingerprint


def source_fingerprint(location: str) -> str:
    """`titles.identity.content_fingerprint` of a source, read by ranges.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """
    with open_file(location) as stream:
        return content_fingerprint(stream)
