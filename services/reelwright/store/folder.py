"""A folder on a local disk or in a store, whose files appear whole or not at all, even when the writer is killed."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from functools import partial, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from reelwright.store import local as disk
from reelwright.store import remote
from reelwright.store.failures import is_local_disk_full, is_not_found, store_error, store_exceptions
from reelwright.store.location import open_location
from reelwright.store.retry import NO_RETRY, RetryPolicy
from reelwright.telemetry.watchdog import waiting
from reelwright.titles.errors import OutputError, UnavailableError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def _retried(
    method: Callable[Concatenate[Folder, Arguments], Result],
) -> Callable[Concatenate[Folder, Arguments], Result]:
    """Repeats a method as the folder's retry policy says."""

    @wraps(method)
    def call(folder: Folder, /, *arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        return folder.retry.call(partial(method, folder, *arguments, **named))

    return call


class Folder:
    """Files under one location. Names are relative, with `/` between parts; parents are created as needed. Thread-safe.

    Construction sends no request to the store. Every method raises UnavailableError when the store does not answer or
    is full and the retries have ended, and OutputError when it refuses the request. With a retry policy that waits for
    access, a store that refuses its caller, or has no such bucket, raises UnavailableError too.

    Args:
        location: `s3://bucket/name` or a local path; see `store.location`.
        retry: how long to retry while the store does not answer or is full; a single try if not given.

    Attributes:
        retry: see above.
    """

    def __init__(self, location: str, retry: RetryPolicy = NO_RETRY) -> None:
        self.retry = retry
        self._location = open_location(location)
        self._base = self._location.path.rstrip("/")

    def with_retry(self, retry: RetryPolicy) -> Folder:
        """The same folder with another retry policy."""
        other = copy(self)
        other.retry = retry
        return other

    def subfolder(self, name: str) -> Folder:
        """A sub-folder as a folder, with the same retry policy."""
        other = copy(self)
        other._base = self._path(name)
        return other

    @property
    def is_local(self) -> bool:
        """Whether it is on a file system of this machine."""
        return self._location.local

    def address(self, name: str) -> str:
        """The full address of a file, as a person writes it."""
        return self._location.address(self._path(name))

    @_retried
    def read(self, name: str, limit: int | None = None) -> bytes | None:
        """Reads a file; None when there is none.

        Args:
            name: the name.
            limit: most bytes to read, from the start; all of them if None.
        """
        with self._translated_errors(name):
            try:
                if self._location.local:
                    with Path(self._path(name)).open("rb") as file:
                        return file.read(-1 if limit is None else limit)
                return remote.read(self._location, self._path(name), limit)
            except store_exceptions() as error:
                if is_not_found(error):
                    return None
                raise

    @_retried
    def size(self, name: str) -> int | None:
        """Size of a file in bytes; None when there is none."""
        with self._translated_errors(name):
            try:
                found = self._location.fs.info(self._path(name))
            except store_exceptions() as error:
                if is_not_found(error):
                    return None
                raise
        return int(found["size"]) if found["type"] == "file" else None

    @_retried
    def modified(self, name: str) -> float | None:
        """When a file was written last, in Unix seconds by the clock of its store; None when there is none."""
        with self._translated_errors(name):
            try:
                return float(self._location.fs.modified(self._path(name)).timestamp())
            except store_exceptions() as error:
                if is_not_found(error):
                    return None
                raise

    def exists(self, name: str) -> bool:
        """Whether the file exists."""
        return self.size(name) is not None

    def list_names(self, folder: str) -> list[str]:
        """Names of the files and folders directly in a sub-folder, sorted; empty when there is none."""
        if self._location.protocol == "s3":
            # fsspec keeps a kilobyte for each entry until the last page is there: 38 MiB for the segments of two hours.
            return sorted(self.iterate_names(folder))
        return self._list_at_once(folder)

    @_retried
    def _list_at_once(self, folder: str) -> list[str]:
        with self._translated_errors(folder):
            try:
                if self._location.local:
                    # fsspec takes seconds for a folder with 100,000 entries.
                    return sorted(path.name for path in Path(self._path(folder)).iterdir())
                found = self._location.fs.ls(self._path(folder), detail=False)
            except store_exceptions() as error:
                if is_not_found(error):
                    return []
                raise
        return sorted(str(path).rstrip("/").rsplit("/", 1)[-1] for path in found)

    def iterate_names(self, folder: str, after: str = "") -> Iterator[str]:
        """As `list_names`, in pages: a store is asked for no more than is iterated over, and one more page.

        Args:
            folder: name of the sub-folder; empty for this folder itself.
            after: the first name is the one after this name.
        """
        if self._location.protocol != "s3":
            yield from (name for name in self._list_at_once(folder) if name > after)
            return
        token = ""
        while True:
            names, token = self._list_page(folder, after, token)
            yield from names
            if not token:
                return

    @_retried
    def _list_page(self, folder: str, after: str, token: str) -> tuple[list[str], str]:
        with self._translated_errors(folder):
            try:
                return remote.list_page(self._location, self._path(folder), after, token)
            except store_exceptions() as error:
                if is_not_found(error):
                    return [], ""
                raise

    @_retried
    def walk(self, limit: int) -> list[tuple[str, float]]:
        """Every file in the folder and the folders below, sorted by name, with when it was written (Unix seconds).

        Args:
            limit: most files.

        Raises:
            OutputError: there are more, or the folder cannot be read.
        """
        with self._translated_errors(""):
            try:
                found = self._location.fs.find(self._base, detail=True)
            except store_exceptions() as error:
                if is_not_found(error):
                    return []
                raise
        if len(found) > limit:
            raise OutputError(f"holds {len(found)} files, more than {limit}", self.address(""), "name a smaller folder")
        return sorted((path[len(self._base) :].lstrip("/"), _written_at(found[path])) for path in found)

    @_retried
    def create(self, name: str, data: bytes) -> bool:
        """Creates a file; returns False, and changes nothing, when one of that name exists."""
        path = self._path(name)
        with self._translated_errors(name):
            if not self._location.local:
                return remote.create(self._location, path, data)
            try:
                disk.write_atomically(Path(path), lambda file: file.write(data), exclusive=True)
            except FileExistsError:
                return False
        return True

    @_retried
    def replace(self, name: str, data: bytes, *, durable: bool = True) -> None:
        """Writes a file; replaces one of that name.

        Args:
            name: the name.
            data: the content.
            durable: whether it must survive a power failure; if not, writing does not wait for a local disk.
        """
        with self._translated_errors(name):
            if self._location.local:
                target = Path(self._path(name))
                disk.write_atomically(target, lambda file: file.write(data), exclusive=False, durable=durable)
            else:
                self._location.fs.pipe_file(self._path(name), data)

    @_retried
    def upload(self, name: str, local: Path) -> None:
        """Copies a local file into the folder; replaces one of that name."""
        # A long film takes long, and each request of a transfer has a time limit.
        with waiting(), self._translated_errors(name):
            if not self._location.local:
                remote.upload(self._location, self._path(name), local)
                return
            disk.write_atomically(Path(self._path(name)), disk.copy_of(local), exclusive=False)

    def draft_path(self, name: str) -> Path | None:
        """A new path in a local folder, to write a file at before `publish_draft`; None when the folder is remote."""
        return disk.draft_path(Path(self._path(name))) if self._location.local else None

    @_retried
    def publish_draft(self, name: str, draft: Path) -> None:
        """Moves a draft to its name, atomically and durably."""
        with waiting(), self._translated_errors(name):
            disk.move_durably(draft, Path(self._path(name)))

    @_retried
    def download(self, name: str, scratch: Path) -> Path:
        """A local path of a file: the file itself, or a copy in the folder `scratch` when this folder is remote.

        Raises:
            OutputError: there is no such file.
            UnavailableError: there is no space for the copy, or the store does not answer.
        """
        if self._location.local:
            return Path(self._path(name))
        target = scratch / name.rsplit("/", 1)[-1]
        with waiting(), self._translated_errors(name, target):
            remote.download(self._location, self._path(name), target)
        return target

    @_retried
    def transfer(self, name: str, target: Folder, target_name: str) -> bool:
        """Puts a file into another folder, replacing one of that name: moves it on one disk, copies it otherwise.

        Within one store the server copies. Between two stores the file is copied through the system's temporary folder.

        Returns:
            Whether there is such a file; another process may have moved it already.
        """
        with waiting(), target._translated_errors(target_name):
            try:
                self._transfer(name, target, target_name)
            except store_exceptions() as error:
                if is_not_found(error):
                    return False
                raise
        return True

    @_retried
    def remove(self, name: str) -> None:
        """Removes a file; does nothing when there is none."""
        with self._translated_errors(name):
            try:
                self._location.fs.rm_file(self._path(name))
            except store_exceptions() as error:
                if not is_not_found(error):
                    raise

    @_retried
    def remove_all(self, names: Sequence[str]) -> None:
        """Removes files, in a store with one request for up to 1000; ignores missing ones."""
        with self._translated_errors(""):
            if not self._location.local:
                remote.remove(self._location, [self._path(name) for name in names])
                return
            for name in names:
                Path(self._path(name)).unlink(missing_ok=True)

    @_retried
    def remove_matching(self, folder: str, patterns: Collection[re.Pattern[str]]) -> None:
        """Removes the files directly in a sub-folder whose whole name matches a pattern, and a local folder left empty.

        Files with other names, and sub-folders, stay. Does nothing when there is no such folder.

        Args:
            folder: name of the sub-folder; empty for this folder itself.
            patterns: of the names; at least one must match.
        """
        names = [name for name in self.list_names(folder) if any(each.fullmatch(name) for each in patterns)]
        paths = [self._path(f"{folder}/{name}" if folder else name) for name in names]
        with self._translated_errors(folder):
            if self._location.local:
                disk.remove_files(Path(self._path(folder)), map(Path, paths))
            else:
                remote.remove(self._location, paths)

    def remove_if_empty(self, folder: str) -> None:
        """Removes a sub-folder that has no files; does nothing otherwise, and in a store, which has no folders."""
        if self._location.local:
            with suppress(OSError):
                Path(self._path(folder)).rmdir()

    def _transfer(self, name: str, target: Folder, target_name: str) -> None:
        path, wanted = self._path(name), target._path(target_name)
        if self._location.local and target._location.local:
            disk.move_durably(Path(path), Path(wanted))
        elif self._location.local:
            remote.upload(target._location, wanted, Path(path))
        elif target._location.protocol == self._location.protocol:
            self._location.fs.cp_file(path, wanted)
        elif target._location.local:
            draft = disk.draft_path(Path(wanted))
            draft.parent.mkdir(parents=True, exist_ok=True)
            try:
                remote.download(self._location, path, draft)
                disk.move_durably(draft, Path(wanted))
            finally:
                draft.unlink(missing_ok=True)
        else:
            with tempfile.TemporaryDirectory(prefix="reelwright-store-") as scratch:
                remote.download(self._location, path, Path(scratch) / "file")
                remote.upload(target._location, wanted, Path(scratch) / "file")

    def _path(self, name: str) -> str:
        return f"{self._base}/{name}" if name else self._base

    @contextmanager
    def _translated_errors(self, name: str, scratch: Path | None = None) -> Iterator[None]:
        try:
            yield
        except store_exceptions() as error:
            if scratch is not None and is_local_disk_full(error):
                raise store_error(error, str(scratch)) from None
            store_kind = UnavailableError if self.retry.waits_for_access else None
            raise self._location.error(error, self._path(name), store_kind=store_kind) from None


def _written_at(details: dict[str, Any]) -> float:
    """When a file was written: a number on a local disk, a moment in a store."""
    written = details.get("mtime", details.get("LastModified", details.get("created", 0.0)))
    return float(written) if isinstance(written, int | float) else float(written.timestamp())


def parent_folder(location: str, retry: RetryPolicy = NO_RETRY) -> tuple[Folder, str]:
    """The folder that a file is in, and its name in it."""
    parent, slash, name = location.rpartition("/")
    return Folder(parent + slash if parent.endswith(":/") else parent or slash or ".", retry), name
