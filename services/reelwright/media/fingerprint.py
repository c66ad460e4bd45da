"""Computes the fingerprint of a source, local or in the store."""

from __future__ import annotations

from reelwright.media.source_file import open_file
from reelwright.titles.identity import content_fingerprint


def source_fingerprint(location: str) -> str:
    """The `titles.identity.content_fingerprint` of a source, of which only ranges are read.

    Raises:
        InputError: the file does not exist or cannot be read.
    """
    with open_file(location) as stream:
        return content_fingerprint(stream)


def check_held_source(location: str) -> None:
    """Compares a source that is held (`media.held_files.held`) with its fingerprint now.

    Raises:
        InputError: the file does not exist, cannot be read, or has another content.
        UnavailableError: its store does not answer.
    """
    with open_file(location):
        pass
