"""Threads whose death is noticed: logged, shown by readiness, and restarted where that is safe."""

from __future__ import annotations

import threading
from collections.abc import Callable

from reelwright.telemetry.logs import get_logger
from reelwright.telemetry.watchdog import watched

log = get_logger(__name__)

_RESTART_SECONDS = 1.0
_dead: dict[int, str] = {}
_lock = threading.Lock()


class SupervisedThread:
    """A thread of a service.

    An exception that leaves `target` is logged with its traceback. With `restart_until`, `target` then runs again
    after a second, until that event is set. Without it the thread stays dead and `dead_threads` names it, which turns
    the process's readiness off and ends it, so that its orchestrator starts a new one.

    Args:
        name: shown in logs, stack dumps and readiness.
        target: what the thread does; returns when it must stop. From its first `watchdog.heartbeat` on, the
            thread is watched.
        restart_until: set when the service stops; None for a target that cannot be run a second time.
        daemon: whether the process may exit while the thread runs.
    """

    def __init__(
        self,
        name: str,
        target: Callable[[], None],
        *,
        restart_until: threading.Event | None = None,
        daemon: bool = False,
    ) -> None:
        self._name, self._target, self._restart_until = name, target, restart_until
        self._thread = threading.Thread(target=self._run, name=name, daemon=daemon)

    def start(self) -> None:
        """Starts the thread; once."""
        self._thread.start()

    def join(self, timeout: float | None = None) -> None:
        """Waits until the thread has ended. A dead thread that was joined is no longer reported.

        Args:
            timeout: seconds to wait at most; None waits without a limit.
        """
        self._thread.join(timeout)
        if not self._thread.is_alive():
            with _lock:
                _dead.pop(id(self), None)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while True:
            try:
                with watched(self._name, begun=False):
                    self._target()
            except Exception:
                log.exception("thread died", thread_name=self._name)
            else:
                return
            if self._restart_until is None:
                with _lock:
                    _dead[id(self)] = self._name
                return
            if self._restart_until.wait(_RESTART_SECONDS):
                return


def dead_threads() -> list[str]:
    """Names of the supervised threads that an exception has ended, in alphabetical order."""
    with _lock:
        return sorted(_dead.values())
