"""Puts a film that was made again into the place of the former one, so that an end in between can be made up for.

Film, report and manifest are three files. The new ones lie ready in a folder beside the film before the first is moved.
The film comes first: from then on the next caller moves the rest. The manifest comes last.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reelwright.ledger.delivery import manifest_location, report_location
from reelwright.ledger.manifest import Manifest
from reelwright.ledger.manifest_file import read_manifest, write_manifest
from reelwright.ledger.segments import file_sha256
from reelwright.store.failures import output_error
from reelwright.store.local import move_durably
from reelwright.store.location import open_location
from reelwright.store.locks import run_lock
from reelwright.titles.errors import InputError


def redo_folder(film: Path) -> Path:
    """The folder beside a film in which the new one is made; the files in it have the names of the film's."""
    return film.parent / f".{film.name}.redo"


@contextmanager
def film_lock(film: str) -> Iterator[None]:
    """Holds a film, its report and its manifest against other writers for the duration of a `with` block.

    A replacement that was interrupted is finished first. A film in a store has no lock.

    Args:
        film: its location; its folder must exist.

    Raises:
        OutputError: the folder of the film cannot be written.
        UnavailableError: the disk is full.
    """
    location = open_location(film)
    if not location.local:
        yield
        return
    path = Path(location.path)
    lock = path.with_name(f".{path.name}.lock")
    with run_lock(lock):
        try:
            if is_half_replaced(path):
                _finish(path)
            yield
        finally:
            lock.unlink(missing_ok=True)


def finish_replacement(film: str) -> None:
    """Finishes the replacement of a film that was interrupted; does nothing, and writes nothing, when there was none.

    Raises:
        InputError: that is no location.
        OutputError: the folder of the film cannot be written.
        UnavailableError: the disk is full.
    """
    location = open_location(film, InputError)
    if location.local and is_half_replaced(Path(location.path)):
        with film_lock(film):
            pass


def is_half_replaced(film: Path) -> bool:
    """Whether a new film is in its place and its report or manifest is not."""
    draft = redo_folder(film) / film.name
    # The film last, which takes long to read: the first say no of almost every film.
    return (
        os.path.isfile(manifest_location(str(draft)))  # noqa: PTH113 - it accepts names that are too long
        and not draft.exists()
        and film.is_file()
        and file_sha256(film) == read_manifest(str(draft)).film_sha256
    )


def replace_film(film: Path, manifest: Manifest) -> None:
    """Moves the new film and its report from `redo_folder` to their places, and writes the manifest.

    The lock of the film must be held. The folder is removed.

    Args:
        film: path of the film.
        manifest: of the new film.

    Raises:
        OutputError: a file cannot be moved.
        UnavailableError: the disk is full. The film is the former one, or the next caller of `film_lock` finishes this.
    """
    draft = redo_folder(film) / film.name
    write_manifest(manifest, str(draft))
    try:
        try:
            move_durably(draft, film)
            _finish(film)
        except KeyboardInterrupt:
            if draft.exists():
                raise
            # The new film is in its place, so "stopped" would be wrong. What is left takes no time.
            _finish(film)
    except OSError as error:
        raise output_error(error, str(film)) from None


def _finish(film: Path) -> None:
    draft = redo_folder(film) / film.name
    try:
        for locate in (report_location, manifest_location):
            made = Path(locate(str(draft)))
            if made.exists():
                move_durably(made, Path(locate(str(film))))
    except OSError as error:
        raise output_error(error, str(film)) from None
    shutil.rmtree(draft.parent, ignore_errors=True)
