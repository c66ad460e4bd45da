"""A folder on any fsspec file system whose files appear whole or not at all, even when the writer is killed."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import fsspec
from fsspec.implementations.local import LocalFileSystem

from reelwright.titles.errors import OutputError

TEMPORARY = ".part-"
# What file systems without hard links (exFAT, some network mounts) answer to link(2).
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_REMEDIES = {
    errno.ENOSPC: ("no space left", "free some space or choose another place, then run again"),
    errno.EDQUOT: ("the disk quota is used up", "free some space or choose another place, then run again"),
    errno.EACCES: ("not writable", "choose a folder you may write to"),
    errno.EPERM: ("not writable", "choose a folder you may write to"),
    errno.EROFS: ("the file system is read-only", "choose a folder you may write to"),
    errno.ENOTDIR: ("a file stands where a folder is needed", "choose another place"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter name"),
}


def output_error(error: OSError, where: str) -> OutputError:
    """The one-line OutputError that says what an OSError at `where` means and what to do about it."""
    what, remedy = _REMEDIES.get(error.errno or 0, (error.strerror or str(error), "choose another place"))
    return OutputError(what, where, remedy)


class Folder:
    """Files under one place. Names are relative, with `/` between parts; parents are made as needed.

    Args:
        location: an fsspec URL such as `s3://bucket/ledger`, or a local path.
    """

    def __init__(self, location: str) -> None:
        self._fs: Any
        if "://" in location:
            # Listings must be fresh: other processes write here too.
            self._fs, base = fsspec.core.url_to_fs(location, use_listings_cache=False)
        else:
            self._fs, base = LocalFileSystem(), str(Path(location).absolute())
        self._base = str(base).rstrip("/")
        self._local = isinstance(self._fs, LocalFileSystem)

    def where(self, name: str) -> str:
        """The full address of a file, for messages."""
        return str(self._fs.unstrip_protocol(self._path(name))) if not self._local else self._path(name)

    def read(self, name: str) -> bytes | None:
        """A file's bytes; None when there is no such file.

        Raises:
            OutputError: it cannot be read.
        """
        with self._reporting(name):
            try:
                return bytes(self._fs.cat_file(self._path(name)))
            except FileNotFoundError:
                return None

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        with self._reporting(name):
            return bool(self._fs.exists(self._path(name)))

    def names(self, folder: str) -> list[str]:
        """Names of the files directly in a sub-folder, by one listing; empty when it does not exist."""
        with self._reporting(folder):
            try:
                found = self._fs.ls(self._path(folder), detail=False)
            except FileNotFoundError:
                return []
        return sorted(str(path).rstrip("/").rsplit("/", 1)[-1] for path in found)

    def create(self, name: str, data: bytes) -> bool:
        """Writes a new file whole; False, and nothing is changed, when one of that name is there already.

        Raises:
            OutputError: it cannot be written; nothing is left behind.
        """
        with self._reporting(name):
            try:
                if self._local:
                    self._publish(name, lambda file: file.write(data), exclusive=True)
                else:
                    self._fs.pipe_file(self._path(name), data, mode="create")
            except FileExistsError:
                return False
        return True

    def replace(self, name: str, data: bytes) -> None:
        """Writes a file whole, in place of any of that name.

        Raises:
            OutputError: it cannot be written; what was there stays.
        """
        with self._reporting(name):
            if self._local:
                self._publish(name, lambda file: file.write(data), exclusive=False)
            else:
                self._fs.pipe_file(self._path(name), data)

    def upload(self, name: str, local: Path) -> None:
        """Copies a local file here whole, in place of any of that name.

        Raises:
            OutputError: it cannot be written; what was there stays.
        """
        with self._reporting(name):
            if not self._local:
                self._fs.put_file(str(local), self._path(name))
                return
            with local.open("rb") as source:
                self._publish(name, lambda file: shutil.copyfileobj(source, file, 1 << 20), exclusive=False)

    def draft(self, name: str) -> Path | None:
        """Where a local folder's file may be written before `adopt`; None when the folder is remote."""
        if not self._local:
            return None
        target = Path(self._path(name))
        return target.with_name(f"{TEMPORARY}{name}")

    def adopt(self, name: str, draft: Path) -> None:
        """Gives a draft its name, whole and durable.

        Raises:
            OutputError: it cannot be written.
        """
        with self._reporting(name):
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            _move(draft, Path(self._path(name)), exclusive=False)
            _sync_folder(draft.parent)

    def download(self, name: str, scratch: Path) -> Path:
        """A local path that holds a file: the file itself here, a copy in `scratch` when the folder is remote.

        Raises:
            OutputError: there is no such file, or no room for the copy.
        """
        if self._local:
            return Path(self._path(name))
        target = scratch / name.rsplit("/", 1)[-1]
        with self._reporting(name):
            self._fs.get_file(self._path(name), str(target))
        return target

    def remove(self, name: str) -> None:
        """Removes a file; nothing happens when it is gone already."""
        with self._reporting(name):
            try:
                self._fs.rm_file(self._path(name))
            except FileNotFoundError:
                return

    def _path(self, name: str) -> str:
        return f"{self._base}/{name}" if name else self._base

    def _publish(self, name: str, write: Callable[[IO[bytes]], object], *, exclusive: bool) -> None:
        target = Path(self._path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.parent / f"{TEMPORARY}{uuid4().hex}"
        try:
            with temporary.open("xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            _move(temporary, target, exclusive=exclusive)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(target.parent)

    @contextmanager
    def _reporting(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise output_error(error, self.where(name)) from None


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
