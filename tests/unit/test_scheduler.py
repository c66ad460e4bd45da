"""The dispatcher's decisions without a network: which batch goes to which worker, and what is settled when."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from reelwright.dispatcher.ready_queue import CLASSES, QueuedBatch, ReadyQueue
from reelwright.dispatcher.scheduler import ConnectedWorker, Scheduler
from reelwright.dispatcher.unserved_models import UnservedModels
from reelwright.wire.dispatch_pb2 import DispatcherMessage, Lease
from reelwright.wire.frames_pb2 import FrameBatch
from tests.support.leasing import Clock, table


def batch(run: str, segment: int = 0, number: int = 0, priority: str = "standard", model: str = "m") -> QueuedBatch:
    """A batch of one frame."""
    value = FrameBatch(run=run, segment=segment, batch=number).SerializeToString()
    return QueuedBatch((run, segment, number), priority, "name", model, 0, 1, None, value)


class Ward:
    """A desk, its clock, and what it said."""

    def __init__(self, attempts: int = 3, losses: int = 8, prefer_other: float = 10) -> None:
        self.clock = Clock()
        self.finished: list[QueuedBatch] = []
        self.given_up: list[QueuedBatch] = []
        leases = table(self.clock, attempts, losses, prefer_other)
        self.desk = Scheduler(
            leases,
            ReadyQueue(self.clock),
            UnservedModels(10, self.clock),
            self.finished.append,
            lambda batch, _: self.given_up.append(batch),
            lambda *_: None,
        )
        self.inbox: dict[str, list[Lease]] = {}
        self.revoked: list[tuple[str, str]] = []

    def join(self, name: str, credits_: int = 0, models: frozenset[str] = frozenset({"m"})) -> ConnectedWorker:
        """Connects a worker and lets it pull."""

        def send(value: bytes) -> None:
            message = DispatcherMessage.FromString(value)
            if message.HasField("lease"):
                self.inbox[name].append(message.lease)
            else:
                self.revoked.append((name, message.revoke.run))

        self.inbox[name] = []
        worker = ConnectedWorker(name, models, send, lambda: None)
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


def waiting_in(desk: Scheduler) -> list[QueuedBatch]:
    """The batches in a desk's queue."""
    models = desk._ready._models.values()
    return [b for model in models for kind in model.classes.values() for run in kind.runs.values() for b in run]


@settings(max_examples=60, stateful_step_count=50, deadline=None)
class DeskMachine(RuleBasedStateMachine):
    """Whatever workers do, a batch is leased to one at a time, and is settled exactly once or still there."""

    def __init__(self) -> None:
        super().__init__()
        self.ward = Ward(attempts=2, losses=3, prefer_other=5)
        self.workers: dict[str, ConnectedWorker] = {}
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
