"""Progress of a title: frames done, speed, time left."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable


class ProgressMeter:
    """Frames done, frames per second over a sliding window, and the time left. Not thread-safe.

    Args:
        total: frames of the title; None while unknown.
        done: frames that an earlier process finished; they count as done but not for the speed.
        window: seconds over which the speed is measured.
        clock: returns seconds; never goes back.
    """

    def __init__(
        self,
        total: int | None = None,
        done: int = 0,
        window: float = 15.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self._done = done
        self._window, self._clock = window, clock
        # The oldest mark lies at the start of the window, or just before it.
        self._marks: deque[tuple[float, int]] = deque([(clock(), done)])

    @property
    def done(self) -> int:
        """Frames finished."""
        return self._done

    def advance(self, frames: int) -> None:
        """Counts `frames` more as finished now."""
        now = self._clock()
        self._done += frames
        self._marks.append((now, self._done))
        while len(self._marks) > 2 and self._marks[1][0] <= now - self._window:
            self._marks.popleft()

    @property
    def fps(self) -> float:
        """Frames per second over the window up to now; 0 while nothing was finished."""
        since, before = self._marks[0]
        elapsed = self._clock() - since
        return (self._done - before) / elapsed if elapsed > 0 else 0.0

    @property
    def eta(self) -> float | None:
        """Seconds until all frames are done at the present speed; None while total or speed are unknown."""
        if self.total is None:
            return None
        left = self.total - self._done
        if left <= 0:
            return 0.0
        speed = self.fps
        return left / speed if speed > 0 else None

    @property
    def fraction(self) -> float | None:
        """Share that is done, in [0, 1]; None while the total is unknown."""
        if self.total is None:
            return None
        return min(1.0, self._done / self.total) if self.total else 1.0
