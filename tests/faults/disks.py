"""Makes a disk full: a small disk that the campaign mounts, or a limit on the file size of processes."""

from __future__ import annotations

import os
import resource
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol

_CHUNK = 1 << 16
_FILLER = ".filler"


class Fillable(Protocol):
    """Disk space that can be used up."""

    def filled(self) -> AbstractContextManager[None]:
        """Leaves no free space until the context ends."""


class SmallDisk:
    """A folder with its own small file system in memory; a context manager that mounts and unmounts it.

    Args:
        folder: the mount point.
        megabytes: its size.
    """

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder, self._megabytes = folder, megabytes
        self._lock = threading.Lock()

    def __enter__(self) -> SmallDisk:
        self.folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self._megabytes}m", "tmpfs", self.folder], check=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Lazy, because a server that is about to end may still have a file open.
        subprocess.run(["umount", "--lazy", self.folder], check=True)

    @contextmanager
    def filled(self) -> Iterator[None]:
        """Leaves no byte free until the context ends."""
        filler = self.folder / _FILLER
        with self._lock:
            try:
                self._write_until_full(filler)
                yield
            finally:
                filler.unlink()

    @staticmethod
    def _write_until_full(filler: Path) -> None:
        handle = os.open(filler, os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(handle, bytes(_CHUNK))
        except OSError:
            return
        finally:
            os.close(handle)


class FileSizeLimit:
    """Replaces a full disk where nothing may be mounted: no file of some processes can grow.

    Args:
        pids: returns the processes; called when the limit begins.
    """

    def __init__(self, pids: Callable[[], list[int]]) -> None:
        self._pids = pids
        self._lock = threading.Lock()

    @contextmanager
    def filled(self) -> Iterator[None]:
        """Limits each file to one page until the context ends."""
        with self._lock, ExitStack() as stack:
            for pid in self._pids():
                with suppress(ProcessLookupError):
                    _, hard_limit = resource.prlimit(pid, resource.RLIMIT_FSIZE)
                    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.getpagesize(), hard_limit))
                    stack.callback(_remove_limit, pid, hard_limit)
            yield


def _remove_limit(pid: int, hard_limit: int) -> None:
    with suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard_limit, hard_limit))


def can_mount() -> bool:
    """Whether this process may mount file systems."""
    trial_mount = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(trial_mount, capture_output=True, check=False).returncode == 0
