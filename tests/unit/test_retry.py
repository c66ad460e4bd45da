"""Retries of an unavailable store: as long as the policy says, and for no other error."""

from __future__ import annotations

import threading

import pytest

from reelwright.store.retry import RetryPolicy
from reelwright.store.waiting import WAITING
from reelwright.titles.errors import OutputError, UnavailableError


class Store:
    """Is unavailable for a number of requests, then answers."""

    def __init__(self, failures: int) -> None:
        self.failures, self.requests, self.requested = failures, 0, threading.Semaphore(0)

    def __call__(self) -> str:
        self.requests += 1
        self.requested.release()
        if self.failures > 0:
            self.failures -= 1
            raise UnavailableError("no answer")
        return "answer"


def test_an_unavailable_store_is_retried(caplog: pytest.LogCaptureFixture) -> None:
    """An operation is repeated until the store answers, its answer is returned, and each retry is logged."""
    assert RetryPolicy().call(Store(failures=2)) == "answer"
    assert caplog.messages == ["unavailable, retrying"] * 2


def test_another_error_is_raised_at_once() -> None:
    """Any other error ends the first try."""

    def refuse() -> None:
        raise OutputError("not writable")

    with pytest.raises(OutputError):
        RetryPolicy().call(refuse)


def test_no_retry_makes_one_try() -> None:
    """With no time to retry the first error is raised."""
    store = Store(failures=1)
    with pytest.raises(UnavailableError):
        RetryPolicy(seconds=0).call(store)
    assert store.requests == 1


def test_a_policy_says_what_it_waits_for() -> None:
    """While an operation is repeated, `trouble` has its last error; afterwards it is empty."""
    retry, store = RetryPolicy(), Store(failures=10**9)
    waiting = threading.Thread(target=lambda: retry.call(store))
    assert retry.trouble == ""
    waiting.start()
    for _ in range(2):
        assert store.requested.acquire(timeout=60)
    assert retry.trouble == "no answer"
    store.failures = 0
    waiting.join(60)
    assert retry.trouble == ""


def test_a_limited_policy_ends_by_itself_and_with_its_parent() -> None:
    """Retries end with the last error once the limit is reached, or when the policy it was made from stops."""
    retry = RetryPolicy()
    with pytest.raises(UnavailableError):
        retry.with_limit(0.3).call(Store(failures=10**9))
    retry.stop()
    with pytest.raises(UnavailableError):
        retry.with_limit(3600).call(Store(failures=10**9))


@pytest.mark.parametrize("kind", ["limited", "another"])
def test_every_wait_of_the_process_is_counted(kind: str) -> None:
    """What waits for a source or an output is counted too; a limited policy also shows it in its parent."""
    own, store = RetryPolicy(), Store(failures=10**9)
    policy = own.with_limit(3600) if kind == "limited" else RetryPolicy(3600)
    waiting = threading.Thread(target=lambda: policy.call(store))
    before = WAITING.count(refused=False)
    waiting.start()
    for _ in range(2):
        assert store.requested.acquire(timeout=60)
    assert WAITING.count(refused=False) == before + 1
    assert own.trouble == ("no answer" if kind == "limited" else "")
    store.failures = 0
    waiting.join(60)
    assert (WAITING.count(refused=False), own.trouble) == (before, "")


def test_stop_ends_a_pause_without_another_try() -> None:
    """A service that stops waits neither for a pause nor for one more request to a store that never answers."""
    retry, store, outcomes = RetryPolicy(), Store(failures=10**9), []

    def call() -> None:
        try:
            retry.call(store)
        except UnavailableError:
            outcomes.append(store.requests)

    thread = threading.Thread(target=call)
    thread.start()
    # The third try is followed by a pause of 0.8 s.
    for _ in range(3):
        assert store.requested.acquire(timeout=30)
    retry.stop()
    thread.join(30)
    assert outcomes == [3]
