"""The watchdog: a loop that sends no heartbeat for a set time is stuck, and readiness and liveness name it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class _Loop:
    """A loop on one thread.

    Attributes:
        name: shown by readiness.
        last_heartbeat: on the monotonic clock; None while it waits, for any time.
    """

    name: str
    last_heartbeat: float | None = None


class _ThreadLoops(threading.local):
    """The loops of the present thread, the innermost last."""

    def __init__(self) -> None:
        self.loops: list[_Loop] = []


_watched: set[_Loop] = set()
_lock = threading.Lock()
_here = _ThreadLoops()


@contextmanager
def watched(name: str, *, begun: bool = True) -> Iterator[None]:
    """Watches a loop, or a piece of work, of this thread for the duration of a `with` block.

    Args:
        name: shown by readiness and liveness.
        begun: whether it counts from now on, and not from its first `heartbeat`.
    """
    loop = _Loop(name, time.monotonic() if begun else None)
    with _lock:
        _watched.add(loop)
    _here.loops.append(loop)
    try:
        yield
    finally:
        _here.loops.remove(loop)
        with _lock:
            _watched.discard(loop)


def heartbeat() -> None:
    """Records that the innermost loop of this thread makes progress, and with it those around it that count.

    Cheap; does nothing on a thread without a watched loop.
    """
    now = time.monotonic()
    for loop in _here.loops:
        if loop.last_heartbeat is not None or loop is _here.loops[-1]:
            loop.last_heartbeat = now


@contextmanager
def waiting() -> Iterator[None]:
    """For a wait of this thread that may take any time: for work, for room on the bus, for a broker that is down."""
    counting = [loop for loop in _here.loops if loop.last_heartbeat is not None]
    for loop in counting:
        loop.last_heartbeat = None
    try:
        yield
    finally:
        for loop in counting:
            loop.last_heartbeat = time.monotonic()


def stuck_loops(seconds: float) -> list[str]:
    """Names of the loops that have sent no heartbeat for so many seconds and do not wait, sorted."""
    oldest = time.monotonic() - seconds
    with _lock:
        return sorted(
            loop.name for loop in _watched if loop.last_heartbeat is not None and loop.last_heartbeat < oldest
        )
