"""The lease table: who is restoring what, until when, and how often it went wrong."""

from __future__ import annotations

import pytest

from reelwright.dispatcher.lease_table import LeaseTable, ReturnedBatch
from tests.support.leasing import Clock, table

A, B = ("r", 0, 0), ("r", 0, 1)


def test_a_lease_ends_at_its_deadline() -> None:
    """A lease holds until its time is over, and then comes back once."""
    clock = Clock()
    leases = table(clock)
    leases.grant(A, "w")
    clock.now += 59.9
    assert leases.expire() == []
    clock.now += 0.1
    (back,) = leases.expire()
    assert (back.key, back.cause, back.given_up, back.reason) == (
        A,
        "expiry",
        False,
        "worker w: did not answer within 60 s",
    )
    assert (leases.expire(), len(leases)) == ([], 0)


def test_a_receipt_ends_everything_about_a_batch() -> None:
    """After the receipt no lease of the batch, active or lapsed, means anything."""
    leases = table(Clock())
    first = leases.grant(A, "one")
    leases.failure(first.id, "x")
    second = leases.grant(A, "two")
    assert leases.receipt(second.id) == A
    assert leases.receipt(first.id) is None
    assert leases.failure(second.id, "x") is None
    assert leases.avoided(A) == frozenset()


def test_a_late_receipt_takes_the_second_lease_away() -> None:
    """A receipt for a lapsed lease finishes the batch while another worker has it; that one's failure means nothing."""
    clock = Clock()
    leases = table(clock)
    first = leases.grant(A, "slow")
    clock.now += 60
    leases.expire()
    second = leases.grant(A, "other")
    assert leases.receipt(first.id) == A
    assert (leases.failure(second.id, "x"), len(leases)) == (None, 0)


def test_attempts_are_counted_per_batch() -> None:
    """A batch is given up at its last attempt, whatever became of others."""
    leases = table(Clock(), attempts=3)
    outcomes = [leases.failure(leases.grant(key, "w").id, "x") for key in (A, A, B, A)]
    assert [back.given_up for back in outcomes if back] == [False, False, False, True]


def lose(leases: LeaseTable, key: tuple[str, int, int] = A) -> ReturnedBatch:
    """Leases a batch to a worker that begins it, alone if it is to be, and dies."""
    lease = leases.grant(key, "w")
    leases.blame(lease.id)
    (back,) = leases.leave("w", orderly=False)
    return back


def test_a_batch_lost_twice_is_leased_alone() -> None:
    """A batch that was lost with two workers is leased alone; one that was lost once, or failed, is not."""
    leases = table(Clock(), attempts=9)
    for _ in range(2):
        assert not leases.grant(A, "v").alone
        leases.leave("v", orderly=False)
    assert leases.grant(A, "w").alone
    leases.failure(leases.grant(B, "w").id, "x")
    leases.failure(leases.grant(B, "w").id, "x")
    assert not leases.grant(B, "w").alone


def test_only_losses_alone_count() -> None:
    """A batch is given up when it was lost alone as often as it may be, not for what it was lost beside."""
    leases = table(Clock(), attempts=1, losses=2)
    assert not lose(leases).given_up
    assert not lose(leases).given_up
    for _ in range(3):
        # Leased alone, but its worker goes before it begins.
        leases.grant(A, "w")
        assert not leases.leave("w", orderly=False)[0].given_up
    assert not lose(leases).given_up
    assert lose(leases).given_up


def test_a_batch_that_kills_unbegun_is_given_up_too() -> None:
    """A batch lost again and again before it is begun is not tried for ever."""
    leases = table(Clock(), losses=2)
    for number in range(8):
        leases.grant(A, "w")
        (back,) = leases.leave("w", orderly=False)
        assert back.given_up == (number == 7)


def test_beginning_alone_starts_the_lease_anew() -> None:
    """The time a batch waited to be alone does not count against it."""
    clock = Clock()
    leases = table(clock, losses=1)
    lose(leases)
    lose(leases)
    lease = leases.grant(A, "w")
    clock.now += 59
    leases.blame(lease.id)
    clock.now += 59
    assert leases.expire() == []
    clock.now += 1
    assert leases.expire()[0].given_up


def test_a_worker_that_waits_for_the_bus_costs_its_batches_nothing() -> None:
    """Leases that expire while their worker cannot publish go to others and are counted no losses; later ones are."""
    clock = Clock()
    leases = table(clock, losses=1)
    for _ in range(9):
        leases.stall("w")
        leases.grant(A, "w")
        clock.now += 60
        (back,) = leases.expire()
        assert (back.cause, back.given_up) == ("expiry", False)
    assert leases.avoided(A) == {"w"}
    leases.unstall("w")
    for number in range(4):
        leases.grant(A, "w")
        clock.now += 60
        assert leases.expire()[0].given_up == (number == 3)


def test_handing_back_costs_nothing() -> None:
    """A batch may be handed back, or left by a worker that goes in order, as often as one likes, and avoids no one."""
    leases = table(Clock(), attempts=1, losses=1)
    for _ in range(10):
        back = leases.hand_back(leases.grant(A, "w").id)
        assert back is not None
        assert not back.given_up
        leases.grant(A, "w")
        assert not leases.leave("w", orderly=True)[0].given_up
    assert leases.avoided(A) == frozenset()


def test_the_worker_that_failed_is_avoided_for_a_while() -> None:
    """Workers that failed a batch are avoided until the time for that is over."""
    clock = Clock()
    leases = table(clock, prefer_other=10)
    leases.failure(leases.grant(A, "one").id, "x")
    leases.failure(leases.grant(A, "two").id, "x")
    assert leases.avoided(A) == {"one", "two"}
    assert leases.avoided(B) == frozenset()
    clock.now += 10
    assert leases.avoided(A) == frozenset()


def test_leases_of_another_table_are_strangers() -> None:
    """A lease of an earlier dispatcher is unknown to the next one, though both number alike."""
    old, new = table(Clock()), table(Clock())
    lease = old.grant(A, "w")
    new.grant(B, "w")
    assert new.receipt(lease.id) is None


def test_every_lease_has_its_own_name() -> None:
    """No two leases share an id."""
    leases = table(Clock())
    assert len({leases.grant(("r", 0, n), "w").id for n in range(100)}) == 100


@pytest.mark.parametrize("word", ["receipt", "failure", "hand_back"])
def test_unknown_leases_are_ignored(word: str) -> None:
    """A word about a lease that never was changes nothing."""
    leases = table(Clock())
    leases.grant(A, "w")
    outcome = {
        "receipt": lambda: leases.receipt("nonsense"),
        "failure": lambda: leases.failure("nonsense", "x"),
        "hand_back": lambda: leases.hand_back("nonsense"),
    }[word]()
    assert (outcome, len(leases)) == (None, 1)
