"""Operations of this process that are repeated until a store accepts them, for its metrics."""

from __future__ import annotations

import threading

from reelwright.titles.errors import UnavailableError


class WaitingOperations:
    """The last error of each operation that is being repeated now. Thread-safe."""

    def __init__(self) -> None:
        self._errors: dict[object, UnavailableError] = {}
        self._lock = threading.Lock()

    def note(self, operation: object, error: UnavailableError) -> None:
        """Notes that an operation failed and will be repeated."""
        with self._lock:
            self._errors[operation] = error

    def end(self, operation: object) -> None:
        """Forgets an operation, which succeeded or was given up."""
        with self._lock:
            self._errors.pop(operation, None)

    def count(self, *, refused: bool) -> int:
        """How many operations are being repeated now.

        Args:
            refused: count those that a store refuses, and not those that it does not answer.
        """
        with self._lock:
            return sum(error.refused is refused for error in self._errors.values())

    @property
    def trouble(self) -> str:
        """Why one of them is being repeated now, as one line; empty when none is."""
        with self._lock:
            return str(next(iter(self._errors.values()), ""))


WAITING = WaitingOperations()
"""Those of the whole process: at its own store, and at the sources and outputs of titles."""
