"""A value that several users need and that is computed once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """A value that is computed when it is first asked for. Thread-safe: who comes meanwhile waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: list[T] = []

    def get(self, compute: Callable[[], T]) -> T:
        """The value; `compute` makes it, and its error goes to the one who asked."""
        with self._lock:
            if not self._found:
                self._found.append(compute())
            return self._found[0]
