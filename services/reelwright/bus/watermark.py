"""The contiguous watermark of one partition: how far everything that was delivered is also finished."""

from __future__ import annotations

from collections import deque


class Watermark:
    """Turns finishes in any order into the one offset a consumer group may commit.

    Offsets are delivered in increasing order, with gaps where the broker has them (compaction, transactions).

    Args:
        position: the first offset that may be delivered.
    """

    def __init__(self, position: int = 0) -> None:
        self._next = position
        # The deque keeps the order and may hold finished offsets behind an open one.
        self._delivered: deque[int] = deque()
        self._open: set[int] = set()

    @property
    def position(self) -> int:
        """The offset to commit: every delivered offset below it is finished, it itself is not."""
        return self._delivered[0] if self._delivered else self._next

    @property
    def next(self) -> int:
        """The lowest offset that may be delivered next."""
        return self._next

    @property
    def outstanding(self) -> int:
        """How many delivered offsets are not finished."""
        return len(self._open)

    def deliver(self, offset: int) -> None:
        """Notes that `offset` was handed out.

        Raises:
            ValueError: `offset` is not above every offset delivered before.
        """
        if offset < self._next:
            raise ValueError(f"offset {offset} delivered after {self._next - 1}")
        self._delivered.append(offset)
        self._open.add(offset)
        self._next = offset + 1

    def acknowledge(self, offset: int) -> bool:
        """Notes that `offset` is finished and tells whether the position moved.

        An offset below the position, or one that was never delivered here, changes nothing: both are left-overs
        of an earlier assignment of the partition.
        """
        if offset not in self._open:
            return False
        before = self.position
        self._open.remove(offset)
        while self._delivered and self._delivered[0] not in self._open:
            self._delivered.popleft()
        return self.position != before
