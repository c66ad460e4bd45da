"""One writer of a run or film at a time on this machine; the kernel frees the lock of a killed process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reelwright.store.failures import output_error

# Each failure means that another process has just finished; this many in a row mean that the place is not usable.
_ATTEMPTS = 100


@contextmanager
def run_lock(path: Path, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Holds an exclusive lock on the file `path` (made if need be); waits while another process holds it.

    Args:
        path: the lock file; it stays, empty, after the lock is released.
        on_wait: called once, before waiting, when another holds the lock.

    Raises:
        OutputError: the file cannot be made or its file system has no locks.
    """
    try:
        handle = _acquire(path, on_wait)
    except OSError as error:
        raise output_error(error, str(path)) from None
    try:
        yield
    finally:
        os.close(handle)


def _acquire(path: Path, on_wait: Callable[[], None] | None) -> int:
    while True:
        handle = _open(path)
        try:
            on_wait = _lock(handle, on_wait)
            if _is(path, handle):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _open(path: Path) -> int:
    """Opens the lock file and makes what is missing; whoever is done may remove file and folder at any moment."""
    for _ in range(_ATTEMPTS):
        with suppress(FileNotFoundError, FileExistsError):
            return _make(path)
    return _make(path)


def _make(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _lock(handle: int, on_wait: Callable[[], None] | None) -> Callable[[], None] | None:
    """Locks; returns the callback if it is still to be called."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if on_wait:
            on_wait()
        fcntl.flock(handle, fcntl.LOCK_EX)
        return None
    return on_wait


def _is(path: Path, handle: int) -> bool:
    """Whether the locked file is still the one at `path`: the holder may have removed it with its folder."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
