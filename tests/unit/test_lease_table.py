"""The lease table: which worker has which batch, until when, and how often a batch was lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reelwright.dispatcher.lease_table import GrantedLease, LeaseTable, ReturnedBatch
from reelwright.dispatcher.queued_batch import BatchKey
from tests.support.lease_tables import ManualClock, lease_table

A, B = BatchKey("r", 0, 0), BatchKey("r", 0, 1)


def grant(leases: LeaseTable, key: BatchKey, worker: str) -> GrantedLease:
    """Leases a batch to a worker in its session."""
    return leases.grant(key, worker, f"session of {worker}")


def test_a_lease_ends_at_its_deadline() -> None:
    """A lease holds until its deadline, and its batch is returned once."""
    clock = ManualClock()
    leases = lease_table(clock)
    grant(leases, A, "w")
    clock.now += 59.9
    assert leases.expire() == []
    clock.now += 0.1
    (back,) = leases.expire()
    assert (back.key, back.cause, back.given_up, back.reason) == (
        A,
        "expiry",
        False,
        "worker w: no receipt within 60 s",
    )
    assert (leases.expire(), len(leases)) == ([], 0)


def test_a_receipt_ends_everything_about_a_batch() -> None:
    """After the receipt no lease of the batch, active or ended, has an effect."""
    leases = lease_table(ManualClock())
    first = grant(leases, A, "one")
    leases.fail(first.id, "x", ())
    second = grant(leases, A, "two")
    assert leases.forget_batch(A) == [second]
    assert [leases.find(lease.id) for lease in (first, second)] == [None, None]
    assert leases.fail(second.id, "x", ()) is None
    assert leases.avoided_workers(A) == frozenset()


def test_a_late_receipt_ends_the_second_lease() -> None:
    """A receipt for an expired lease completes the batch while another worker has it; that one's failure is ignored."""
    clock = ManualClock()
    leases = lease_table(clock)
    first = grant(leases, A, "slow")
    clock.now += 60
    leases.expire()
    second = grant(leases, A, "other")
    assert leases.find(first.id) is first
    assert leases.forget_batch(A) == [second]
    assert (leases.fail(second.id, "x", ()), len(leases)) == (None, 0)


def test_failures_are_counted_per_batch() -> None:
    """A batch is given up at its last failure, independent of other batches."""
    leases = lease_table(ManualClock(), max_failures=3)
    outcomes = [leases.fail(grant(leases, key, "w").id, "x", ()) for key in (A, A, B, A)]
    assert [back.given_up for back in outcomes if back] == [False, False, False, True]


def test_distinct_workers_are_counted() -> None:
    """While another worker could have a batch, the failures of one worker never give it up; the third worker's does."""
    leases = lease_table(ManualClock(), max_failures=3)
    everyone = ("broken", "one", "two", "three")
    for _ in range(20):
        back = leases.fail(grant(leases, A, "broken").id, "x", everyone)
        assert back is not None
        assert not back.given_up
    outcomes = [leases.fail(grant(leases, A, name).id, "x", everyone) for name in ("one", "two")]
    assert [back.given_up for back in outcomes if back] == [False, True]


def test_two_workers_try_a_batch_as_often_as_three() -> None:
    """When all workers there are have failed a batch, it is given up after as many failures as it may have."""
    leases = lease_table(ManualClock(), max_failures=3)
    outcomes = [leases.fail(grant(leases, A, name).id, "x", ("one", "two")) for name in ("one", "two", "one")]
    assert [back.given_up for back in outcomes if back] == [False, False, True]


def lose(leases: LeaseTable, key: BatchKey = A) -> ReturnedBatch:
    """Leases a batch to a worker that starts it, exclusively if it must, and dies."""
    lease = grant(leases, key, "w")
    leases.start_exclusive(lease.id)
    (back,) = leases.end_worker("w", drained=False)
    return back


def test_a_batch_lost_twice_is_leased_exclusively() -> None:
    """A batch that was lost with two workers is leased exclusively; one that was lost once, or failed, is not."""
    leases = lease_table(ManualClock(), max_failures=9)
    for _ in range(2):
        assert not grant(leases, A, "v").exclusive
        leases.end_worker("v", drained=False)
    assert grant(leases, A, "w").exclusive
    leases.fail(grant(leases, B, "w").id, "x", ())
    leases.fail(grant(leases, B, "w").id, "x", ())
    assert not grant(leases, B, "w").exclusive


def test_only_exclusive_losses_count() -> None:
    """A batch is given up when it was lost exclusively as often as it may be; other losses do not count."""
    leases = lease_table(ManualClock(), max_failures=1, max_losses=2)
    assert not lose(leases).given_up
    assert not lose(leases).given_up
    for _ in range(3):
        # Leased exclusively, but its worker is lost before it starts the batch.
        grant(leases, A, "w")
        assert not leases.end_worker("w", drained=False)[0].given_up
    assert not lose(leases).given_up
    assert lose(leases).given_up


def test_a_batch_that_is_always_lost_before_it_starts_is_given_up() -> None:
    """A batch that is lost each time before it is started is given up after four times the exclusive losses."""
    leases = lease_table(ManualClock(), max_losses=2)
    for number in range(8):
        grant(leases, A, "w")
        (back,) = leases.end_worker("w", drained=False)
        assert back.given_up == (number == 7)


def test_starting_exclusively_restarts_the_lease() -> None:
    """The time in which a batch waited to be started exclusively does not count."""
    clock = ManualClock()
    leases = lease_table(clock, max_losses=1)
    lose(leases)
    lose(leases)
    lease = grant(leases, A, "w")
    clock.now += 59
    leases.start_exclusive(lease.id)
    clock.now += 59
    assert leases.expire() == []
    clock.now += 1
    assert leases.expire()[0].given_up


def test_leases_of_a_stalled_worker_expire_without_a_loss() -> None:
    """Leases that expire while their worker cannot publish go to others and count as no loss; later ones do."""
    clock = ManualClock()
    leases = lease_table(clock, max_losses=1)
    for _ in range(9):
        leases.mark_stalled("w")
        grant(leases, A, "w")
        clock.now += 60
        (back,) = leases.expire()
        assert (back.cause, back.given_up) == ("expiry", False)
    assert leases.avoided_workers(A) == {"w"}
    leases.clear_stalled("w")
    for number in range(4):
        grant(leases, A, "w")
        clock.now += 60
        assert leases.expire()[0].given_up == (number == 3)


def test_a_release_counts_as_no_failure() -> None:
    """A batch that is released, or whose drained worker disconnects, is never given up for it and avoids no worker."""
    leases = lease_table(ManualClock(), max_failures=1, max_losses=1)
    for _ in range(10):
        back = leases.release(grant(leases, A, "w").id)
        assert back is not None
        assert not back.given_up
        grant(leases, A, "w")
        assert not leases.end_worker("w", drained=True)[0].given_up
    assert leases.avoided_workers(A) == frozenset()


def test_the_worker_that_failed_is_avoided_for_a_while() -> None:
    """Workers that failed a batch are avoided until the configured time has passed."""
    clock = ManualClock()
    leases = lease_table(clock, prefer_other_seconds=10)
    leases.fail(grant(leases, A, "one").id, "x", ())
    leases.fail(grant(leases, A, "two").id, "x", ())
    assert leases.avoided_workers(A) == {"one", "two"}
    assert leases.avoided_workers(B) == frozenset()
    clock.now += 10
    assert leases.avoided_workers(A) == frozenset()


def test_leases_of_another_table_are_unknown() -> None:
    """A lease of an earlier dispatcher is unknown to the next one, although both count from 1."""
    old, new = lease_table(ManualClock()), lease_table(ManualClock())
    lease = grant(old, A, "w")
    grant(new, B, "w")
    assert new.find(lease.id) is None


def test_a_lease_cannot_be_guessed() -> None:
    """Every lease's id is 128 random bits: no two share one, and none has a part of another."""
    leases = lease_table(ManualClock())
    ids = [grant(leases, BatchKey("r", 0, n), "w").id for n in range(100)]
    assert {len(bytes.fromhex(each)) for each in ids} == {16}
    assert len({each[:8] for each in ids}) == len({each[-8:] for each in ids}) == 100


@pytest.mark.parametrize("message", ["receipt", "failure", "release"])
def test_unknown_leases_are_ignored(message: str) -> None:
    """A message about a lease that does not exist changes nothing."""
    leases = lease_table(ManualClock())
    grant(leases, A, "w")
    send: dict[str, Callable[[], object]] = {
        "receipt": lambda: leases.find("unknown"),
        "failure": lambda: leases.fail("unknown", "x", ()),
        "release": lambda: leases.release("unknown"),
    }
    assert (send[message](), len(leases)) == (None, 1)
