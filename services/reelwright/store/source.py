"""A source read by ranges where it lies: never copied, never held whole, and noticed when it changes meanwhile."""

from __future__ import annotations

import io
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from reelwright.store import remote
from reelwright.store.failures import answer_of, failure, failures, is_missing
from reelwright.store.location import Location
from reelwright.titles.errors import InputError, UnavailableError

# A jump costs one block. Reading on from there doubles what is fetched at once, up to 4 MiB: a request every 4 MiB
# hides a distant store's latency from any film.
BLOCK_BYTES = 256 << 10
_MOST_AT_ONCE = 16
# 16 MiB: what a demuxer goes back to, and several places that it reads in turn.
_MOST_HELD = 64
_MOST_SEQUENCES = 8
# How long a store may fail before the reader is told; one that does not answer at all takes longer by itself.
_PATIENCE_SECONDS = 5.0
_PAUSE_SECONDS = 0.3
_CHANGED = {"PreconditionFailed", "412", "InvalidRange", "416"}


class Source(io.RawIOBase):
    """A file in a store as a seekable stream. Not thread-safe; twins may be used by several threads.

    Reading raises InputError when the file is gone or no longer the one that was opened, and UnavailableError when
    the store does not answer.

    Args:
        blocks: the file's content.
        name: its address.
    """

    def __init__(self, blocks: Blocks, name: str) -> None:
        super().__init__()
        self._blocks, self.name, self._at = blocks, name, 0

    def twin(self) -> Source:
        """The same opened file with a place of its own; what one has fetched the other need not."""
        return Source(self._blocks, self.name)

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """The place in bytes."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """The new place; past the end there is nothing to read.

        Raises:
            ValueError: before the start.
        """
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._blocks.size}[whence]
        if start + offset < 0:
            raise ValueError(f"no place {start + offset}")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fills the buffer, less only at the file's end; the number of bytes."""
        data = self._blocks.read(self._at, len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class Blocks:
    """A file's content in blocks, of which the last used are held. Thread-safe.

    Args:
        fetch: the bytes from one offset to another, before the second.
        size: of the file.
        block_bytes: of a block.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size: int, block_bytes: int = BLOCK_BYTES) -> None:
        self.size, self._unit = size, block_bytes
        self._fetch = fetch
        self._held: OrderedDict[int, bytes] = OrderedDict()
        # Where sequential reading would go on: the block after a fetch, and how many that fetch was.
        self._sequences: OrderedDict[int, int] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, start: int, length: int) -> bytes:
        """Bytes from `start` on, less than `length` only at the file's end."""
        end = min(start + length, self.size)
        if start >= end:
            return b""
        first, beyond = start // self._unit, -(-end // self._unit)
        with self._lock:
            joined = b"".join(self._block(number, beyond) for number in range(first, beyond))
        skipped = start - first * self._unit
        return joined[skipped : skipped + end - start]

    def _block(self, number: int, wanted: int) -> bytes:
        """A block; where it is not held, those up to `wanted` and some ahead of it are fetched with it."""
        if number not in self._held:
            self._load(number, self._count(number, wanted))
        self._held.move_to_end(number)
        return self._held[number]

    def _count(self, number: int, wanted: int) -> int:
        ahead = 2 * self._sequences.pop(number, 0)
        last = -(-self.size // self._unit)
        most = min(max(wanted - number, ahead), _MOST_AT_ONCE, last - number)
        return next((count for count in range(1, most) if number + count in self._held), most)

    def _load(self, number: int, count: int) -> None:
        start = number * self._unit
        data = self._fetch(start, min(start + count * self._unit, self.size))
        for index in range(count):
            self._held[number + index] = data[index * self._unit : (index + 1) * self._unit]
        self._sequences[number + count] = count
        _shorten(self._held, _MOST_HELD)
        _shorten(self._sequences, _MOST_SEQUENCES)


def open_ranged(place: Location) -> Source:
    """Opens a file in a store.

    Raises:
        InputError: there is no such file, or it cannot be read.
        UnavailableError: the store does not answer.
    """
    where = place.address(place.path)
    try:
        blocks = _s3_blocks(place, where) if place.protocol == "s3" else _plain_blocks(place, where)
    except failures() as error:
        if is_missing(error):
            raise InputError("no such file", where, "check the address") from None
        raise failure(error, where, InputError) from None
    return Source(blocks, where)


def _s3_blocks(place: Location, where: str) -> Blocks:
    # Each of its requests names the ETag seen here (If-Match), so that no two states of a file are ever mixed.
    file = place.fs.open(place.path, "rb", cache_type="none")
    _refuse_folder(file.details["type"], where)

    def fetch(start: int, end: int) -> bytes:
        file.seek(start)
        return bytes(file.read(end - start))

    return Blocks(_Watched(fetch, where), int(file.size))


def _plain_blocks(place: Location, where: str) -> Blocks:
    details = place.fs.info(place.path)
    _refuse_folder(details["type"], where)
    return Blocks(_Watched(lambda start, end: remote.read(place, place.path)[start:end], where), int(details["size"]))


def _refuse_folder(kind: str, where: str) -> None:
    if kind == "directory":
        raise InputError("a folder, not a film", where, "name one film file in it")


class _Watched:
    """Fetches ranges; waits out a short failure, and tells a change of the file from damage to it."""

    def __init__(self, fetch: Callable[[int, int], bytes], where: str) -> None:
        self._fetch, self._where = fetch, where

    def __call__(self, start: int, end: int) -> bytes:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                data = self._fetch(start, end)
            except failures() as error:
                told = self._told(error)
                if not isinstance(told, UnavailableError) or time.monotonic() > deadline:
                    raise told from None
                time.sleep(_PAUSE_SECONDS)
                continue
            if len(data) != end - start:
                raise self._changed()
            return data

    def _told(self, error: Exception) -> Exception:
        if is_missing(error):
            return InputError("the source was removed while it was read", self._where, "put it back and submit again")
        if answer_of(error).code in _CHANGED:
            return self._changed()
        return failure(error, self._where, InputError)

    def _changed(self) -> InputError:
        return InputError("the source changed while it was read", self._where, "submit it again")


def _shorten(items: OrderedDict[int, bytes] | OrderedDict[int, int], most: int) -> None:
    while len(items) > most:
        items.popitem(last=False)
