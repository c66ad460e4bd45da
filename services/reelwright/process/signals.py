"""The signals that stop a role."""

from __future__ import annotations

import queue
import signal
import threading
from contextlib import suppress

STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}


class StopSignals:
    """Receives the stop signals of this process on a thread, from construction on.

    `signal.sigtimedwait` cannot be used: when a process was frozen (SIGSTOP, SIGCONT) for longer than the timeout,
    CPython 3.11 returns a signal that nobody sent. Every thread must have STOP_SIGNALS blocked.
    """

    def __init__(self) -> None:
        self._received: queue.SimpleQueue[int] = queue.SimpleQueue()
        threading.Thread(target=self._receive, name="signals", daemon=True).start()

    def wait(self, seconds: float) -> int | None:
        """The number of the next signal; None when none came within `seconds`."""
        with suppress(queue.Empty):
            return self._received.get(timeout=seconds)
        return None

    def _receive(self) -> None:
        while True:
            self._received.put(signal.sigwait(STOP_SIGNALS))
