"""Bound on the bytes of messages that the broker has not acknowledged; kafka-python has no such bound."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from reelwright.bus.protocol import BusClosed, BusFull


class ByteBudget:
    """Bytes that all publishers of a bus share. Thread-safe.

    Args:
        max_bytes: most bytes reserved at the same time; a larger message passes when nothing else is reserved.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._reserved = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def reserved_bytes(self) -> int:
        """Bytes that are reserved now."""
        with self._changed:
            return self._reserved

    @contextmanager
    def reserve(self, topic: str, size: int, timeout: float | None) -> Iterator[None]:
        """Reserves `size` bytes for the duration of a `with` block.

        Args:
            topic: named by the errors.
            size: bytes.
            timeout: seconds to wait for room; None waits without a limit.

        Raises:
            BusFull: there was no room within `timeout`.
            BusClosed: `close` was called.
        """
        with self._changed:
            admitted = self._changed.wait_for(lambda: self._closed or self._has_room(size), timeout)
            if self._closed:
                raise BusClosed(topic)
            if not admitted:
                raise BusFull(topic, timeout)
            self._reserved += size
        try:
            yield
        finally:
            with self._changed:
                self._reserved -= size
                self._changed.notify_all()

    def close(self) -> None:
        """Ends every wait with BusClosed."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _has_room(self, size: int) -> bool:
        return self._reserved == 0 or self._reserved + size <= self._max_bytes
