"""Marks of work that may kill its process: small files in an attempt's folder, which `crash_guard` counts."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable
from uuid import uuid4

from reelwright.ledger.records import WorkMark
from reelwright.store.folder import Folder


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

    def put(self, unit: str) -> str:
        """Marks that a piece of work is under way; the name of the mark."""
        name = f"{unit}-{uuid4().hex[:12]}"
        mark = WorkMark(host=socket.gethostname(), process=os.getpid(), began=time.time())
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

    def count_expired(self, names: Iterable[str], seconds: float) -> int:
        """How many of these marks were not written for more than so many seconds, by the clock of the store."""
        clock = self.put("clock")
        try:
            now = self._folder.modified(f"marks/{clock}")
        finally:
            self.remove(clock)
        written = [self._folder.modified(f"marks/{name}") for name in names]
        return sum(now is not None and each is not None and now - each > seconds for each in written)

    def _write(self, name: str, content: bytes) -> None:
        # Not durable: it must survive the process, not a power failure.
        self._folder.replace(f"marks/{name}", content, durable=False)
