"""Temporary folders: what is worked on before it is whole."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reelwright.store.failures import output_error


@contextmanager
def scratch_folder(purpose: str, parent: Path | None) -> Iterator[Path]:
    """A temporary folder that is gone afterwards, with all that is in it.

    Args:
        purpose: a word for its name.
        parent: where to make it; the system's temporary folder if None.

    Raises:
        UnavailableError: the disk is full, when it is made or when something is written within.
        OutputError: it cannot be made or written.
    """
    where = str(parent or "the temporary folder")
    try:
        with tempfile.TemporaryDirectory(
            prefix=f"reelwright-{purpose}-", dir=parent, ignore_cleanup_errors=True
        ) as folder:
            yield Path(folder)
    except OSError as error:
        raise output_error(error, error.filename or where) from None
