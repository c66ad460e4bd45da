"""What object stores do in their own way: creating what is not there, large transfers, removing many at once."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reelwright.store.failures import answer_of
from reelwright.store.location import Location

# Parts of 16 MiB, four at a time: 64 MiB of memory for a film of any length. S3 takes 10,000 parts of an object.
_PART_BYTES = 16 << 20
_PARTS_AT_ONCE = 4
_MOST_PARTS = 10_000
# What DeleteObjects takes in one request.
_MOST_REMOVED = 1000
_UNKNOWN_CONDITION = {"NotImplemented", "501"}
_TAKEN = {"PreconditionFailed", "412"}
_CONFLICTS = {"ConditionalRequestConflict", "409"}
_CONFLICT_TRIES = 10
_CONFLICT_PAUSE = 0.05

# Whether the server at an endpoint heeds `If-None-Match`, as far as it was seen.
_heeds: dict[str, bool] = {}


def read(place: Location, path: str) -> bytes:
    """A file's bytes, by one request.

    Raises:
        OSError: see `failures`; FileNotFoundError where there is none.
    """
    # With more than one at a time s3fs asks for the size first.
    options = {"max_concurrency": 1} if place.protocol == "s3" else {}
    return bytes(place.fs.cat_file(path, **options))


def create(place: Location, path: str, data: bytes) -> bool:
    """Writes a new file; False, and nothing is changed, where there is one already.

    By a conditional write (`If-None-Match: *`), of which the store lets one of several at once succeed. A store
    without them, which answers 501 or overwrites in spite of the condition, gets a look and then a plain write: two
    writers within that moment may both succeed.

    Raises:
        OSError: see `failures`.
    """
    endpoint = str(place.fs.s3.meta.endpoint_url) if place.protocol == "s3" else ""
    if not _heeds.get(endpoint, True):
        return _create_after_a_look(place, path, data)
    try:
        created = _create_if_absent(place, path, data)
        if created and endpoint not in _heeds:
            # Some servers ignore conditions in silence. The same content again does no harm and shows it.
            _heeds[endpoint] = not _create_if_absent(place, path, data)
    except OSError as error:
        if answer_of(error).code not in _UNKNOWN_CONDITION:
            raise
        _heeds[endpoint] = False
        return _create_after_a_look(place, path, data)
    return created


def upload(place: Location, path: str, local: Path) -> None:
    """Copies a local file there whole, with bounded memory.

    Raises:
        OSError: see `failures`.
    """
    part = max(_PART_BYTES, math.ceil(local.stat().st_size / _MOST_PARTS))
    place.fs.put_file(str(local), path, **_transfer(place, part))


def download(place: Location, path: str, local: Path) -> None:
    """Copies a file from there, with bounded memory.

    Raises:
        OSError: see `failures`; also of the local disk.
    """
    place.fs.get_file(path, str(local), **_transfer(place, _PART_BYTES))


def remove(place: Location, paths: Sequence[str]) -> None:
    """Removes files, many in one request where the store can; nothing happens for those that are gone.

    Raises:
        OSError: see `failures`; some may be removed then.
    """
    if place.protocol != "s3":
        for path in paths:
            place.fs.rm_file(path)
        return
    for first in range(0, len(paths), _MOST_REMOVED):
        split = [path.partition("/") for path in paths[first : first + _MOST_REMOVED]]
        wanted = {"Objects": [{"Key": key} for _, _, key in split], "Quiet": True}
        answer = place.fs.call_s3("delete_objects", Bucket=split[0][0], Delete=wanted)
        if answer.get("Errors"):
            raise _Refused(answer["Errors"][0])


class _Refused(OSError):
    """One of several removals failed; read as any other answer of the server."""

    def __init__(self, said: dict[str, Any]) -> None:
        super().__init__("not removed")
        self.response = {"Error": said}


def _transfer(place: Location, part: int) -> dict[str, int]:
    return {"chunksize": part, "max_concurrency": _PARTS_AT_ONCE} if place.protocol == "s3" else {}


def _create_if_absent(place: Location, path: str, data: bytes) -> bool:
    for attempt in range(1, _CONFLICT_TRIES + 1):
        taken = False
        try:
            place.fs.pipe_file(path, data, mode="create")
        except FileExistsError:
            taken = True
        except OSError as error:
            code = answer_of(error).code
            taken = code in _TAKEN
            if not taken and (code not in _CONFLICTS or attempt == _CONFLICT_TRIES):
                raise
        else:
            return True
        # Only what is there counts: a name may be taken by a write under way.
        if taken and place.fs.exists(path):
            return False
        # Another is writing the same name at this moment; who was first shows soon.
        time.sleep(_CONFLICT_PAUSE)
    # Taken by nothing: some servers keep the name of a write that was cut off by a full disk or a kill. No condition
    # will ever hold for it again.
    place.fs.pipe_file(path, data)
    return True


def _create_after_a_look(place: Location, path: str, data: bytes) -> bool:
    if place.fs.exists(path):
        return False
    place.fs.pipe_file(path, data)
    return True
