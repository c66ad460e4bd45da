"""Backpressure per title: at most W segments between published and committed."""

from __future__ import annotations

import threading


class Window:
    """Counts a title's segments in flight. Thread-safe.

    Args:
        size: most segments in flight.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._open: set[int] = set()
        self._changed = threading.Condition()
        self._ended = False

    def enter(self, segment: int) -> bool:
        """Waits for room and takes it; False when the title ended while waiting."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or len(self._open) < self._size)
            if not self._ended:
                self._open.add(segment)
            return not self._ended

    def leave(self, segment: int) -> None:
        """The segment is committed; unknown ones are ignored, since events may come twice."""
        with self._changed:
            self._open.discard(segment)
            self._changed.notify_all()

    def end(self) -> None:
        """The title was cancelled, has failed, or the decoder stops."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        """Whether `end` was called."""
        return self._ended
