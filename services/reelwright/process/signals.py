"""The signals that stop a role."""

from __future__ import annotations

import queue
import signal
from contextlib import suppress

from reelwright.telemetry.threads import SupervisedThread

STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}


class StopSignals:
    """Receives the stop signals of this process on a thread, from construction on.

    `signal.sigtimedwait` cannot be used: when a process was frozen (SIGSTOP, SIGCONT) for longer than the timeout,
    CPython 3.11 returns a signal that nobody sent. Every thread must have STOP_SIGNALS blocked. If the thread dies,
    `dead_threads` names it, and the process ends: it could not be stopped any more.
    """

    def __init__(self) -> None:
        self._received: queue.SimpleQueue[int] = queue.SimpleQueue()
        SupervisedThread("signals", self._receive, daemon=True).start()

    def wait(self, seconds: float) -> int | None:
        """The number of the next signal; None when none came within `seconds`."""
        with suppress(queue.Empty):
            return self._received.get(timeout=seconds)
        return None

    def _receive(self) -> None:
        while True:
            self._received.put(signal.sigwait(STOP_SIGNALS))
