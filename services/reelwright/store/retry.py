"""Retries of operations that fail with UnavailableError, on tenacity."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_delay,
    stop_when_event_set,
    wait_exponential,
)

from reelwright.store.waiting import WAITING, WaitingOperations
from reelwright.telemetry.logs import get_logger
from reelwright.telemetry.watchdog import heartbeat
from reelwright.titles.errors import UnavailableError

log = get_logger(__name__)

Result = TypeVar("Result")

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0


class RetryPolicy:
    """Repeats an operation while it fails with UnavailableError. Thread-safe.

    The pause between two tries doubles from 0.2 to 5 seconds. Any other error ends the first try.

    Args:
        seconds: no try begins later than this after the first; 0 makes one try, infinity retries until `stop`.
        waits_for_access: whether a store that refuses its caller, or whose bucket is missing, counts as unavailable.
            For the store of a service itself, where that is no fault of any title: a person corrects it, and the work
            goes on. Meanwhile readiness and a metric show it.

    Attributes:
        waits_for_access: see above.
    """

    def __init__(self, seconds: float = math.inf, *, waits_for_access: bool = False) -> None:
        self._seconds, self.waits_for_access = seconds, waits_for_access
        self._stopped = threading.Event()
        self._failing = WaitingOperations()

    def stop(self) -> None:
        """Ends every pause at once; from now on no operation is tried twice."""
        self._stopped.set()

    @property
    def trouble(self) -> str:
        """Why an operation is being repeated now, as one line; empty when none is."""
        return self._failing.trouble

    def with_limit(self, seconds: float) -> RetryPolicy:
        """A policy for another folder: it retries for at most `seconds`.

        `stop` of this one stops it too, and `trouble` of this one has its errors.
        """
        other = RetryPolicy(min(seconds, self._seconds))
        other._stopped, other._failing = self._stopped, self._failing
        return other

    def call(self, operation: Callable[[], Result]) -> Result:
        """Runs `operation` until it succeeds, and returns what it returned.

        Raises:
            UnavailableError: that of the last try, after `stop` or when the time is over.
        """
        if self._seconds == 0:
            # Most of the time that a command takes for a small document would be the library's.
            heartbeat()
            return operation()
        last_error: UnavailableError | None = None

        def try_once() -> Result:
            nonlocal last_error
            # `stop` ended the pause. Another try could take as long as the store's timeouts, so none is made.
            if last_error is not None and self._stopped.is_set():
                raise last_error
            # A loop that tries again and again is not stuck; one that hangs in a single try is.
            heartbeat()
            try:
                return operation()
            except UnavailableError as error:
                last_error = error
                for table in (self._failing, WAITING):
                    table.note(try_once, error)
                raise

        retrying = Retrying(
            retry=retry_if_exception_type(UnavailableError),
            wait=wait_exponential(multiplier=_FIRST_PAUSE_SECONDS, max=_LONGEST_PAUSE_SECONDS),
            stop=stop_after_delay(self._seconds) | stop_when_event_set(self._stopped),
            sleep=sleep_using_event(self._stopped),
            before_sleep=_log_retry,
            reraise=True,
        )
        try:
            return retrying(try_once)
        finally:
            for table in (self._failing, WAITING):
                table.end(try_once)


NO_RETRY = RetryPolicy(seconds=0)
"""One try: a command reports the error instead of waiting."""


def _log_retry(state: RetryCallState) -> None:
    reason = state.outcome.exception() if state.outcome else None
    log.warning(
        "unavailable, retrying", reason=str(reason), tries=state.attempt_number, pause_seconds=state.upcoming_sleep
    )
