"""Supervised threads: a death is logged, shown and, where that is safe, followed by a restart."""

from __future__ import annotations

import selectors
import subprocess
import sys
import threading

import pytest

from reelwright.telemetry.server import TelemetryServer
from reelwright.telemetry.threads import SupervisedThread, dead_threads

# In a process of its own, because the thread is named as dead until the process ends.
_DEAD_SIGNALS = """
import signal
from reelwright.process.signals import StopSignals
from reelwright.telemetry.threads import dead_threads

def fail(signals):
    raise OSError("no signals")

signal.sigwait = fail
StopSignals()
while not dead_threads():
    pass
print(dead_threads())
"""


def test_a_dead_thread_is_named_until_it_is_joined(caplog: pytest.LogCaptureFixture) -> None:
    """An exception that leaves a thread is logged with its traceback, and the thread is named as dead."""

    def fail() -> None:
        raise ValueError("broken")

    thread = SupervisedThread("reader", fail)
    thread.start()
    while thread.alive:
        pass
    assert dead_threads() == ["reader"]
    thread.join()
    assert dead_threads() == []
    (record,) = caplog.records
    assert record.message == "thread died"
    assert record.exc_info is not None


def test_a_thread_that_may_restart_runs_again() -> None:
    """After an exception the target runs again, and no thread is named as dead."""
    runs: list[None] = []
    stop, again = threading.Event(), threading.Event()

    def work() -> None:
        runs.append(None)
        if len(runs) == 1:
            raise ValueError("broken")
        again.set()

    thread = SupervisedThread("sender", work, restart_until=stop)
    thread.start()
    assert again.wait(30)
    thread.join()
    assert len(runs) == 2
    assert dead_threads() == []


def test_a_thread_does_not_restart_while_the_service_stops() -> None:
    """When the stop event is set, an exception ends the thread for good."""
    runs: list[None] = []
    stop = threading.Event()

    def work() -> None:
        runs.append(None)
        stop.set()
        raise ValueError("broken")

    thread = SupervisedThread("sender", work, restart_until=stop)
    thread.start()
    thread.join()
    assert len(runs) == 1


def test_the_thread_that_waits_for_stop_signals_is_supervised() -> None:
    """A process that cannot receive SIGTERM any more names the dead thread, so that it ends by itself."""
    done = subprocess.run([sys.executable, "-c", _DEAD_SIGNALS], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "['signals']\n"


def test_the_thread_of_the_telemetry_server_is_supervised(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of metrics and health whose thread died is named until it is closed."""

    def fail(*_: object) -> None:
        raise OSError("no sockets")

    monkeypatch.setattr(selectors.PollSelector, "select", fail)
    server = TelemetryServer(0, lambda: "", lambda: "")
    while not dead_threads():
        pass
    assert dead_threads() == ["telemetry"]
    server.close()
    assert dead_threads() == []
