"""Where a location leads: one shared file system for each kind of store, set up to notice trouble soon."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from reelwright.titles.errors import OutputError, UserError

# A store that has frozen is given up after two tries of 15 s; what a busy one answers (5xx, SlowDown) is tried twice
# too. Whoever can wait longer waits for the UnavailableError to pass.
_S3: dict[str, Any] = {
    # Listings must be fresh: other processes write here too.
    "use_listings_cache": False,
    "config_kwargs": {
        "connect_timeout": 5,
        "read_timeout": 15,
        # One request at a time of each thread, and the parts of a few large files.
        "max_pool_connections": 64,
        "retries": {"mode": "standard", "total_max_attempts": 2},
    },
}
_OPTIONS: dict[str, dict[str, Any]] = {"s3": _S3, "memory": {}}
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+(/[^\s]*)?")
_ADDRESS = re.compile(r"([A-Za-z0-9+.:-]+)://(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Location:
    """A path on a file system.

    Attributes:
        fs: the fsspec file system, shared by all that use its kind of store; thread-safe.
        protocol: `file`, `s3` or `memory`.
        path: as the file system names it.
    """

    fs: Any
    protocol: str
    path: str

    @property
    def local(self) -> bool:
        """Whether it is on this machine's file system."""
        return self.protocol == "file"

    def address(self, path: str) -> str:
        """A path of the same file system as a person writes it."""
        return path if self.local else f"{self.protocol}://{path.lstrip('/')}"


def open_location(location: str, kind: type[UserError] = OutputError) -> Location:
    """Finds where a location leads, without asking there.

    Args:
        location: a local path, or a URL of a local file, `s3://bucket/name` or `memory://name`.
        kind: the error to raise.

    Raises:
        UserError: of that kind, for other protocols, addresses with credentials in them and stores whose client is
            not installed.
    """
    address = _ADDRESS.fullmatch(location)
    if address is None:
        return Location(LocalFileSystem(), "file", str(Path(location).absolute()))
    protocol, rest = address[1].lower(), address[2]
    if protocol == "file":
        return Location(LocalFileSystem(), "file", str(Path(rest).absolute()))
    authority, slash, path = rest.partition("/")
    where = f"{protocol}://{authority.rpartition('@')[2]}{slash}{path}"
    if protocol not in _OPTIONS:
        raise kind(f"{protocol}:// addresses are not read here", where, "give a path or an s3:// address")
    if "@" in authority:
        raise kind("there are credentials in the address", where, "set them as AWS_* variables and leave them out here")
    if protocol == "s3" and not _BUCKET.fullmatch(authority):
        raise kind("no bucket can have that name", where, "write s3://BUCKET/NAME")
    if protocol == "s3":
        _check_endpoint(where, kind)
    return Location(_file_system(protocol, where, kind), protocol, f"/{rest}" if protocol == "memory" else rest)


def _check_endpoint(where: str, kind: type[UserError]) -> None:
    """Refuses what botocore would answer with a traceback."""
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        endpoint = os.environ.get(name)
        if endpoint and not _ENDPOINT.fullmatch(endpoint):
            raise kind(f"{name} is not the address of a server", where, "write it as https://HOST:PORT")


def _file_system(protocol: str, where: str, kind: type[UserError]) -> AbstractFileSystem:
    try:
        # fsspec hands out the same object for the same options, so opening costs no connection.
        fs: AbstractFileSystem = fsspec.filesystem(protocol, **_OPTIONS[protocol])
    except ImportError:
        raise kind(f"{protocol}:// needs a package", where, "pip install 'reelwright[cluster]'") from None
    if protocol == "s3":
        # botocore tries again already; both together would multiply the time until a dead store is noticed.
        fs.retries = 1
    return fs
