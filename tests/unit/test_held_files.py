"""A held file has the same content at every open."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from uuid import uuid4

import pytest

from reelwright.media.fingerprint import source_fingerprint
from reelwright.media.held_files import held
from reelwright.media.source_file import open_bytes
from reelwright.store.folder import parent_folder
from reelwright.titles.errors import InputError


def read(location: str) -> bytes:
    with open_bytes(location) as stream:
        return stream.read()


def test_a_file_that_is_replaced_or_rewritten_is_refused(tmp_path: Path) -> None:
    """The next open of a file fails in one line, even if size and times are the former ones."""
    film = tmp_path / "film.mp4"
    film.write_bytes(b"first")
    times = film.stat()
    with held(str(film), source_fingerprint(str(film))):
        assert read(str(film)) == b"first"
        film.write_bytes(b"other")
        os.utime(film, ns=(times.st_atime_ns, times.st_mtime_ns))
        with pytest.raises(InputError, match=r"film\.mp4: not the file that was submitted"):
            read(str(film))
    assert read(str(film)) == b"other"


def test_a_copy_of_the_same_content_is_the_same_file(tmp_path: Path) -> None:
    """A file that was moved or copied is accepted, and so is any other file."""
    film, copy = tmp_path / "film.mp4", tmp_path / "copy.mp4"
    film.write_bytes(b"first")
    with held(str(film)):
        assert read(str(film)) == b"first"
        shutil.copyfile(film, copy)
        copy.replace(film)
        assert read(str(film)) == b"first"
        copy.write_bytes(b"another file")
        assert read(str(copy)) == b"another file"


def test_an_object_that_is_replaced_is_refused() -> None:
    """An object of a store is held as a local file is."""
    location = f"memory://{uuid4().hex}/film.mp4"
    folder, name = parent_folder(location)
    folder.replace(name, b"first")
    with held(location):
        assert read(location) == b"first"
        folder.replace(name, b"other")
        with pytest.raises(InputError, match="not the file that was submitted"):
            read(location)
