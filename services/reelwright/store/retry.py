"""Waiting for what passes by itself: a store without an answer or without room."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import UnavailableError

log = get_logger(__name__)

Result = TypeVar("Result")

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0


class RetryPolicy:
    """Repeats what the store refuses for now, until it succeeds or nobody wants it any more. Thread-safe.

    Args:
        seconds: how long one wait lasts at most; a command does not wait at all, but reports.
    """

    def __init__(self, seconds: float = math.inf) -> None:
        self._seconds = seconds
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Ends every wait, now and later."""
        self._stopped.set()

    def for_at_most(self, seconds: float) -> RetryPolicy:
        """The same patience, stopped with this one, with shorter waits."""
        other = RetryPolicy(min(seconds, self._seconds))
        other._stopped = self._stopped
        return other

    def __call__(self, action: Callable[[], Result]) -> Result:
        """What `action` returns, once it does; pauses double from 0.2 to 5 seconds.

        Raises:
            UnavailableError: the last one, once `stop` was called or the time is over.
        """
        pause, end = _FIRST_PAUSE, time.monotonic() + self._seconds
        while True:
            try:
                return action()
            except UnavailableError as error:
                if time.monotonic() >= end:
                    raise
                log.warning("waiting", reason=str(error), seconds=pause)
                if self._stopped.wait(pause):
                    raise
                pause = min(2 * pause, _LONGEST_PAUSE)


NO_RETRY = RetryPolicy(seconds=0)
"""Reports at once what a service would wait for."""
