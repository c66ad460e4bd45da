"""The fingerprint of a source wherever it lies."""

from __future__ import annotations

import fsspec

from reelwright.titles.errors import InputError
from reelwright.titles.identity import content_fingerprint


def source_fingerprint(location: str) -> str:
    """`titles.identity.content_fingerprint` of the file at an fsspec location, read by ranges.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """
    try:
        with fsspec.open(location, "rb") as stream:
            return content_fingerprint(stream)
    except FileNotFoundError:
        raise InputError("no such file", location, "check the path") from None
    except IsADirectoryError:
        raise InputError("is a directory", location, "give a film file") from None
    except OSError as error:
        raise InputError(error.strerror or "cannot be read", location, "check the path and its permissions") from None
