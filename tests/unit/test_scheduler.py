"""The scheduler without a network: which batch goes to which worker, and when a batch has ended."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from prometheus_client import REGISTRY

from reelwright.dispatcher.connected_worker import WorkerHello
from reelwright.dispatcher.decisions import (
    BatchFinished,
    BatchGivenUp,
    BatchUnusable,
    LeaseGranted,
    RunRevoked,
    StartAllowed,
    StreamClosed,
    WorkerQuarantined,
)
from reelwright.dispatcher.quarantine import Quarantine
from reelwright.dispatcher.ready_queue import CLASS_WEIGHTS, BatchKey, QueuedBatch, ReadyQueue
from reelwright.dispatcher.scheduler import Scheduler
from reelwright.dispatcher.unserved_models import UnservedModels
from tests.support.lease_tables import ManualClock, lease_table

MAX_CREDITS = 12


def batch(run: str, number: int = 0, *, priority: str = "standard", model: str = "m", engine: str = "") -> QueuedBatch:
    """A batch of one frame."""
    return QueuedBatch(
        key=BatchKey(run, 0, number),
        priority=priority,
        model="name",
        model_sha256=model,
        engine=engine,
        first_frame=0,
        frames=1,
        deadline=None,
        value=b"",
    )


class SchedulerHarness:
    """A scheduler, its clock and parts, and the decisions it has made."""

    def __init__(
        self,
        *,
        max_failures: int = 3,
        max_losses: int = 8,
        prefer_other_seconds: float = 10,
        quarantine_runs: int = 99,
    ) -> None:
        self.clock = ManualClock()
        self.table = lease_table(
            self.clock, max_failures=max_failures, max_losses=max_losses, prefer_other_seconds=prefer_other_seconds
        )
        self.queue = ReadyQueue(self.clock)
        self.scheduler = Scheduler(
            self.table,
            self.queue,
            UnservedModels(10, self.clock),
            Quarantine(quarantine_runs, 60, self.clock),
            max_credits=MAX_CREDITS,
        )
        self._streams = itertools.count(1)
        self._granted: defaultdict[int, list[LeaseGranted]] = defaultdict(list)
        self._ended: list[BatchFinished | BatchGivenUp | BatchUnusable] = []
        self._others: list[RunRevoked | StartAllowed | WorkerQuarantined | StreamClosed] = []

    def connect(
        self,
        name: str,
        credits_: int = 0,
        models: frozenset[str] = frozenset({"m"}),
        *,
        engine: str = "one-1",
    ) -> int:
        """Connects a worker, which asks for batches; returns its stream."""
        stream = next(self._streams)
        hello = WorkerHello(name=name, session=f"session of {name}", models=models, engine=engine)
        self.scheduler.connect_worker(stream, hello)
        self.scheduler.add_credits(stream, credits_)
        return stream

    def granted(self, stream: int) -> list[LeaseGranted]:
        """The leases granted to a worker so far."""
        self._collect()
        return self._granted[stream]

    def all_granted(self) -> list[LeaseGranted]:
        """The leases granted to any worker so far."""
        self._collect()
        return list(itertools.chain.from_iterable(self._granted.values()))

    def ended(self, kind: type[BatchFinished | BatchGivenUp | BatchUnusable]) -> list[BatchKey]:
        """The batches that ended in one way so far."""
        self._collect()
        return [outcome.batch.key for outcome in self._ended if isinstance(outcome, kind)]

    def all_ended(self) -> list[BatchKey]:
        """The batches that ended in any way so far."""
        self._collect()
        return [outcome.batch.key for outcome in self._ended]

    def other_decisions(self) -> list[RunRevoked | StartAllowed | WorkerQuarantined | StreamClosed]:
        """The decisions that neither grant a lease nor end a batch."""
        self._collect()
        return self._others

    def _collect(self) -> None:
        for decision in self.scheduler.pop_decisions():
            match decision:
                case LeaseGranted():
                    self._granted[decision.stream].append(decision)
                case BatchFinished() | BatchGivenUp() | BatchUnusable():
                    self._ended.append(decision)
                case _:
                    self._others.append(decision)


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


def test_dropping_a_run_ends_all_its_batches() -> None:
    """Queued and leased batches of a dropped run end, its holders are told, and a late receipt changes nothing."""
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


def fail(h: SchedulerHarness, stream: int) -> None:
    """A worker fails the batch that it was leased last, and asks for another."""
    h.scheduler.fail_batch(stream, h.granted(stream)[-1].lease_id, "x")
    h.scheduler.add_credits(stream, 1)


def restore_all(h: SchedulerHarness, *streams: int) -> None:
    """Workers restore what they were leased, until there is nothing left."""
    done = -1
    while done < len(h.all_ended()):
        done = len(h.all_ended())
        for stream in streams:
            for lease in h.granted(stream):
                if lease.batch.key not in h.all_ended():
                    h.scheduler.complete_batch(stream, lease.lease_id)
                    h.scheduler.add_credits(stream, 1)


def test_one_broken_worker_fails_no_title() -> None:
    """A worker that fails everything at once beside three sound ones is sent away, and every batch is restored."""
    h = SchedulerHarness(quarantine_runs=3)
    broken = h.connect("broken", credits_=1)
    for run in "abcdef":
        h.scheduler.add_batch(batch(run))
    sound = [h.connect(name, credits_=1) for name in ("x", "y", "z")]
    failures = 0
    while not h.ended(BatchGivenUp) and WorkerQuarantined not in map(type, h.other_decisions()) and failures < 100:
        if len(h.granted(broken)) > failures:
            failures += 1
            fail(h, broken)
        restore_all(h, *sound)
        h.clock.now += 10
        h.scheduler.expire_leases()
        h.scheduler.add_batch(batch(f"more{failures}"))
    restore_all(h, *sound)
    assert h.ended(BatchGivenUp) == []
    assert h.scheduler.pending_keys() == set()
    quarantined = next(each for each in h.other_decisions() if isinstance(each, WorkerQuarantined))
    assert quarantined.stream == broken
    h.scheduler.add_credits(broken, 5)
    h.scheduler.add_batch(batch("later"))
    assert "later" not in {lease.batch.key.run for lease in h.granted(broken)}


def test_films_that_no_worker_can_restore_quarantine_nobody() -> None:
    """Batches of many runs that every worker fails are given up, and no worker is blamed for them."""
    h = SchedulerHarness(quarantine_runs=2)
    workers = [h.connect(name, credits_=1) for name in ("x", "y", "z")]
    for run in "abcdef":
        h.scheduler.add_batch(batch(run))
    failed: set[str] = set()
    for _ in range(100):
        h.clock.now += 1
        h.scheduler.expire_leases()
        for stream in workers:
            for lease in list(h.granted(stream)):
                if lease.lease_id not in failed:
                    failed.add(lease.lease_id)
                    h.scheduler.fail_batch(stream, lease.lease_id, "x")
                    h.scheduler.add_credits(stream, 1)
    assert len(h.ended(BatchGivenUp)) == 6
    assert [each for each in h.other_decisions() if isinstance(each, WorkerQuarantined)] == []


def test_a_quarantined_worker_loses_nothing() -> None:
    """The leases of a worker that reports its own defect go to others, none of them counts, and its name is refused."""
    h = SchedulerHarness(max_failures=1, max_losses=1)
    broken = h.connect("broken", credits_=2)
    h.scheduler.add_batch(batch("r", 0))
    h.scheduler.add_batch(batch("r", 1))
    h.scheduler.quarantine_worker(broken, "self_test", "wrong picture")
    assert h.other_decisions() == [WorkerQuarantined(broken, "wrong picture"), StreamClosed(broken)]
    again = h.connect("broken", credits_=2)
    assert h.granted(again) == []
    assert h.other_decisions()[-1] == StreamClosed(again)
    other = h.connect("other", credits_=2)
    assert [lease.exclusive for lease in h.granted(other)] == [False, False]
    h.clock.now += 60
    assert len(h.scheduler.connected_workers()) == 1
    h.connect("broken")
    assert len(h.scheduler.connected_workers()) == 2


def test_a_failed_batch_goes_to_a_worker_that_has_restored_something() -> None:
    """A batch that one worker failed waits for a proven worker, not for one that may be the same broken one again."""
    h = SchedulerHarness()
    proven = h.connect("proven", credits_=1)
    h.scheduler.add_batch(batch("first"))
    h.scheduler.complete_batch(proven, h.granted(proven)[0].lease_id)
    broken = h.connect("broken", credits_=1)
    h.scheduler.add_batch(batch("r"))
    h.scheduler.fail_batch(broken, h.granted(broken)[0].lease_id, "x")
    h.scheduler.disconnect_worker(broken)
    replaced = h.connect("replaced", credits_=1)
    assert h.granted(replaced) == []
    h.scheduler.add_credits(proven, 1)
    assert [lease.batch.key.run for lease in h.granted(proven)] == ["first", "r"]


@pytest.mark.parametrize("message", ["receipt", "failure", "unusable", "release", "start"])
def test_messages_about_anothers_lease_are_refused(message: str) -> None:
    """What a worker says about the lease of another session changes nothing and is counted."""
    h = SchedulerHarness(max_failures=1)
    owner, stranger = h.connect("owner", credits_=1), h.connect("stranger")
    h.scheduler.add_batch(batch("r"))
    lease = h.granted(owner)[0].lease_id
    before = refused("foreign_lease")
    {
        "receipt": lambda: h.scheduler.complete_batch(stranger, lease),
        "failure": lambda: h.scheduler.fail_batch(stranger, lease, "x"),
        "unusable": lambda: h.scheduler.reject_payload(stranger, lease, "x"),
        "release": lambda: h.scheduler.release_batch(stranger, lease),
        "start": lambda: h.scheduler.start_exclusive_batch(stranger, lease),
    }[message]()
    assert (h.all_ended(), h.other_decisions(), refused("foreign_lease")) == ([], [], before + 1)
    h.scheduler.complete_batch(owner, lease)
    assert [key.run for key in h.ended(BatchFinished)] == ["r"]


def test_credits_have_a_limit() -> None:
    """A worker holds and asks for no more batches than the limit, and what it asks for beyond is counted."""
    h = SchedulerHarness()
    before = refused("credits")
    greedy = h.connect("greedy", credits_=1 << 31)
    for number in range(MAX_CREDITS + 5):
        h.scheduler.add_batch(batch("r", number))
    h.scheduler.add_credits(greedy, 1)
    assert (len(h.granted(greedy)), refused("credits")) == (MAX_CREDITS, before + 2)


def test_a_run_stays_with_the_engine_of_its_first_lease() -> None:
    """Of two engines that could restore a run, only the one that began with it gets its batches."""
    h = SchedulerHarness()
    streams = {engine: h.connect(engine, credits_=5, engine=engine) for engine in ("one-1", "two-1")}
    for number in range(4):
        h.scheduler.add_batch(batch("r", number))
        h.scheduler.add_batch(batch("s", number))
    for stream in streams.values():
        assert len({lease.batch.key.run for lease in h.granted(stream)}) == 1
        assert len(h.granted(stream)) == 4


def test_runs_are_shared_in_proportion_to_the_workers() -> None:
    """A lone worker of another engine gets a run only when the others have one each."""
    h = SchedulerHarness()
    lone = h.connect("lone", credits_=9, engine="aaa-1")
    many = [h.connect(f"m{number}", credits_=9, engine="zzz-1") for number in range(3)]
    for run in "abcd":
        h.scheduler.add_batch(batch(run))
    assert (len(h.granted(lone)), sum(len(h.granted(stream)) for stream in many)) == (1, 3)


def test_the_announced_engine_counts() -> None:
    """When the encoder announces another engine than this dispatcher began with, the run goes on with that one."""
    h = SchedulerHarness()
    one = h.connect("one", credits_=1, engine="one-1")
    h.scheduler.add_batch(batch("r", 0))
    two = h.connect("two", credits_=5, engine="two-1")
    h.scheduler.bind_engine("r", "two-1")
    h.scheduler.add_credits(one, 5)
    for number in range(1, 4):
        h.scheduler.add_batch(batch("r", number))
    assert (len(h.granted(one)), len(h.granted(two))) == (1, 3)


def test_a_run_waits_for_its_engine() -> None:
    """A batch that names an engine, or words of one, goes to no other; without the batch's word a run may change."""
    h = SchedulerHarness()
    one = h.connect("one", credits_=9, engine="one-1 cpu")
    h.scheduler.add_batch(batch("bound", engine="two-1 cpu"))
    h.scheduler.add_batch(batch("wish", engine="two"))
    h.scheduler.add_batch(batch("free"))
    h.scheduler.add_batch(batch("words", engine="cpu one"))
    assert {lease.batch.key.run for lease in h.granted(one)} == {"free", "words"}
    h.scheduler.disconnect_worker(one)
    two = h.connect("two", credits_=9, engine="two-1 cpu")
    assert {lease.batch.key.run for lease in h.granted(two)} == {"bound", "wish", "free"}


def test_a_worker_that_names_no_engine_gets_what_is_left() -> None:
    """A worker of an earlier version gets only batches that no worker with a named engine can restore."""
    h = SchedulerHarness()
    old = h.connect("old", credits_=9, engine="")
    h.scheduler.add_batch(batch("r", 0))
    assert len(h.granted(old)) == 1
    new = h.connect("new", engine="one-1")
    h.scheduler.add_batch(batch("r", 1))
    assert len(h.granted(old)) == 1
    h.scheduler.add_credits(new, 1)
    assert len(h.granted(new)) == 1


def refused(cause: str) -> float:
    """How many messages were refused so far."""
    return REGISTRY.get_sample_value("reelwright_messages_refused_total", {"cause": cause}) or 0.0


TestScheduler = SchedulerMachine.TestCase
