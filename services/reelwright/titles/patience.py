"""Waiting for what passes by itself: a store without an answer or without room."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from reelwright.titles.errors import UnavailableError

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0


class Patience:
    """Repeats what the store refuses for now, until it succeeds or nobody wants it any more. Thread-safe.

    Args:
        endless: whether to wait at all; a command reports instead.
    """

    def __init__(self, endless: bool = True) -> None:
        self._endless = endless
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Ends every wait, now and later."""
        self._stopped.set()

    def __call__(self, action: Callable[[], Result], wanted: Callable[[], bool] = lambda: True) -> Result:
        """What `action` returns, once it does; pauses double from 0.2 to 5 seconds.

        Raises:
            UnavailableError: the last one, once `stop` was called or `wanted` says no; the first if not endless.
        """
        pause = _FIRST_PAUSE
        while True:
            try:
                return action()
            except UnavailableError as error:
                if not self._endless or not wanted():
                    raise
                log.warning("waiting", extra={"reason": str(error), "seconds": pause})
                if self._stopped.wait(pause):
                    raise
                pause = min(2 * pause, _LONGEST_PAUSE)


IMPATIENT = Patience(endless=False)
"""Reports at once what a service would wait for."""
