"""The bound on messages that the broker has not acknowledged: kafka-python itself has none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from reelwright.bus.protocol import BusClosed, BusFull


class ByteBudget:
    """Bytes shared by all publishers. Thread-safe.

    Args:
        max_bytes: held at once; a larger message passes alone.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held = 0
        self._closed = False
        self._change = threading.Condition()

    @property
    def held_bytes(self) -> int:
        """How much is taken now."""
        return self._held

    @contextmanager
    def taken(self, topic: str, size: int, timeout: float | None) -> Iterator[None]:
        """Takes `size` bytes for the length of a `with` block.

        Raises:
            BusFull: there was no room within `timeout` seconds; None waits without a limit.
            BusClosed: `close` was called.
        """
        with self._change:
            admitted = self._change.wait_for(lambda: self._closed or self._fits(size), timeout)
            if self._closed:
                raise BusClosed(topic)
            if not admitted:
                raise BusFull(topic, timeout)
            self._held += size
        try:
            yield
        finally:
            with self._change:
                self._held -= size
                self._change.notify_all()

    def close(self) -> None:
        """Ends every wait."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def _fits(self, size: int) -> bool:
        return self._held == 0 or self._held + size <= self._max_bytes
