"""Lock of a run or film on this machine: one writer at a time. The kernel releases the lock of a killed process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from reelwright.store.failures import output_error

# A failed try means that another process removed the folder at that moment. So many in a row: it is not usable.
_MAX_TRIES = 100


@contextmanager
def run_lock(path: Path, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Holds an exclusive lock on the file `path` for the duration of a `with` block; waits while another has it.

    The holder may remove the file with its folder. A process that waits then locks the new file at `path`, so that two
    processes never hold the lock at the same time.

    Args:
        path: the lock file. It and its folder are created as needed; it stays, empty, after the release.
        on_wait: called once, before waiting, when another process holds the lock.

    Raises:
        OutputError: the file cannot be created, or its file system has no locks.
    """
    # Without the fallback: a lock that only exists as a file stays behind when its process is killed.
    lock = FileLock(path, mode=0o644, thread_local=False, fallback_to_soft=False)
    try:
        _acquire(lock, path, on_wait)
    except OSError as error:
        raise output_error(error, str(path)) from None
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: FileLock, path: Path, on_wait: Callable[[], None] | None) -> None:
    is_waiting = False
    for tries in range(_MAX_TRIES):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(blocking=is_waiting)
        except Timeout:
            is_waiting = True
            if on_wait:
                on_wait()
        except (FileNotFoundError, FileExistsError):
            if tries == _MAX_TRIES - 1:
                raise
        else:
            return
