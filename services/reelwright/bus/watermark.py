"""The contiguous watermark of one partition: the offset below which every delivered record is acknowledged."""

from __future__ import annotations

from collections import deque


class Watermark:
    """Turns acknowledgements in any order into the one offset that a consumer group may commit. Not thread-safe.

    Offsets are delivered in increasing order, with gaps where the broker has them (compaction, transactions).

    Args:
        position: the first offset that may be delivered.
    """

    def __init__(self, position: int = 0) -> None:
        self._position = position
        # In delivery order; acknowledged offsets stay behind an earlier one that is not acknowledged.
        self._delivered: deque[int] = deque()
        self._unacknowledged: set[int] = set()

    @property
    def committable(self) -> int:
        """The offset to commit: the lowest one that is not acknowledged; `position` when all are."""
        return self._delivered[0] if self._delivered else self._position

    @property
    def position(self) -> int:
        """The lowest offset that may be delivered next, as Kafka uses the word."""
        return self._position

    @property
    def unacknowledged(self) -> int:
        """How many delivered offsets are not acknowledged."""
        return len(self._unacknowledged)

    def mark_delivered(self, offset: int) -> None:
        """Records that `offset` was delivered.

        Raises:
            ValueError: `offset` is not above every offset delivered before.
        """
        if offset < self._position:
            raise ValueError(f"offset {offset} delivered after {self._position - 1}")
        self._delivered.append(offset)
        self._unacknowledged.add(offset)
        self._position = offset + 1

    def acknowledge(self, offset: int) -> bool:
        """Records that `offset` is finished and returns whether `committable` has moved.

        An offset that was acknowledged before, or never delivered here, changes nothing: it belongs to an earlier
        assignment of the partition.
        """
        if offset not in self._unacknowledged:
            return False
        before = self.committable
        self._unacknowledged.remove(offset)
        while self._delivered and self._delivered[0] not in self._unacknowledged:
            self._delivered.popleft()
        return self.committable != before
