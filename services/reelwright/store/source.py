"""A source read by ranges from the store: never copied, never held whole; a change while reading is detected."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from reelwright.store import remote
from reelwright.store.failures import is_not_found, s3_answer, store_error, store_exceptions
from reelwright.store.location import Location
from reelwright.store.retry import RetryPolicy
from reelwright.titles.errors import InputError

# A seek costs one block. Reading on from there doubles the size of each request, up to 4 MiB: one request every 4 MiB
# hides the latency of a distant store from any film.
BLOCK_BYTES = 256 << 10
_MAX_BLOCKS_PER_REQUEST = 16
# 16 MiB: what a demuxer seeks back to, and several positions that it reads in turn.
_MAX_CACHED_BLOCKS = 64
_MAX_SEQUENCES = 8
# How long reads retry before the reader gets the error. A request to a store that does not answer takes longer itself.
_RETRY_SECONDS = 5.0
_CHANGED = {"PreconditionFailed", "412", "InvalidRange", "416"}


class Source(io.RawIOBase):
    """A file in a store as a seekable stream. Not thread-safe; several threads may use one `reopen` each.

    Reading raises InputError when the file is missing or has changed since it was opened, and UnavailableError when the
    store does not answer.

    Args:
        blocks: the file's content.
        name: the file's address.
        version: a text that the store changes when the file is replaced; an ETag on S3.

    Attributes:
        name: the file's address.
        version: see above.
    """

    def __init__(self, blocks: BlockCache, name: str, version: str = "") -> None:
        super().__init__()
        self._blocks, self.name, self.version, self._position = blocks, name, version, 0

    def reopen(self) -> Source:
        """A second stream on the same opened file, with its own position and the same cached blocks."""
        return Source(self._blocks, self.name, self.version)

    def readable(self) -> bool:
        """True, for `io.BufferedReader`."""
        return True

    def seekable(self) -> bool:
        """True, for `io.BufferedReader`."""
        return True

    def tell(self) -> int:
        """The position in bytes from the start."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Sets the position and returns it; a position after the end reads nothing.

        Raises:
            ValueError: the position is before the start.
        """
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._blocks.size}[whence]
        if start + offset < 0:
            raise ValueError(f"negative position {start + offset}")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fills the buffer and returns the number of bytes read, which is smaller only at the file's end."""
        data = self._blocks.read(self._position, len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


class BlockCache:
    """The content of a file in blocks of equal size, of which the last used 64 are cached. Thread-safe.

    Args:
        fetch: reads bytes from the first offset up to, not including, the second.
        size: of the file in bytes.
        block_bytes: of a block.

    Attributes:
        size: of the file in bytes.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size: int, block_bytes: int = BLOCK_BYTES) -> None:
        self.size, self._block_bytes = size, block_bytes
        self._fetch = fetch
        self._cached: OrderedDict[int, bytes] = OrderedDict()
        # Read-ahead: the block after each of the last requests, and how many blocks that request had.
        self._sequences: OrderedDict[int, int] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def cached_bytes(self) -> int:
        """Bytes of the cached blocks."""
        with self._lock:
            return sum(map(len, self._cached.values()))

    def read(self, start: int, length: int) -> bytes:
        """Reads `length` bytes from `start`; fewer only at the file's end."""
        end = min(start + length, self.size)
        if start >= end:
            return b""
        first, stop = start // self._block_bytes, -(-end // self._block_bytes)
        with self._lock:
            joined = b"".join(self._block(number, stop) for number in range(first, stop))
        skipped = start - first * self._block_bytes
        return joined[skipped : skipped + end - start]

    def _block(self, number: int, stop: int) -> bytes:
        """A block. When it is not cached, those before `stop` and some read-ahead are fetched with it."""
        if number not in self._cached:
            self._load(number, self._blocks_to_load(number, stop))
        self._cached.move_to_end(number)
        return self._cached[number]

    def _blocks_to_load(self, number: int, stop: int) -> int:
        ahead = 2 * self._sequences.pop(number, 0)
        last = -(-self.size // self._block_bytes)
        most = min(max(stop - number, ahead), _MAX_BLOCKS_PER_REQUEST, last - number)
        return next((count for count in range(1, most) if number + count in self._cached), most)

    def _load(self, number: int, count: int) -> None:
        unit = self._block_bytes
        data = self._fetch(number * unit, min((number + count) * unit, self.size))
        for index in range(count):
            self._cached[number + index] = data[index * unit : (index + 1) * unit]
        self._sequences[number + count] = count
        _drop_oldest(self._cached, _MAX_CACHED_BLOCKS)
        _drop_oldest(self._sequences, _MAX_SEQUENCES)


def open_ranged(location: Location) -> Source:
    """Opens a file in a store.

    Raises:
        InputError: there is no such file, or it cannot be read.
        UnavailableError: the store does not answer.
    """
    address = location.address(location.path)
    try:
        opened = _open_s3(location, address) if location.protocol == "s3" else _open_other(location, address)
    except store_exceptions() as error:
        if is_not_found(error):
            raise InputError("no such file", address, "check the address") from None
        raise location.error(error, location.path, InputError) from None
    return Source(opened[0], address, opened[1])


def _open_s3(location: Location, address: str) -> tuple[BlockCache, str]:
    # Each request of this file object names the ETag seen here (If-Match), so two versions of a file are never mixed.
    file = location.fs.open(location.path, "rb", cache_type="none")
    _reject_folder(file.details["type"], address)

    def fetch(start: int, end: int) -> bytes:
        file.seek(start)
        return bytes(file.read(end - start))

    return BlockCache(_RangeReader(fetch, address), int(file.size)), str(file.details["ETag"])


def _open_other(location: Location, address: str) -> tuple[BlockCache, str]:
    details = location.fs.info(location.path)
    _reject_folder(details["type"], address)
    fetch = _RangeReader(lambda start, end: remote.read(location, location.path)[start:end], address)
    return BlockCache(fetch, int(details["size"])), str(details.get("created", ""))


def _reject_folder(kind: str, address: str) -> None:
    if kind == "directory":
        raise InputError("a folder, not a film", address, "name one film file in it")


class _RangeReader:
    """Reads ranges; retries for some seconds, and distinguishes a change of the file from damage to it."""

    def __init__(self, fetch: Callable[[int, int], bytes], address: str) -> None:
        self._fetch, self._address = fetch, address
        self._retry = RetryPolicy(_RETRY_SECONDS)

    def __call__(self, start: int, end: int) -> bytes:
        return self._retry.call(partial(self._read, start, end))

    def _read(self, start: int, end: int) -> bytes:
        try:
            data = self._fetch(start, end)
        except store_exceptions() as error:
            if is_not_found(error):
                what = "the source was removed while it was read"
                raise InputError(what, self._address, "put it back and submit again") from None
            if s3_answer(error).code in _CHANGED:
                raise self._changed() from None
            raise store_error(error, self._address, InputError) from None
        if len(data) != end - start:
            raise self._changed()
        return data

    def _changed(self) -> InputError:
        return InputError("the source changed while it was read", self._address, "submit it again")


def _drop_oldest(items: OrderedDict[int, bytes] | OrderedDict[int, int], most: int) -> None:
    while len(items) > most:
        items.popitem(last=False)
