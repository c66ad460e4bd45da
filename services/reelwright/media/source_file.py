"""Opens the bytes of a source: a regular local file, or an object in a store by ranges."""

from __future__ import annotations

import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reelwright.media.held_files import check_held
from reelwright.store.location import open_location
from reelwright.store.source import open_ranged
from reelwright.titles.errors import InputError


def open_bytes(location: str) -> io.BufferedReader:
    """Opens the bytes of a file for reading. A file in a store is read by ranges.

    Raises:
        InputError: the file is missing, not a regular file or unreadable; or it is held (`media.held_files`) and has
            another content now.
        UnavailableError: its store does not answer.
    """
    opened = open_location(location, InputError)
    handle: io.BufferedReader = (
        _local(Path(opened.path), location) if opened.local else io.BufferedReader(open_ranged(opened))
    )
    try:
        check_held(location, handle)
    except BaseException:
        handle.close()
        raise
    return handle


@contextmanager
def open_file(location: str) -> Iterator[io.BufferedReader]:
    """Opens the bytes of a source.

    Raises:
        InputError: see `open_bytes`; also an empty file.
        UnavailableError: its store does not answer.
    """
    with open_bytes(location) as handle:
        if not handle.read(1):
            raise InputError("the file is empty", location, "copy the film again")
        handle.seek(0)
        yield handle


def _local(path: Path, location: str) -> io.BufferedReader:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError("a folder, not a film", location, "name one film file in it")
        if not stat.S_ISREG(mode):
            # Opening a pipe would wait for a writer, and a device may have no end.
            raise InputError("not a regular file", location, "copy the film to a disk first")
        return path.open("rb")
    except FileNotFoundError:
        raise InputError("no such file", location, "check the path") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "cannot be opened"
        raise InputError(reason.lower(), location, "check the file and its permissions") from None
