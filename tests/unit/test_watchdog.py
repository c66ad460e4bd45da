"""Loops without a heartbeat are named; loops that wait for work are not."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from reelwright.store.retry import RetryPolicy
from reelwright.telemetry import watchdog
from reelwright.telemetry.threads import SupervisedThread
from reelwright.telemetry.watchdog import heartbeat, stuck_loops, waiting, watched
from tests.support.role_processes import until

# Every loop that counts sent its last heartbeat longer ago than in a minute's time.
COUNTING = -60.0


def test_work_is_named_until_it_ends() -> None:
    """Work without progress is named once its bound is over; progress, a wait and its end take the name away."""
    with watched("decode a"):
        until(lambda: stuck_loops(0.01) == ["decode a"], "it is stuck")
        heartbeat()
        assert stuck_loops(60) == []
        with waiting():
            assert stuck_loops(COUNTING) == []
        assert stuck_loops(COUNTING) == ["decode a"]
    assert stuck_loops(COUNTING) == []


def test_a_thread_that_waits_for_work_is_not_stuck() -> None:
    """A supervised thread counts from its first heartbeat on, and work inside a waiting thread counts alone."""
    at_work, go_on = threading.Event(), threading.Event()

    def work() -> None:
        with watched("encode b"):
            heartbeat()
            at_work.set()
            go_on.wait()

    thread = SupervisedThread("segment-worker", work)
    thread.start()
    assert at_work.wait(60)
    assert stuck_loops(COUNTING) == ["encode b"]
    go_on.set()
    thread.join()
    assert stuck_loops(COUNTING) == []


def test_a_retry_is_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that tries an unavailable store again and again is not stuck."""
    now = 0.0
    monkeypatch.setattr(watchdog, "time", SimpleNamespace(monotonic=lambda: now))
    with watched("supervisor"):
        now = 120.0
        assert stuck_loops(60) == ["supervisor"]
        assert RetryPolicy().call(lambda: stuck_loops(60)) == []
