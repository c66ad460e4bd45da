"""Files of a local folder that appear whole or not at all, even when the writer is killed or the power fails."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

TEMPORARY = ".part-"
"""What the name of an unfinished file begins with."""
# What file systems without hard links (exFAT, some network mounts) answer to link(2).
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}

_ATTEMPTS = 5


def draft_path(target: Path) -> Path:
    """A name beside `target` that no other writer uses."""
    return target.parent / f"{TEMPORARY}{uuid4().hex}{target.suffix}"


def publish(target: Path, write: Callable[[IO[bytes]], object], *, exclusive: bool, durable: bool = True) -> None:
    """Writes a file whole; its folders are made as needed.

    Args:
        target: its path.
        write: writes its content; called again where the attempt is repeated.
        exclusive: fail where the name is taken.
        durable: it must survive a power cut.

    Raises:
        OSError: it cannot be written; nothing is left behind. FileExistsError when the name is taken.
    """
    for _ in range(_ATTEMPTS):
        # Another process may clear the folder away at any moment.
        with suppress(FileNotFoundError):
            _publish(target, write, exclusive=exclusive, durable=durable)
            return
    _publish(target, write, exclusive=exclusive, durable=durable)


def copier(path: Path) -> Callable[[IO[bytes]], object]:
    """Writes a file's content to another."""

    def copy(file: IO[bytes]) -> None:
        with path.open("rb") as source:
            shutil.copyfileobj(source, file, 1 << 20)

    return copy


def adopt(draft: Path, target: Path) -> None:
    """Gives a finished file its name, whole and durable: moves it on one file system, copies it to another.

    Raises:
        OSError: it cannot be done.
    """
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        draft.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        publish(target, copier(draft), exclusive=False)
    _sync_folder(target.parent)


def clear(folder: Path, keep: Collection[str]) -> None:
    """Removes every file under a folder, but those named (from the folder on), and what folders are empty then.

    Raises:
        OSError: something cannot be removed.
    """
    for parent, folders, files in os.walk(folder, topdown=False):
        here = Path(parent)
        for path in [here / name for name in files]:
            if path.relative_to(folder).as_posix() not in keep:
                path.unlink(missing_ok=True)
        for path in [here / name for name in folders]:
            _remove_empty(path)
    _remove_empty(folder)


def _publish(target: Path, write: Callable[[IO[bytes]], object], *, exclusive: bool, durable: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = draft_path(target)
    try:
        with temporary.open("xb") as file:
            write(file)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        _move(temporary, target, exclusive=exclusive)
    finally:
        temporary.unlink(missing_ok=True)
    if durable:
        _sync_folder(target.parent)


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise


def _move(temporary: Path, target: Path, *, exclusive: bool) -> None:
    if not exclusive:
        temporary.replace(target)
        return
    try:
        target.hardlink_to(temporary)  # unlike a rename, fails when the name is taken
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        temporary.replace(target)


def _sync_folder(folder: Path) -> None:
    """Makes the new name itself survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
