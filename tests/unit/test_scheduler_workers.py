"""The scheduler and its workers: broken ones, foreign ones, and engines that differ."""

from __future__ import annotations

import heapq

import pytest
from prometheus_client import REGISTRY

from reelwright.dispatcher.decisions import (
    BatchFinished,
    BatchGivenUp,
    BatchRejected,
    StartAllowed,
    StreamClosed,
    WorkerQuarantined,
)
from reelwright.dispatcher.engine_assignment import EngineAssignment, EngineRequest
from tests.support.schedulers import MAX_CREDITS, SchedulerHarness, batch


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


def test_workers_of_different_speeds_are_kept_busy() -> None:
    """Workers that take 1, 2 and 4 seconds for a batch, and whose receipts are answered late, never wait for work."""
    h = SchedulerHarness()
    for number in range(96):
        h.scheduler.add_batch(batch(f"r{number % 4}", number))
    seconds = {h.connect(name, credits_=3): cost for name, cost in (("fast", 1.0), ("middling", 2.0), ("slow", 4.0))}
    free_at, taken = dict.fromkeys(seconds, h.clock.now), dict.fromkeys(seconds, 0)
    receipts: list[tuple[float, int, str]] = []
    while True:
        for stream, cost in seconds.items():
            for lease in h.granted(stream)[taken[stream] :]:
                assert taken[stream] == 0 or h.clock.now <= free_at[stream], "it had to wait"
                taken[stream] += 1
                free_at[stream] = max(free_at[stream], h.clock.now) + cost
                heapq.heappush(receipts, (free_at[stream] + 0.9, stream, lease.lease_id))
        if not receipts:
            break
        h.clock.now, stream, lease_id = heapq.heappop(receipts)
        h.scheduler.complete_batch(stream, lease_id)
        h.scheduler.add_credits(stream, 1)
    fast, middling, slow = taken.values()
    assert fast + middling + slow == 96
    assert fast > 1.7 * middling > 1.7 * 1.7 * slow


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
    # It is not asked to leave, because it has announced that.
    assert h.other_decisions() == [StreamClosed(broken)]
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


def test_refusals_of_a_quarantined_worker_are_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A worker that connects again and again in its quarantine is counted each time and logged once a quarantine."""
    h = SchedulerHarness()
    before = refused("quarantine")
    for logged in (1, 2):
        h.scheduler.quarantine_worker(h.connect("broken"), "self_test", "wrong picture")
        for _ in range(3):
            h.connect("broken")
        assert [record.message for record in caplog.records].count("worker refused") == logged
        h.clock.now += 60
    assert refused("quarantine") == before + 6


@pytest.mark.parametrize("message", ["receipt", "failure", "unusable", "release", "start"])
def test_messages_about_anothers_lease_are_refused(message: str) -> None:
    """What a worker says about the lease of another session changes nothing and is counted."""
    h = SchedulerHarness(max_failures=1)
    owner, foreign = h.connect("owner", credits_=1), h.connect("foreign")
    h.scheduler.add_batch(batch("r"))
    lease = h.granted(owner)[0].lease_id
    before = refused("foreign_lease")
    {
        "receipt": lambda: h.scheduler.complete_batch(foreign, lease),
        "failure": lambda: h.scheduler.fail_batch(foreign, lease, "x"),
        "unusable": lambda: h.scheduler.reject_payload(foreign, lease, "x"),
        "release": lambda: h.scheduler.release_batch(foreign, lease),
        "start": lambda: h.scheduler.start_exclusive_batch(foreign, lease),
    }[message]()
    assert (h.all_ended(), h.other_decisions(), refused("foreign_lease")) == ([], [], before + 1)
    h.scheduler.complete_batch(owner, lease)
    assert [key.run for key in h.ended(BatchFinished)] == ["r"]


@pytest.mark.parametrize("end", ["late receipt", "expiry and restored", "expiry and dropped"])
def test_a_start_request_is_answered_after_the_end_of_the_batch(end: str) -> None:
    """A worker that asks to start an exclusive batch has an answer although the batch has ended meanwhile."""
    h = SchedulerHarness()
    h.scheduler.add_batch(batch("r"))
    first = h.connect("first", credits_=1)
    h.clock.now += 60
    h.scheduler.expire_leases()
    h.connect("second", credits_=1)
    h.clock.now += 60
    h.scheduler.expire_leases()
    third = h.connect("third", credits_=1)
    (lease,) = h.granted(third)
    assert lease.exclusive
    if end == "late receipt":
        h.scheduler.complete_batch(first, h.granted(first)[0].lease_id)
    else:
        h.clock.now += 60
        h.scheduler.expire_leases()
        if end == "expiry and restored":
            fourth = h.connect("fourth", credits_=1)
            h.scheduler.complete_batch(fourth, h.granted(fourth)[0].lease_id)
        else:
            h.scheduler.drop_run("r", 1)
    assert h.scheduler.pending_keys() == set()
    h.scheduler.start_exclusive_batch(third, lease.lease_id)
    assert h.other_decisions() == [StartAllowed(third, lease.lease_id)]
    h.scheduler.complete_batch(third, lease.lease_id)
    assert h.ended(BatchFinished) == [lease.batch.key]


def test_a_start_request_that_names_no_lease_is_not_answered() -> None:
    """A text that cannot be the id of a lease is counted and not sent back."""
    h = SchedulerHarness()
    stream, before = h.connect("w"), refused("unknown_lease")
    for text in ("", "0" * 31, "0" * 60000):
        h.scheduler.start_exclusive_batch(stream, text)
    assert (h.other_decisions(), refused("unknown_lease")) == ([], before + 3)


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


def test_the_engine_is_decided_for_a_run_and_not_for_each_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle worker of another engine costs no more with many waiting batches of a run than with one."""
    asked: list[str] = []
    is_allowed = EngineAssignment.is_allowed

    def count(engines: EngineAssignment, request: EngineRequest, engine: str) -> bool:
        asked.append(request.run)
        return is_allowed(engines, request, engine)

    h = SchedulerHarness()
    for number in range(200):
        h.scheduler.add_batch(batch("r", number, engine="two"))
    idle = h.connect("idle", engine="one-1")
    monkeypatch.setattr(EngineAssignment, "is_allowed", count)
    h.scheduler.add_credits(idle, 1)
    h.scheduler.expire_leases()
    assert (asked, h.granted(idle)) == (["r", "r"], [])


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


def test_a_large_batch_waits_for_a_worker_that_accepts_it(caplog: pytest.LogCaptureFixture) -> None:
    """A batch that is too large for the workers of a rollout goes to a later one; it fails after a lease's time."""
    h = SchedulerHarness()
    h.connect("small", credits_=1, max_message_bytes=4000)
    h.scheduler.add_batch(batch("a", value=bytes(4000)))
    h.connect("second small", credits_=1, max_message_bytes=4000)
    for _ in range(59):
        h.scheduler.expire_leases()
        h.clock.now += 1
    large = h.connect("large", credits_=1, max_message_bytes=8000)
    assert [lease.batch.key.run for lease in h.granted(large)] == ["a"]
    h.scheduler.expire_leases()
    h.scheduler.release_batch(large, h.granted(large)[0].lease_id)
    h.scheduler.disconnect_worker(large)
    for _ in range(60):
        h.scheduler.expire_leases()
        assert h.all_ended() == []
        h.clock.now += 1
    h.scheduler.expire_leases()
    assert [key.run for key in h.ended(BatchRejected)] == ["a"]
    assert [record.message for record in caplog.records] == ["batch waits for a worker that accepts it"] * 2
