"""A folder on any file system whose files appear whole or not at all, even when the writer is killed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from copy import copy
from functools import partial, wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from reelwright.store import local as disk
from reelwright.store import remote
from reelwright.store.failures import failure, failures, is_missing, is_of_this_disk
from reelwright.store.location import open_location
from reelwright.store.retry import NO_RETRY, RetryPolicy

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
    """Files under one place. Names are relative, with `/` between parts; parents are made as needed. Thread-safe.

    Opening one asks nothing of the store.

    Args:
        location: `s3://bucket/name` or a local path; see `location`.
        retry: how long to retry while the store does not answer or is full; a single attempt if not given.

    Every method raises UnavailableError when the store does not answer or is full and the retries have ended, and
    OutputError when it refuses.
    """

    def __init__(self, location: str, retry: RetryPolicy = NO_RETRY) -> None:
        self.retry = retry
        self._place = open_location(location)
        self._base = self._place.path.rstrip("/")

    def with_retry(self, retry: RetryPolicy) -> Folder:
        """The same folder with another retry policy."""
        other = copy(self)
        other.retry = retry
        return other

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine's file system."""
        return self._place.local

    def where(self, name: str) -> str:
        """The full address of a file."""
        return self._place.address(self._path(name))

    @_retried
    def read(self, name: str) -> bytes | None:
        """A file's bytes; None when there is no such file."""
        with self._reporting(name):
            try:
                if self._place.local:
                    return Path(self._path(name)).read_bytes()
                return remote.read(self._place, self._path(name))
            except failures() as error:
                if is_missing(error):
                    return None
                raise

    @_retried
    def size(self, name: str) -> int | None:
        """A file's size in bytes; None when there is no such file."""
        with self._reporting(name):
            try:
                found = self._place.fs.info(self._path(name))
            except failures() as error:
                if is_missing(error):
                    return None
                raise
        return int(found["size"]) if found["type"] == "file" else None

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return self.size(name) is not None

    @_retried
    def names(self, folder: str) -> list[str]:
        """Names of the files and folders directly in a sub-folder, by one listing; empty when it does not exist."""
        with self._reporting(folder):
            try:
                found = self._place.fs.ls(self._path(folder), detail=False)
            except failures() as error:
                if is_missing(error):
                    return []
                raise
        return sorted(str(path).rstrip("/").rsplit("/", 1)[-1] for path in found)

    @_retried
    def create(self, name: str, data: bytes) -> bool:
        """Writes a new file whole; False, and nothing is changed, when one of that name is there already."""
        path = self._path(name)
        with self._reporting(name):
            if not self._place.local:
                return remote.create(self._place, path, data)
            try:
                disk.publish(Path(path), lambda file: file.write(data), exclusive=True)
            except FileExistsError:
                return False
        return True

    @_retried
    def replace(self, name: str, data: bytes, *, durable: bool = True) -> None:
        """Writes a file whole, in place of any of that name.

        Args:
            name: its name.
            data: its content.
            durable: it must survive a power cut; where it need not, a local disk is not waited for.
        """
        with self._reporting(name):
            if self._place.local:
                target = Path(self._path(name))
                disk.publish(target, lambda file: file.write(data), exclusive=False, durable=durable)
            else:
                self._place.fs.pipe_file(self._path(name), data)

    @_retried
    def upload(self, name: str, local: Path) -> None:
        """Copies a local file here whole, in place of any of that name."""
        with self._reporting(name):
            if not self._place.local:
                remote.upload(self._place, self._path(name), local)
                return
            disk.publish(Path(self._path(name)), disk.copier(local), exclusive=False)

    def draft(self, name: str) -> Path | None:
        """A new path where a local folder's file may be written before `adopt`; None when the folder is remote."""
        return disk.draft_path(Path(self._path(name))) if self._place.local else None

    @_retried
    def adopt(self, name: str, draft: Path) -> None:
        """Gives a draft its name, whole and durable."""
        with self._reporting(name):
            disk.adopt(draft, Path(self._path(name)))

    @_retried
    def download(self, name: str, scratch: Path) -> Path:
        """A local path that holds a file: the file itself here, a copy in `scratch` when the folder is remote.

        Raises:
            OutputError: there is no such file.
            UnavailableError: no room for the copy, or the store does not answer.
        """
        if self._place.local:
            return Path(self._path(name))
        target = scratch / name.rsplit("/", 1)[-1]
        with self._reporting(name, target):
            remote.download(self._place, self._path(name), target)
        return target

    @_retried
    def hand_over(self, name: str, target: Folder, target_name: str) -> bool:
        """Gives a file to another folder, whole, in place of any of that name: moves it on one disk, else copies it.

        Between folders of one store nothing passes through this machine; between two stores a copy in the system's
        temporary folder does.

        Returns:
            Whether there is such a file; another process may have moved it before.
        """
        with target._reporting(target_name):
            try:
                self._give(name, target, target_name)
            except failures() as error:
                if is_missing(error):
                    return False
                raise
        return True

    @_retried
    def remove(self, name: str) -> None:
        """Removes a file; nothing happens when it is gone already."""
        with self._reporting(name):
            try:
                self._place.fs.rm_file(self._path(name))
            except failures() as error:
                if not is_missing(error):
                    raise

    @_retried
    def remove_all(self, folder: str, keep: Collection[str] = ()) -> None:
        """Removes every file under a sub-folder; nothing happens when there is none.

        Args:
            folder: its name; empty for all.
            keep: names, from the sub-folder on, of files that stay.
        """
        base = self._path(folder)
        with self._reporting(folder):
            if self._place.local:
                disk.clear(Path(base), keep)
                return
            found = (str(path) for path in self._place.fs.find(base))
            remote.remove(self._place, [path for path in found if path.removeprefix(f"{base}/") not in keep])

    def _give(self, name: str, target: Folder, target_name: str) -> None:
        path, wanted = self._path(name), target._path(target_name)
        if self._place.local and target._place.local:
            disk.adopt(Path(path), Path(wanted))
        elif self._place.local:
            remote.upload(target._place, wanted, Path(path))
        elif target._place.protocol == self._place.protocol:
            self._place.fs.cp_file(path, wanted)
        elif target._place.local:
            draft = disk.draft_path(Path(wanted))
            draft.parent.mkdir(parents=True, exist_ok=True)
            try:
                remote.download(self._place, path, draft)
                disk.adopt(draft, Path(wanted))
            finally:
                draft.unlink(missing_ok=True)
        else:
            with tempfile.TemporaryDirectory(prefix="reelwright-store-") as scratch:
                remote.download(self._place, path, Path(scratch) / "file")
                remote.upload(target._place, wanted, Path(scratch) / "file")

    def _path(self, name: str) -> str:
        return f"{self._base}/{name}" if name else self._base

    @contextmanager
    def _reporting(self, name: str, scratch: Path | None = None) -> Iterator[None]:
        try:
            yield
        except failures() as error:
            here = scratch is not None and is_of_this_disk(error)
            raise failure(error, str(scratch) if here else self.where(name)) from None


def beside(location: str, retry: RetryPolicy = NO_RETRY) -> tuple[Folder, str]:
    """The folder a file lies in, and its name there."""
    parent, slash, name = location.rpartition("/")
    return Folder(parent + slash if parent.endswith(":/") else parent or slash or ".", retry), name
