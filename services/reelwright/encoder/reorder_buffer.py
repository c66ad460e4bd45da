"""Puts the batches of one segment in order before they are encoded."""

from __future__ import annotations

from reelwright.titles.errors import InternalError
from reelwright.wire.frames_pb2 import RestoredBatch


class ReorderBuffer:
    """Holds the batches of a segment, which arrive in any order and repeatedly, until their turn. Not thread-safe."""

    def __init__(self) -> None:
        self._waiting: dict[int, RestoredBatch] = {}
        self._next = 0
        self._last: int | None = None

    def insert(self, batch: RestoredBatch) -> None:
        """Adds a batch. Of two copies the first is kept, and a batch that was used is ignored.

        Raises:
            InternalError: the batch has a higher number than the last batch of the segment.
        """
        if batch.last:
            self._last = batch.batch
        highest = max(batch.batch, *self._waiting, 0)
        if self._last is not None and highest > self._last:
            raise InternalError(f"segment {batch.segment}: batch {highest} lies behind the last, {self._last}")
        if not self.has(batch.batch):
            self._waiting[batch.batch] = batch

    def has(self, number: int) -> bool:
        """Whether a batch of this number is here or was used, so that another copy of it is ignored."""
        return number < self._next or number in self._waiting

    def next_batch(self) -> RestoredBatch | None:
        """The next batch in order, which stays here; None when it has not arrived."""
        return self._waiting.get(self._next)

    def mark_used(self) -> None:
        """Removes the next batch and moves on to the one after it."""
        del self._waiting[self._next]
        self._next += 1

    def discard_next(self) -> None:
        """Removes the next batch; another copy of it must arrive."""
        del self._waiting[self._next]

    @property
    def whole(self) -> bool:
        """Whether every batch that is not used yet is here."""
        return self._last is not None and all(number in self._waiting for number in range(self._next, self._last + 1))

    @property
    def complete(self) -> bool:
        """Whether every batch up to the last was used."""
        return self._last is not None and self._next > self._last
