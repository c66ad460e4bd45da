"""Holds every open of a file to one content, so that a file that is replaced between two opens is never mixed."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from reelwright.store.source import Source
from reelwright.titles.errors import InputError
from reelwright.titles.identity import content_fingerprint

_held: ContextVar[HeldFile | None] = ContextVar("held_file", default=None)


class HeldFile:
    """A file that must have the same content each time this thread opens it.

    Args:
        location: of the file.
        fingerprint: its `titles.identity.content_fingerprint`; None for whatever it is when it is opened first.
    """

    def __init__(self, location: str, fingerprint: str | None) -> None:
        self.location, self._fingerprint = location, fingerprint
        # Versions whose content was compared. A version is cheap to read, and a fingerprint takes 24 MiB of reading.
        self._compared: set[tuple[object, ...]] = set()

    def check(self, handle: io.BufferedReader) -> None:
        """Compares an opened file; its position is 0 afterwards.

        Raises:
            InputError: it has another content.
        """
        version = _version(handle)
        if version in self._compared:
            return
        found = content_fingerprint(handle)
        handle.seek(0)
        if self._fingerprint is None:
            self._fingerprint = found
        if found != self._fingerprint:
            raise InputError("not the file that was submitted", self.location, "put it back, or submit it again")
        self._compared.add(version)


@contextmanager
def held(location: str, fingerprint: str | None = None) -> Iterator[None]:
    """Has each open of a file on this thread, for the duration of a `with` block, compared with a fingerprint.

    The functions that open a source are many and deep, and one that forgot to compare would mix two films. So the
    comparison is not theirs: `media.container.open_bytes` makes it.

    Args:
        location: of the file, as it is passed to `open_bytes`.
        fingerprint: what the file must have; None for whatever it has when it is opened first.
    """
    token = _held.set(HeldFile(location, fingerprint))
    try:
        yield
    finally:
        _held.reset(token)


def check_held(location: str, handle: io.BufferedReader) -> None:
    """Compares a file that was just opened, if it is held.

    Raises:
        InputError: it is not the file that is held at this location.
    """
    file = _held.get()
    if file is not None and file.location == location:
        file.check(handle)


def _version(handle: io.BufferedReader) -> tuple[object, ...]:
    """What changes when a file is written or replaced; ctime cannot be set back, as mtime can."""
    if isinstance(handle.raw, Source):
        # Where a store gives no version, the content is compared each time.
        return (handle.raw.version or object(),)
    found = os.fstat(handle.fileno())
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
