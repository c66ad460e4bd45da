"""Atomic and durable writes to a local folder: a file appears whole or not at all, despite kills and power failures."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

_TEMPORARY = ".part-"
TEMPORARY_NAME = re.compile(re.escape(_TEMPORARY) + r"[0-9a-f]{32}(\.[0-9A-Za-z]+)?")
"""Names of unfinished files."""
# Answers to link(2) of file systems without hard links (exFAT, some network mounts).
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}

_TRIES_IN_MISSING_FOLDER = 5


def draft_path(target: Path) -> Path:
    """A path in the folder of `target` that no other writer uses."""
    return target.parent / f"{_TEMPORARY}{uuid4().hex}{target.suffix}"


def write_atomically(
    target: Path, write: Callable[[IO[bytes]], object], *, exclusive: bool, durable: bool = True
) -> None:
    """Writes a file; it appears whole or not at all. Its folders are created as needed.

    Args:
        target: its path.
        write: writes the content; called again when a try is repeated.
        exclusive: whether to fail when the file exists.
        durable: whether it must survive a power failure.

    Raises:
        OSError: it cannot be written; nothing is left behind. FileExistsError when it exists and `exclusive`.
    """
    for _ in range(_TRIES_IN_MISSING_FOLDER):
        # Another process may remove the folder at any moment.
        with suppress(FileNotFoundError):
            _write_once(target, write, exclusive=exclusive, durable=durable)
            return
    _write_once(target, write, exclusive=exclusive, durable=durable)


def copy_of(path: Path) -> Callable[[IO[bytes]], object]:
    """A function that writes the content of the file at `path`, for `write_atomically`."""

    def copy(file: IO[bytes]) -> None:
        with path.open("rb") as source:
            shutil.copyfileobj(source, file, 1 << 20)

    return copy


def move_durably(draft: Path, target: Path) -> None:
    """Moves a finished file to its name, atomically and durably; copies it when the file systems differ.

    Raises:
        OSError: it cannot be moved.
    """
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        draft.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        write_atomically(target, copy_of(draft), exclusive=False)
    _sync_folder(target.parent)


def remove_files(folder: Path, files: Iterable[Path]) -> None:
    """Removes files of a folder, and the folder when it is empty then.

    Args:
        folder: the folder.
        files: their paths; those that are missing or are folders are ignored.

    Raises:
        OSError: a file cannot be removed.
    """
    for path in files:
        with suppress(IsADirectoryError):
            path.unlink(missing_ok=True)
    _remove_empty(folder)


def _write_once(target: Path, write: Callable[[IO[bytes]], object], *, exclusive: bool, durable: bool) -> None:
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
        # ENOTDIR: a symbolic link to a folder, which is no folder of ours.
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
            raise


def _move(temporary: Path, target: Path, *, exclusive: bool) -> None:
    if not exclusive:
        temporary.replace(target)
        return
    try:
        target.hardlink_to(temporary)  # unlike a rename, it fails when the target exists
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        temporary.replace(target)


def _sync_folder(folder: Path) -> None:
    """Makes a new name in the folder survive a power failure."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
