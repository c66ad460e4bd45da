"""The dispatcher's decisions without a network: lease table, ready queue and desk, on a clock of the test's own."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from reelwright.dispatcher.desk import Desk, Worker
from reelwright.dispatcher.leases import LeaseTable, Returned
from reelwright.dispatcher.queue import CLASSES, Batch, ReadyQueue
from reelwright.dispatcher.unserved import Unserved
from reelwright.wire.dispatch_pb2 import DispatcherMessage, Lease
from reelwright.wire.frames_pb2 import FrameBatch

A, B = ("r", 0, 0), ("r", 0, 1)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def table(clock: Clock, attempts: int = 3, losses: int = 5, prefer_other: float = 10) -> LeaseTable:
    """A lease table of 60 s leases."""
    return LeaseTable(60, attempts, losses, prefer_other, clock)


def batch(run: str, segment: int = 0, number: int = 0, priority: str = "standard", model: str = "m") -> Batch:
    """A batch of one frame."""
    value = FrameBatch(run=run, segment=segment, batch=number).SerializeToString()
    return Batch((run, segment, number), priority, "name", model, 0, 1, None, value)


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


def lose(leases: LeaseTable, key: tuple[str, int, int] = A) -> Returned:
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


class Ward:
    """A desk, its clock, and what it said."""

    def __init__(self, attempts: int = 3, losses: int = 8, prefer_other: float = 10) -> None:
        self.clock = Clock()
        self.finished: list[Batch] = []
        self.given_up: list[Batch] = []
        leases = table(self.clock, attempts, losses, prefer_other)
        self.desk = Desk(
            leases,
            ReadyQueue(self.clock),
            Unserved(10, self.clock),
            self.finished.append,
            lambda batch, _: self.given_up.append(batch),
            lambda *_: None,
        )
        self.inbox: dict[str, list[Lease]] = {}
        self.revoked: list[tuple[str, str]] = []

    def join(self, name: str, credits_: int = 0, models: frozenset[str] = frozenset({"m"})) -> Worker:
        """Connects a worker and lets it pull."""

        def send(value: bytes) -> None:
            message = DispatcherMessage.FromString(value)
            if message.HasField("lease"):
                self.inbox[name].append(message.lease)
            else:
                self.revoked.append((name, message.revoke.run))

        self.inbox[name] = []
        worker = Worker(name, models, send, lambda: None)
        self.desk.join(worker)
        self.desk.pull(worker, credits_)
        return worker


def test_work_is_spread() -> None:
    """Batches go to the least burdened of the workers that have room."""
    ward = Ward()
    for name in "abc":
        ward.join(name, credits_=10)
    for number in range(9):
        ward.desk.add(batch("r", number=number))
    assert {name: len(leases) for name, leases in ward.inbox.items()} == {"a": 3, "b": 3, "c": 3}


def test_a_failed_batch_waits_for_another_worker() -> None:
    """A batch goes to a worker that has not failed it, and back to one that has when that takes too long."""
    ward = Ward()
    one = ward.join("one", credits_=2)
    ward.join("two")
    ward.desk.add(batch("r"))
    ward.desk.failure(ward.inbox["one"][0].lease, "x")
    assert len(ward.inbox["one"]) == 1
    ward.clock.now += 10
    ward.desk.tick()
    assert len(ward.inbox["one"]) == 2
    assert one.credits == 0


def test_a_failed_batch_does_not_wait_for_nobody() -> None:
    """A batch goes back at once when the other workers serve another model."""
    ward = Ward()
    ward.join("one", credits_=2)
    ward.join("two", credits_=2, models=frozenset({"other"}))
    ward.desk.add(batch("r"))
    ward.desk.failure(ward.inbox["one"][0].lease, "x")
    assert (len(ward.inbox["one"]), len(ward.inbox["two"])) == (2, 0)


def test_a_draining_worker_gets_nothing_more() -> None:
    """A worker that said it drains gets no lease, though it has credits left."""
    ward = Ward()
    worker = ward.join("w", credits_=5)
    ward.desk.hand_back(worker, "")
    ward.desk.add(batch("r"))
    assert ward.inbox["w"] == []


def test_a_batch_that_comes_back_costs_its_worker_nothing() -> None:
    """A worker that gives one batch back, and does not drain, is leased as many others as it asked for."""
    ward = Ward()
    worker = ward.join("w", credits_=3)
    ward.desk.add(batch("r"))
    ward.desk.hand_back(worker, ward.inbox["w"][0].lease)
    ward.desk.add(batch("r", number=1))
    assert len(ward.inbox["w"]) == 3
    assert not worker.draining


def test_dropping_a_run_settles_all_of_it() -> None:
    """What waits and what is leased of a dropped run is settled, its holders told, and late words mean nothing."""
    ward = Ward()
    worker = ward.join("w", credits_=1)
    ward.join("idle")
    for number in range(3):
        ward.desk.add(batch("gone", number=number))
    ward.desk.add(batch("stays"))
    ward.desk.drop_run("gone")
    assert sorted(b.key for b in ward.finished) == [("gone", 0, n) for n in range(3)]
    assert ward.revoked == [("w", "gone")]
    ward.desk.receipt(worker, ward.inbox["w"][0].lease)
    assert len(ward.finished) == 3


def test_a_late_receipt_takes_a_batch_out_of_the_queue() -> None:
    """A batch that waits for its next worker is finished by a late receipt and leased to nobody."""
    ward = Ward()
    worker = ward.join("slow", credits_=1)
    ward.desk.add(batch("r"))
    ward.clock.now += 60
    ward.desk.tick()
    ward.desk.receipt(worker, ward.inbox["slow"][0].lease)
    ward.join("other", credits_=1)
    assert [b.key for b in ward.finished] == [("r", 0, 0)]
    assert ward.inbox["other"] == []


def waiting_in(desk: Desk) -> list[Batch]:
    """The batches in a desk's queue."""
    models = desk._ready._models.values()
    return [b for model in models for kind in model.classes.values() for run in kind.runs.values() for b in run]


@settings(max_examples=60, stateful_step_count=50, deadline=None)
class DeskMachine(RuleBasedStateMachine):
    """Whatever workers do, a batch is leased to one at a time, and is settled exactly once or still there."""

    def __init__(self) -> None:
        super().__init__()
        self.ward = Ward(attempts=2, losses=3, prefer_other=5)
        self.workers: dict[str, Worker] = {}
        self.added: set[tuple[str, int, int]] = set()
        self.joins = 0
        self.seen: list[tuple[str, str]] = []
        self.credits: Counter[str] = Counter()

    @rule(run=st.sampled_from("ab"), number=st.integers(0, 30), priority=st.sampled_from(sorted(CLASSES)))
    def add(self, run: str, number: int, priority: str) -> None:
        item = batch(run, number=number, priority=priority)
        if item.key not in self.added:
            self.added.add(item.key)
            self.ward.desk.add(item)

    @rule(credits_=st.integers(0, 3))
    def join(self, credits_: int) -> None:
        self.joins += 1
        name = f"w{self.joins}"
        self.credits[name] += credits_
        self.workers[name] = self.ward.join(name, credits_)

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), orderly=st.booleans())
    def leave(self, data: st.DataObject, orderly: bool) -> None:
        worker = self.workers.pop(data.draw(st.sampled_from(sorted(self.workers))))
        worker.draining = orderly
        self.ward.desk.leave(worker)

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), credits_=st.integers(1, 3))
    def pull(self, data: st.DataObject, credits_: int) -> None:
        worker = self.workers[data.draw(st.sampled_from(sorted(self.workers)))]
        self.credits[worker.name] += credits_
        self.ward.desk.pull(worker, credits_)

    @precondition(lambda self: self.workers and any(self.ward.inbox.values()))
    @rule(data=st.data(), word=st.sampled_from(["receipt", "failure"]))
    def word(self, data: st.DataObject, word: str) -> None:
        leases = sorted(lease.lease for leases in self.ward.inbox.values() for lease in leases)
        lease = data.draw(st.sampled_from(leases))
        if word == "receipt":
            self.ward.desk.receipt(next(iter(self.workers.values())), lease)
        else:
            self.ward.desk.failure(lease, "x")

    @rule(seconds=st.sampled_from([1.0, 6.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.ward.clock.now += seconds
        self.ward.desk.tick()

    @rule(run=st.sampled_from("ab"))
    def drop(self, run: str) -> None:
        self.ward.desk.drop_run(run)

    @invariant()
    def every_batch_is_in_one_place(self) -> None:
        desk = self.ward.desk
        settled = Counter(b.key for b in (*self.ward.finished, *self.ward.given_up))
        leased = Counter(lease.key for lease in desk._leases._active.values())
        waiting = Counter(batch.key for batch in waiting_in(desk))
        assert settled + leased + waiting == Counter(self.added)

    @invariant()
    def nobody_gets_more_than_asked_for(self) -> None:
        for name, leases in self.ward.inbox.items():
            assert len(leases) <= self.credits[name]

    @invariant()
    def leases_are_held_by_workers_that_are_there(self) -> None:
        assert {lease.worker for lease in self.ward.desk._leases._active.values()} <= set(self.workers)

    @invariant()
    def nothing_is_remembered_of_settled_batches(self) -> None:
        held = set(self.ward.desk._batches)
        assert set(self.ward.desk._leases._history) <= held
        assert set(self.ward.desk._leases._lapsed.values()) <= held

    @invariant()
    def no_worker_waits_beside_work(self) -> None:
        desk = self.ward.desk
        fresh = [batch for batch in waiting_in(desk) if not desk._leases.avoided(batch.key)]
        assert not fresh or not any(worker.credits for worker in self.workers.values())


TestDesk = DeskMachine.TestCase


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
