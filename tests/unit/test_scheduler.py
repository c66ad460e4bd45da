"""The scheduler without a network: which batch goes to which worker, and when a batch has ended."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from reelwright.dispatcher.decisions import BatchFinished, RunRevoked, StreamClosed
from reelwright.dispatcher.queued_batch import BatchKey
from reelwright.dispatcher.ready_queue import CLASS_WEIGHTS
from tests.support.schedulers import SchedulerHarness, batch


def test_batches_are_spread_over_workers() -> None:
    """Of the workers that have credits, the one with the fewest leases gets the next batch."""
    h = SchedulerHarness()
    streams = [h.connect(name, credits_=10) for name in "abc"]
    for number in range(9):
        h.scheduler.add_batch(batch("r", number))
    assert [len(h.granted(stream)) for stream in streams] == [3, 3, 3]


def test_a_failed_batch_waits_for_another_worker() -> None:
    """A batch goes to a worker that has not failed it, and back to one that has when that takes too long."""
    h = SchedulerHarness()
    one = h.connect("one", credits_=2)
    h.connect("two")
    h.scheduler.add_batch(batch("r"))
    h.scheduler.fail_batch(one, h.granted(one)[0].lease_id, "x")
    assert len(h.granted(one)) == 1
    h.clock.now += 10
    h.scheduler.expire_leases()
    assert len(h.granted(one)) == 2
    assert [worker.credits for worker in h.scheduler.connected_workers()] == [0, 0]


def test_a_failed_batch_goes_back_when_no_other_worker_can_have_it() -> None:
    """A batch goes back at once when the other workers serve another model."""
    h = SchedulerHarness()
    one = h.connect("one", credits_=2)
    two = h.connect("two", credits_=2, models=frozenset({"other"}))
    h.scheduler.add_batch(batch("r"))
    h.scheduler.fail_batch(one, h.granted(one)[0].lease_id, "x")
    assert (len(h.granted(one)), len(h.granted(two))) == (2, 0)


def test_a_draining_worker_gets_no_lease() -> None:
    """A worker that drains gets no lease, though it has credits left."""
    h = SchedulerHarness()
    stream = h.connect("w", credits_=5)
    h.scheduler.drain_worker(stream)
    h.scheduler.add_batch(batch("r"))
    assert h.granted(stream) == []


def test_a_released_batch_costs_its_worker_nothing() -> None:
    """A worker that releases one batch, and does not drain, is leased as many others as it asked for."""
    h = SchedulerHarness()
    stream = h.connect("w", credits_=3)
    h.scheduler.add_batch(batch("r"))
    h.scheduler.release_batch(stream, h.granted(stream)[0].lease_id)
    h.scheduler.add_batch(batch("r", 1))
    assert len(h.granted(stream)) == 3
    assert not h.scheduler.connected_workers()[0].draining


def test_the_late_end_of_an_attempt_leaves_the_next_one() -> None:
    """Only the batches of the attempt that ended are dropped; the end of a later one drops those before it, too."""
    h = SchedulerHarness()
    batches = [batch("r"), batch("r", 1)]
    for attempt, each in enumerate(batches, 1):
        h.scheduler.add_batch(replace(each, key=each.key._replace(attempt=attempt)))
    h.scheduler.drop_run("r", 1)
    assert h.ended(BatchFinished) == [BatchKey("r", 0, 0, attempt=1)]
    assert h.scheduler.pending_keys() == {BatchKey("r", 0, 1, attempt=2)}
    h.scheduler.add_batch(batches[0])
    h.scheduler.drop_run("r", 2)
    assert h.scheduler.pending_keys() == set()


def test_dropping_a_run_ends_all_its_batches() -> None:
    """Queued and leased batches of a dropped run end, its holders are informed, and a late receipt changes nothing."""
    h = SchedulerHarness()
    stream = h.connect("w", credits_=1)
    h.connect("idle")
    for number in range(3):
        h.scheduler.add_batch(batch("gone", number))
    h.scheduler.add_batch(batch("stays"))
    h.scheduler.drop_run("gone", 1)
    assert sorted(h.ended(BatchFinished)) == [BatchKey("gone", 0, n) for n in range(3)]
    assert h.other_decisions() == [RunRevoked(stream, "gone", 1)]
    h.scheduler.complete_batch(stream, h.granted(stream)[0].lease_id)
    assert len(h.ended(BatchFinished)) == 3


def test_a_late_receipt_removes_a_batch_from_the_queue() -> None:
    """A batch that waits for its next worker is finished by a late receipt and leased to no one."""
    h = SchedulerHarness()
    slow = h.connect("slow", credits_=1)
    h.scheduler.add_batch(batch("r"))
    h.clock.now += 60
    h.scheduler.expire_leases()
    h.scheduler.complete_batch(slow, h.granted(slow)[0].lease_id)
    other = h.connect("other", credits_=1)
    assert h.ended(BatchFinished) == [BatchKey("r", 0, 0)]
    assert h.granted(other) == []


def test_a_replaced_stream_gets_no_lease() -> None:
    """When a worker opens a second stream the first one is closed, and credits that arrive on it are ignored."""
    h = SchedulerHarness()
    old = h.connect("w")
    new = h.connect("w", credits_=1)
    h.scheduler.add_credits(old, 5)
    for number in range(3):
        h.scheduler.add_batch(batch("r", number))
    assert h.other_decisions() == [StreamClosed(old)]
    assert (len(h.granted(old)), len(h.granted(new))) == (0, 1)


@settings(max_examples=60, stateful_step_count=50, deadline=None)
class SchedulerMachine(RuleBasedStateMachine):
    """Whatever workers do, a batch is leased to one at a time, and ends exactly once or is still pending."""

    def __init__(self) -> None:
        super().__init__()
        self.h = SchedulerHarness(max_failures=2, max_losses=3, prefer_other_seconds=5)
        self.streams: dict[int, str] = {}
        self.added: set[BatchKey] = set()
        self.connected = 0
        self.credits: Counter[int] = Counter()

    @rule(run=st.sampled_from("ab"), number=st.integers(0, 30), priority=st.sampled_from(sorted(CLASS_WEIGHTS)))
    def add_batch(self, run: str, number: int, priority: str) -> None:
        item = batch(run, number, priority=priority)
        if item.key not in self.added:
            self.added.add(item.key)
            self.h.scheduler.add_batch(item)

    @rule(credits_=st.integers(0, 3))
    def connect_worker(self, credits_: int) -> None:
        self.connected += 1
        name = f"w{self.connected}"
        stream = self.h.connect(name, credits_)
        self.credits[stream] += credits_
        self.streams[stream] = name

    @precondition(lambda self: self.streams)
    @rule(data=st.data(), drained=st.booleans())
    def disconnect_worker(self, data: st.DataObject, drained: bool) -> None:
        stream = data.draw(st.sampled_from(sorted(self.streams)))
        del self.streams[stream]
        if drained:
            self.h.scheduler.drain_worker(stream)
        self.h.scheduler.disconnect_worker(stream)

    @precondition(lambda self: self.streams)
    @rule(data=st.data(), credits_=st.integers(1, 3))
    def add_credits(self, data: st.DataObject, credits_: int) -> None:
        stream = data.draw(st.sampled_from(sorted(self.streams)))
        self.credits[stream] += credits_
        self.h.scheduler.add_credits(stream, credits_)

    @precondition(lambda self: self.streams and self.h.all_granted())
    @rule(data=st.data(), outcome=st.sampled_from(["receipt", "failure", "release"]))
    def end_lease(self, data: st.DataObject, outcome: str) -> None:
        # By position, because ids are random and hypothesis repeats its examples.
        granted = sorted(self.h.all_granted(), key=lambda lease: (lease.stream, lease.batch.key))
        lease = granted[data.draw(st.integers(0, len(granted) - 1))]
        stream = data.draw(st.sampled_from([lease.stream, *sorted(self.streams)]))
        ended = Counter(self.h.all_ended())
        if outcome == "receipt":
            self.h.scheduler.complete_batch(stream, lease.lease_id)
        elif outcome == "failure":
            self.h.scheduler.fail_batch(stream, lease.lease_id, "x")
        else:
            self.h.scheduler.release_batch(stream, lease.lease_id)
        assert stream == lease.stream or Counter(self.h.all_ended()) == ended

    @rule(seconds=st.sampled_from([1.0, 6.0, 61.0]))
    def pass_time(self, seconds: float) -> None:
        self.h.clock.now += seconds
        self.h.scheduler.expire_leases()

    @rule(run=st.sampled_from("ab"))
    def drop_run(self, run: str) -> None:
        self.h.scheduler.drop_run(run, 1)

    @invariant()
    def every_batch_is_in_one_place(self) -> None:
        ended = Counter(self.h.all_ended())
        leased = Counter(lease.key for lease in self.h.table.active_leases())
        queued = Counter(each.key for each in self.h.queue)
        assert ended + leased + queued == Counter(self.added)
        assert leased + queued == Counter(self.h.scheduler.pending_keys())

    @invariant()
    def no_worker_gets_more_than_it_asked_for(self) -> None:
        for lease in self.h.all_granted():
            assert len(self.h.granted(lease.stream)) <= self.credits[lease.stream]

    @invariant()
    def leases_are_held_by_connected_workers(self) -> None:
        assert {lease.worker for lease in self.h.table.active_leases()} <= set(self.streams.values())

    @invariant()
    def nothing_is_remembered_of_ended_batches(self) -> None:
        assert self.h.table.known_keys() <= self.h.scheduler.pending_keys()

    @invariant()
    def no_worker_waits_beside_work(self) -> None:
        allowed_to_all = [each for each in self.h.queue if not self.h.table.avoided_workers(each.key)]
        assert not allowed_to_all or not any(worker.credits for worker in self.h.scheduler.connected_workers())


TestScheduler = SchedulerMachine.TestCase
