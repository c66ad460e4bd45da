"""Marks of work that may kill its process: small files in an attempt's folder, which `crash_guard` counts."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable
from functools import cache
from uuid import uuid4

from pydantic import ValidationError

from reelwright.store.folder import Folder
from reelwright.titles.versions import VersionedDocument


class WorkMark(VersionedDocument):
    """Work that may kill its process, and is under way or has done so.

    Attributes:
        host: name of the machine.
        process: number of the process there.
        identity: of the process, new for each one: numbers come again, and in a container it is always the same.
        began: Unix seconds.
    """

    host: str
    process: int
    identity: str = ""
    began: float


class WorkMarks:
    """Reads and writes the marks of an attempt; any number of threads and processes may do so at once.

    Args:
        folder: the attempt's folder.

    Every method raises UnavailableError when the store does not answer or is full, and OutputError when it refuses to
    be read or written.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def names(self, unit: str) -> list[str]:
        """Names of the marks of a piece of work that is under way or has killed its process."""
        return [name for name in self._folder.list_names("marks") if name.startswith(f"{unit}-")]

    def put_mark(self, unit: str) -> str:
        """Marks that a piece of work is under way; the name of the mark."""
        name = f"{unit}-{uuid4().hex[:12]}"
        mark = WorkMark(host=socket.gethostname(), process=os.getpid(), identity=_identity(), began=time.time())
        self._write(name, mark.model_dump_json().encode())
        return name

    def refresh(self, name: str) -> None:
        """Shows that a mark's process lives, by writing the mark again; does nothing when it was removed."""
        content = self._folder.read(f"marks/{name}")
        if content is not None:
            self._write(name, content)

    def remove(self, name: str) -> None:
        """Removes a mark; does nothing when there is none."""
        self._folder.remove(f"marks/{name}")

    def count_dead(self, names: Iterable[str], seconds: float) -> int:
        """How many of these marks are of dead processes.

        A process that ran on this machine is dead when there is no such process any more; any other one when it has
        not written its mark for more than so many seconds, by the clock of the store.
        """
        clock = self.put_mark("clock")
        try:
            now = self._folder.modified(f"marks/{clock}")
        finally:
            self.remove(clock)
        return sum(self._is_dead(name, now, seconds) for name in names)

    def _is_dead(self, name: str, now: float | None, seconds: float) -> bool:
        written, content = self._folder.modified(f"marks/{name}"), self._folder.read(f"marks/{name}")
        if written is None or content is None:
            return False
        return (now is not None and now - written > seconds) or _is_gone(content)

    def _write(self, name: str, content: bytes) -> None:
        # Not durable: it must survive the process, not a power failure.
        self._folder.replace(f"marks/{name}", content, durable=False)


@cache
def _identity() -> str:
    """Of this process."""
    return uuid4().hex


def _is_gone(content: bytes) -> bool:
    """Whether the process of a mark ran on this machine and does not run any more. An unreadable mark says nothing."""
    try:
        mark = WorkMark.model_validate_json(content)
    except ValidationError:
        return False
    if mark.host != socket.gethostname() or not mark.identity:
        return False
    if mark.process == os.getpid():
        return mark.identity != _identity()
    try:
        os.kill(mark.process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
