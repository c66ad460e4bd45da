"""Locations: parses paths and URLs, and opens one shared file system for each kind of store."""

from __future__ import annotations

import os
import re
import shlex
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import fsspec
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from reelwright.store.failures import is_not_found, s3_answer, store_error, store_exceptions
from reelwright.titles.errors import OneLineError, OutputError, UnavailableError, UserError

# A request to a store that does not answer fails after two tries of 15 s. An answer that it is busy (5xx, SlowDown)
# is retried once. A caller that can wait longer retries on the UnavailableError.
_S3: dict[str, Any] = {
    # Other processes write here too, so a cached listing would be wrong.
    "use_listings_cache": False,
    "config_kwargs": {
        "connect_timeout": 5,
        "read_timeout": 15,
        # One request of each thread, and the parts of a few large files.
        "max_pool_connections": 64,
        "retries": {"mode": "standard", "total_max_attempts": 2},
    },
}
_OPTIONS: dict[str, dict[str, Any]] = {"s3": _S3, "memory": {}}
# HTTP status for a range of an empty file.
_NO_RANGE = 416
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+(/[^\s]*)?")
_ADDRESS = re.compile(r"([A-Za-z0-9+.:-]+)://(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Location:
    """A path on a file system in canonical form: absolute, without `.`, `..`, empty parts and a slash at its end.

    Attributes:
        fs: fsspec file system, shared by all users of this kind of store; thread-safe.
        protocol: `file`, `s3` or `memory`.
        path: in the form that the file system uses.
    """

    fs: Any
    protocol: str
    path: str

    @property
    def local(self) -> bool:
        """Whether it is on a file system of this machine."""
        return self.protocol == "file"

    def address(self, path: str) -> str:
        """A path of the same file system, as a person writes it."""
        return path if self.local else f"{self.protocol}://{path.lstrip('/')}"

    def error(
        self,
        error: Exception,
        path: str,
        kind: type[OneLineError] = OutputError,
        *,
        store_kind: type[OneLineError] | None = None,
    ) -> OneLineError:
        """The one-line error for an exception of the file system, see `failures.store_error`.

        An answer to HEAD has no body, and so none of S3's codes: 400 may mean an expired token, another region, or a
        request that is wrong for this object. The answer to GET has the code, so one asks for a byte of the object.

        Args:
            error: one of `store_exceptions()`.
            path: of the file, in the form that the file system uses.
            kind: see `failures.store_error`.
            store_kind: see there.
        """
        where = self.address(path)
        if self.protocol == "s3" and "/" in path and s3_answer(error).code == "400":
            try:
                self.fs.cat_file(path, start=0, end=1)
            except store_exceptions() as answer:
                if not is_not_found(answer) and s3_answer(answer).status != _NO_RANGE:
                    return store_error(answer, where, kind, store_kind=store_kind)
            # The store has another opinion now: of a token that was replaced meanwhile, for one.
            return UnavailableError("the store refused the request for a moment (400)", where, "run it again")
        return store_error(error, where, kind, store_kind=store_kind)

    def is_inside(self, folder: Location) -> bool:
        """Whether it is `folder` or below it, under any name that the file system knows."""
        if self.protocol != folder.protocol:
            return False
        if not self.local:
            return f"{self.path}/".startswith(f"{folder.path}/")
        path, base = Path(os.path.realpath(self.path)), Path(os.path.realpath(folder.path))
        return path.is_relative_to(base) or any(_is_one_file(parent, base) for parent in (path, *path.parents))


def open_location(location: str, kind: type[UserError] = OutputError) -> Location:
    """Parses a location. Sends no request.

    Args:
        location: a local path, or a URL of a local file, `s3://bucket/name` or `memory://name`.
        kind: type of the error to raise.

    Raises:
        UserError: of type `kind`: the name is empty, not UTF-8 or has a NUL, the protocol is not supported, the address
            contains credentials, an empty part, `.`, `..`, a version or no valid bucket name, AWS_ENDPOINT_URL is not
            valid, or the store's client is not installed.
    """
    _check_text(location, kind)
    address = _ADDRESS.fullmatch(location)
    if address is None:
        return _open_local(location)
    protocol, rest = address[1].lower(), address[2]
    if protocol == "file":
        return _open_local(rest)
    authority, slash, path = rest.partition("/")
    where = f"{protocol}://{authority.rpartition('@')[2]}{slash}{path}"
    if protocol not in _OPTIONS:
        raise kind(f"{protocol}:// addresses are not supported", where, "give a path or an s3:// address")
    if "@" in authority:
        raise kind("the address contains credentials", where, "remove them and set the AWS_* variables")
    if protocol == "s3" and not _BUCKET.fullmatch(authority):
        raise kind("that is not a valid bucket name", where, "write s3://BUCKET/NAME")
    if protocol == "s3":
        _check_endpoint(where, kind)
    rest = rest.rstrip("/")
    _check_key(rest, where, kind)
    return Location(_file_system(protocol, where, kind), protocol, f"/{rest}" if protocol == "memory" else rest)


def absolute_location(location: str, kind: type[UserError] = OutputError) -> str:
    """The absolute path or the URL of a location, for a reader that has another working directory than the person.

    Raises:
        UserError: of type `kind`, see `open_location`.
    """
    opened = open_location(location, kind)
    return opened.address(opened.path)


def local_path(location: str, remedy: str, kind: type[UserError] = OutputError) -> Path:
    """The path of a location on a disk of this machine: relative if it is given so.

    Args:
        location: a path or an address with `file://`.
        remedy: what to do about an address of a store.
        kind: type of the error to raise.

    Raises:
        UserError: of type `kind`: it is in a store, or see `open_location`.
    """
    opened = open_location(location, kind)
    if not opened.local:
        raise kind("not on a disk of this machine", location, remedy)
    return Path(opened.path if _ADDRESS.fullmatch(location) else location)


def same_object(first: str, second: str) -> bool:
    """Whether two locations are one file or object, whatever they are called.

    Local files are compared as the file system knows them: through symbolic links, hard links, mounts and letter case.
    Objects are compared by bucket and key, because all S3 locations of a process are on one server. Two keys that
    differ in letter case, percent encoding or Unicode form alone are one object if the store shows one object for both,
    as some servers do.

    Raises:
        UserError: a location is not valid, or the store refuses the request.
        UnavailableError: the store does not answer.
    """
    one, two = open_location(first), open_location(second)
    if one.protocol != two.protocol:
        return False
    if one.path == two.path:
        return True
    if one.local:
        real = os.path.realpath
        return real(one.path) == real(two.path) or _is_one_file(Path(one.path), Path(two.path))
    return _folded(one.path) == _folded(two.path) and _is_one_object(one, two)


def _open_local(path: str) -> Location:
    absolute = Path(path).absolute()
    # After a symbolic link, `..` is not the folder before it: only the file system knows which.
    resolved = os.path.realpath(absolute) if ".." in absolute.parts else str(absolute)
    return Location(LocalFileSystem(), "file", resolved)


def _is_one_file(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:
        return False


def _folded(path: str) -> str:
    return unicodedata.normalize("NFKC", unquote(unquote(path))).casefold()


def _is_one_object(first: Location, second: Location) -> bool:
    found = []
    for location in (first, second):
        try:
            details = location.fs.info(location.path)
        except store_exceptions() as error:
            if is_not_found(error):
                return False
            raise location.error(error, location.path) from None
        found.append(tuple(details.get(key) for key in ("ETag", "size", "LastModified", "created")))
    return found[0] == found[1]


def _check_key(rest: str, where: str, kind: type[UserError]) -> None:
    """Refuses a key that a server, or s3fs, may take for another one."""
    if rest and any(part in {"", ".", ".."} for part in rest.split("/")):
        raise kind("the address has an empty part, `.` or `..`", where, "write the plain address")
    if "?versionId=" in rest:
        raise kind("the address names a version of an object", where, "name the object itself")


def _check_text(location: str, kind: type[UserError]) -> None:
    """Refuses a name that messages and documents, which are UTF-8, cannot hold; the system allows any bytes."""
    if not location:
        raise kind("no file is named", "", "give a path or an s3:// address")
    if "\0" in location:
        raise kind("the name contains a NUL character", location.replace("\0", "\\0"), "correct it")
    try:
        location.encode()
    except UnicodeEncodeError:
        where = os.fsencode(location).decode(errors="backslashreplace")
        raise kind("the name is not UTF-8", where, "rename it, or make a link with another name") from None


def _check_endpoint(where: str, kind: type[UserError]) -> None:
    """Rejects a value for which botocore would raise a traceback."""
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        endpoint = os.environ.get(name)
        if endpoint and not _ENDPOINT.fullmatch(endpoint):
            raise kind(f"{name} is not the address of a server", where, "write it as https://HOST:PORT")


def _file_system(protocol: str, where: str, kind: type[UserError]) -> AbstractFileSystem:
    try:
        # fsspec returns the same object for the same options, so this opens no connection.
        fs: AbstractFileSystem = fsspec.filesystem(protocol, **_OPTIONS[protocol])
    except ImportError:
        raise kind(f"{protocol}:// needs a package", where, "pip install 'reelwright[cluster]'") from None
    if protocol == "s3":
        # botocore retries already; both together would multiply the time until a dead store is detected.
        fs.retries = 1
    return fs


def shell_argument(location: str) -> str:
    """A path or URL as a person types it into a shell, in a command that is printed for them.

    A path that begins with a hyphen would be read as an option.
    """
    return shlex.quote(f"./{location}" if location.startswith("-") else location)
