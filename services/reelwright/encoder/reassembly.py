"""Puts the batches of one segment back in order."""

from __future__ import annotations

from reelwright.titles.errors import InternalError
from reelwright.wire.frames_pb2 import RestoredBatch


class Reassembly:
    """Takes a segment's batches in any order, with duplicates, and gives each one once, in order. Not thread-safe."""

    def __init__(self) -> None:
        self._waiting: dict[int, RestoredBatch] = {}
        self._next = 0
        self._last: int | None = None

    def add(self, batch: RestoredBatch) -> None:
        """Takes a batch in; of two copies the first one counts.

        Raises:
            InternalError: a batch lies behind the one that ends the segment.
        """
        if batch.last:
            self._last = batch.batch
        highest = max(batch.batch, *self._waiting, 0)
        if self._last is not None and highest > self._last:
            raise InternalError(f"segment {batch.segment}: batch {highest} lies behind the last, {self._last}")
        if batch.batch >= self._next:
            self._waiting.setdefault(batch.batch, batch)

    def peek(self) -> RestoredBatch | None:
        """The batch that comes next, if it is here; it stays until `advance` or `refuse`."""
        return self._waiting.get(self._next)

    def advance(self) -> None:
        """The batch that `peek` gave was used."""
        del self._waiting[self._next]
        self._next += 1

    def refuse(self) -> None:
        """The batch that `peek` gave cannot be used: another copy of it is awaited."""
        del self._waiting[self._next]

    @property
    def complete(self) -> bool:
        """Every batch up to the last was used."""
        return self._last is not None and self._next > self._last
