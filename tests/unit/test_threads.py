"""Supervised threads: a death is logged, shown and, where that is safe, followed by a restart."""

from __future__ import annotations

import threading

import pytest

from reelwright.telemetry.threads import SupervisedThread, dead_threads


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
