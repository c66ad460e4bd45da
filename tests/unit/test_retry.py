"""Waiting for a store: as long as it is wanted, and never for anything else."""

from __future__ import annotations

import threading

import pytest

from reelwright.store.retry import RetryPolicy
from reelwright.titles.errors import OutputError, UnavailableError


class Store:
    """Refuses so many times, then answers."""

    def __init__(self, refusals: int) -> None:
        self.refusals, self.asked = refusals, threading.Semaphore(0)

    def __call__(self) -> str:
        self.asked.release()
        if self.refusals > 0:
            self.refusals -= 1
            raise UnavailableError("no answer")
        return "answer"


def test_what_passes_is_waited_for() -> None:
    """An action is repeated until the store answers, and its answer is returned."""
    assert RetryPolicy()(Store(refusals=2)) == "answer"


def test_what_does_not_pass_is_raised_at_once() -> None:
    """Any other error ends the first attempt."""

    def refuse() -> None:
        raise OutputError("not writable")

    with pytest.raises(OutputError):
        RetryPolicy()(refuse)


def test_a_command_does_not_wait() -> None:
    """Without patience the first refusal is the answer."""
    store = Store(refusals=1)
    with pytest.raises(UnavailableError):
        RetryPolicy(seconds=0)(store)
    assert store() == "answer"


def test_a_shorter_patience_ends_by_itself_and_with_the_one_it_came_from() -> None:
    """A wait ends with the refusal once its time is over, or the service stops."""
    patience = RetryPolicy()
    with pytest.raises(UnavailableError):
        patience.for_at_most(0.3)(Store(refusals=10**9))
    patience.stop()
    with pytest.raises(UnavailableError):
        patience.for_at_most(3600)(Store(refusals=10**9))


def test_stop_ends_a_wait() -> None:
    """A service that stops is not held up by a store that never answers."""
    patience, store, outcomes = RetryPolicy(), Store(refusals=10**9), []

    def wait() -> None:
        try:
            patience(store)
        except UnavailableError:
            outcomes.append("gave up")

    thread = threading.Thread(target=wait)
    thread.start()
    assert store.asked.acquire(timeout=30)
    patience.stop()
    thread.join(30)
    assert outcomes == ["gave up"]
