"""Temporary folders for files that are not finished."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reelwright.store.failures import output_error


@contextmanager
def scratch_folder(purpose: str, parent: Path | None) -> Iterator[Path]:
    """A temporary folder for the duration of a `with` block; removed afterwards with its content.

    Args:
        purpose: a word that becomes part of its name.
        parent: folder to create it in; None for the system's temporary folder.

    Raises:
        UnavailableError: the disk is full, at creation or at a write inside the block.
        OutputError: the folder cannot be created or written.
    """
    where = str(parent or "the temporary folder")
    try:
        with tempfile.TemporaryDirectory(
            prefix=f"reelwright-{purpose}-", dir=parent, ignore_cleanup_errors=True
        ) as folder:
            yield Path(folder)
    except OSError as error:
        raise output_error(error, error.filename or where) from None


@contextmanager
def known_scratch_folder(folder: Path, is_needed: Callable[[], bool]) -> Iterator[Path]:
    """A temporary folder of a known name, so that what a killed process left there goes with the next one.

    Args:
        folder: its path. The caller must hold a lock, because what is there is removed first.
        is_needed: whether it must stay at the end of the `with` block.

    Raises:
        UnavailableError: the disk is full, at creation or at a write inside the block.
        OutputError: the folder cannot be created or written.
    """
    try:
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir()
            yield folder
        finally:
            if not is_needed():
                shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise output_error(error, error.filename or str(folder)) from None
