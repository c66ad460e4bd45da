"""Disks that can be full: small ones of the campaign's own, or processes that may write no more."""

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
    """Room that can be taken away."""

    def filled(self) -> AbstractContextManager[None]:
        """Leaves no room for as long as the context lasts."""


class Disk:
    """A folder with a file system of its own; mounted on entering, gone with its content on leaving.

    Args:
        folder: where it is mounted.
        megabytes: its size.
    """

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder, self._megabytes = folder, megabytes
        self._lock = threading.Lock()

    def __enter__(self) -> Disk:
        self.folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self._megabytes}m", "tmpfs", self.folder], check=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Lazily: a server that is about to end may still have a file open.
        subprocess.run(["umount", "--lazy", self.folder], check=True)

    @contextmanager
    def filled(self) -> Iterator[None]:
        """Leaves no byte free for as long as the context lasts."""
        filler = self.folder / _FILLER
        with self._lock:
            try:
                self._fill(filler)
                yield
            finally:
                filler.unlink()

    @staticmethod
    def _fill(filler: Path) -> None:
        handle = os.open(filler, os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(handle, bytes(_CHUNK))
        except OSError:
            return
        finally:
            os.close(handle)


class FileLimit:
    """What stands in for a full disk where nothing may be mounted: processes whose files may not grow.

    Args:
        pids: the processes, looked up when it happens.
    """

    def __init__(self, pids: Callable[[], list[int]]) -> None:
        self._pids = pids
        self._lock = threading.Lock()

    @contextmanager
    def filled(self) -> Iterator[None]:
        """Lets files grow no further than one page for as long as the context lasts."""
        with self._lock, ExitStack() as stack:
            for pid in self._pids():
                with suppress(ProcessLookupError):
                    _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
                    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.getpagesize(), most))
                    stack.callback(_unlimit, pid, most)
            yield


def _unlimit(pid: int, most: int) -> None:
    with suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))


def can_mount() -> bool:
    """Whether this process may mount file systems."""
    with_own = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(with_own, capture_output=True, check=False).returncode == 0
