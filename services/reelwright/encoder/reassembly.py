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

    def add(self, batch: RestoredBatch) -> list[RestoredBatch]:
        """The batches that are now in order, which may be none.

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
        ready = []
        while self._next in self._waiting:
            ready.append(self._waiting.pop(self._next))
            self._next += 1
        return ready

    @property
    def complete(self) -> bool:
        """Every batch up to the last was given out."""
        return self._last is not None and self._next > self._last
