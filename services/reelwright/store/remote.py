"""Operations of object stores: conditional creation, transfers in parts, removal of many objects at once."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from reelwright.store.failures import s3_answer, store_exceptions
from reelwright.store.location import Location

# Parts of 16 MiB, four at a time: 64 MiB of memory for a film of any length. S3 takes 10,000 parts of an object.
_PART_BYTES = 16 << 20
_PARTS_AT_ONCE = 4
_MAX_PARTS = 10_000
# Limit of one DeleteObjects request.
_MAX_REMOVED = 1000
_NO_RANGE = {"InvalidRange", "416"}
_NOT_IMPLEMENTED = {"NotImplemented", "501"}
_TAKEN = {"PreconditionFailed", "412"}
_CONFLICTS = {"ConditionalRequestConflict", "409"}
_CONFLICT_TRIES = 10
_CONFLICT_PAUSE = 0.05

# Whether the server at an endpoint supports `If-None-Match`; absent until the first creation there.
_supports_conditions: dict[str, bool] = {}


def read(location: Location, path: str, limit: int | None = None) -> bytes:
    """Reads a file with one request.

    Args:
        location: of the store.
        path: of the file.
        limit: most bytes to read, from the start; all of them if None.

    Raises:
        OSError: see `store_exceptions`; FileNotFoundError where there is none.
    """
    # With a larger value s3fs requests the size first.
    options = {"max_concurrency": 1} if location.protocol == "s3" else {}
    if limit is not None:
        options |= {"start": 0, "end": limit}
    try:
        return bytes(location.fs.cat_file(path, **options))
    except OSError as error:
        # An empty file has no range.
        if limit is not None and s3_answer(error).code in _NO_RANGE:
            return b""
        raise


def create(location: Location, path: str, data: bytes) -> bool:
    """Creates a file; returns False, and changes nothing, when one of that name exists.

    Uses a conditional write (`If-None-Match: *`): of several at the same time, the store accepts one. A store without
    conditional writes answers 501, or overwrites despite the condition. There, existence is checked before a plain
    write, and two writers at the same moment may both succeed.

    Raises:
        OSError: see `store_exceptions`.
    """
    endpoint = str(location.fs.s3.meta.endpoint_url) if location.protocol == "s3" else ""
    if not _supports_conditions.get(endpoint, True):
        return _create_after_check(location, path, data)
    try:
        created = _create_if_absent(location, path, data)
    except OSError as error:
        if s3_answer(error).code not in _NOT_IMPLEMENTED:
            raise
        _supports_conditions[endpoint] = False
        return _create_after_check(location, path, data)
    if created and endpoint not in _supports_conditions:
        # Some servers ignore the condition. Creating the same content a second time is harmless and detects that. The
        # file is there whatever becomes of it: where it fails, the next creation detects.
        with suppress(*store_exceptions()):
            _supports_conditions[endpoint] = not _create_if_absent(location, path, data)
    return created


def list_page(location: Location, folder: str, after: str, token: str) -> tuple[list[str], str]:
    """Names of files and folders directly in a folder of a store with pages, in order.

    Args:
        location: on S3.
        folder: path of the folder.
        after: names begin after this one; empty for the start.
        token: what the page before returned; empty for the first page.

    Returns:
        The names, and the token of the next page; empty when this is the last one.

    Raises:
        OSError: see `store_exceptions`.
    """
    bucket, _, key = f"{folder}/".partition("/")
    start = {"ContinuationToken": token} if token else {"StartAfter": f"{key}{after}"} if after else {}
    page = location.fs.call_s3("list_objects_v2", Bucket=bucket, Prefix=key, Delimiter="/", **start)
    paths = [item["Key"] for item in page.get("Contents", ())]
    paths += [item["Prefix"].rstrip("/") for item in page.get("CommonPrefixes", ())]
    names = {path.removeprefix(key) for path in paths}
    # The key of a folder ends with a slash, and so it comes after its own name.
    return sorted(names - {"", after}), page.get("NextContinuationToken", "")


def upload(location: Location, path: str, local: Path) -> None:
    """Uploads a local file, with bounded memory.

    Raises:
        OSError: see `store_exceptions`.
    """
    part = max(_PART_BYTES, math.ceil(local.stat().st_size / _MAX_PARTS))
    location.fs.put_file(str(local), path, **_transfer(location, part))


def download(location: Location, path: str, local: Path) -> None:
    """Downloads a file, with bounded memory.

    Raises:
        OSError: see `store_exceptions`; also for the local disk.
    """
    location.fs.get_file(path, str(local), **_transfer(location, _PART_BYTES))


def remove(location: Location, paths: Sequence[str]) -> None:
    """Removes files, on S3 up to 1000 with one request; ignores missing ones.

    Raises:
        OSError: see `store_exceptions`; some of the files may be removed.
    """
    if location.protocol != "s3":
        for path in paths:
            with suppress(FileNotFoundError):
                location.fs.rm_file(path)
        return
    for first in range(0, len(paths), _MAX_REMOVED):
        split = [path.partition("/") for path in paths[first : first + _MAX_REMOVED]]
        wanted = {"Objects": [{"Key": key} for _, _, key in split], "Quiet": True}
        answer = location.fs.call_s3("delete_objects", Bucket=split[0][0], Delete=wanted)
        if answer.get("Errors"):
            raise _RemovalError(answer["Errors"][0])


class _RemovalError(OSError):
    """One of several removals failed; has the server's answer where `s3_answer` looks for it."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__("not removed")
        self.response = {"Error": error}


def _transfer(location: Location, part: int) -> dict[str, int]:
    return {"chunksize": part, "max_concurrency": _PARTS_AT_ONCE} if location.protocol == "s3" else {}


def _create_if_absent(location: Location, path: str, data: bytes) -> bool:
    for tries in range(1, _CONFLICT_TRIES + 1):
        taken = False
        try:
            location.fs.pipe_file(path, data, mode="create")
        except FileExistsError:
            taken = True
        except OSError as error:
            code = s3_answer(error).code
            taken = code in _TAKEN
            if not taken and (code not in _CONFLICTS or tries == _CONFLICT_TRIES):
                raise
        else:
            return True
        # A write that is under way can make the store refuse a name that does not exist yet.
        if taken and location.fs.exists(path):
            return False
        # Another process is writing the same name; the winner is visible soon.
        time.sleep(_CONFLICT_PAUSE)
    # Refused, and yet no such object exists: some servers block the name of a write that was interrupted by a full disk
    # or a kill. No conditional write to it would ever succeed again.
    location.fs.pipe_file(path, data)
    return True


def _create_after_check(location: Location, path: str, data: bytes) -> bool:
    if location.fs.exists(path):
        return False
    location.fs.pipe_file(path, data)
    return True
