"""Backpressure per title: a bounded number of segments between published and committed."""

from __future__ import annotations

import threading
import time

from reelwright.telemetry.watchdog import waiting


class InFlightWindow:
    """Which of a title's segments are in flight and which are committed. Thread-safe.

    Args:
        size: most segments in flight.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._committed: set[int] = set()
        self._in_flight: set[int] = set()
        self._changed = threading.Condition()
        self._closed = self._used = False
        self._last_progress = time.monotonic()

    def acquire(self, segment: int) -> bool:
        """Waits until there is room for a segment and puts it in flight.

        Returns:
            False when the segment needs no publishing: it is committed already, or the window is closed.
        """
        with waiting(), self._changed:
            self._changed.wait_for(
                lambda: self._closed or segment in self._committed or len(self._in_flight) < self._size
            )
            self._last_progress = time.monotonic()
            if self._closed:
                return False
            self._used = True
            if segment in self._committed:
                return False
            self._in_flight.add(segment)
            return True

    def mark_committed(self, segment: int) -> None:
        """Notes a commit and frees the segment's room. A repeated note has no effect; an early one is remembered."""
        with self._changed:
            if segment not in self._committed:
                self._last_progress = time.monotonic()
            self._committed.add(segment)
            self._in_flight.discard(segment)
            self._changed.notify_all()

    def close(self) -> None:
        """Ends the pass over the title: from now on `acquire` returns False without waiting."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def used(self) -> bool:
        """Whether the pass has reached a segment, to publish it or to skip it."""
        with self._changed:
            return self._used

    @property
    def committed(self) -> frozenset[int]:
        """The segments that are known to be committed."""
        with self._changed:
            return frozenset(self._committed)

    @property
    def idle_seconds(self) -> float:
        """Seconds since a segment was last acquired or newly committed."""
        with self._changed:
            return time.monotonic() - self._last_progress
