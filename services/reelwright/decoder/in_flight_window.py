"""Backpressure per title: at most W segments between published and committed."""

from __future__ import annotations

import threading
import time


class InFlightWindow:
    """Which of a title's segments are in flight and which are committed. Thread-safe.

    Args:
        size: most segments in flight.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._committed: set[int] = set()
        self._open: set[int] = set()
        self._changed = threading.Condition()
        self._ended = False
        self._moved = time.monotonic()

    def enter(self, segment: int) -> bool:
        """Waits for room and takes it; False when the segment is committed already or the title has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or segment in self._committed or len(self._open) < self._size)
            self._moved = time.monotonic()
            if self._ended or segment in self._committed:
                return False
            self._open.add(segment)
            return True

    def leave(self, segment: int) -> None:
        """The segment is committed; told twice it changes nothing, and told early it is remembered."""
        with self._changed:
            if segment not in self._committed:
                self._moved = time.monotonic()
            self._committed.add(segment)
            self._open.discard(segment)
            self._changed.notify_all()

    def end(self) -> None:
        """The title was cancelled, has failed, begins again, or the decoder stops."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        """Whether `end` was called."""
        return self._ended

    @property
    def committed(self) -> frozenset[int]:
        """The segments that are known to be committed."""
        with self._changed:
            return frozenset(self._committed)

    @property
    def idle_seconds(self) -> float:
        """Seconds since a segment last came in or was heard to be committed."""
        with self._changed:
            return time.monotonic() - self._moved
