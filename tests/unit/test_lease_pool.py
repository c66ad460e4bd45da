"""What a worker begins next and what it tells its dispatchers about its leases, word for word."""

from __future__ import annotations

import threading

import pytest

from reelwright.inference import lease_pool as jobs_module
from reelwright.inference.lease_pool import DispatcherSession, HeldLease, LeasePool
from reelwright.wire.dispatch_pb2 import Lease, WorkerMessage
from reelwright.wire.frames_pb2 import FrameBatch

Stream = list[WorkerMessage]


def said(stream: Stream) -> list[tuple[str, object]]:
    """The messages since the last call, in short."""
    words: list[tuple[str, object]] = []
    for message in stream:
        if kind := message.WhichOneof("message"):
            words.append((kind, "" if kind == "stalled" else getattr(message, kind).lease))
        if message.credits:
            words.append(("pull", message.credits))
    stream.clear()
    return words


def jobs_on_stream(room: int = 3) -> tuple[LeasePool, DispatcherSession, Stream]:
    """A worker's jobs with an open stream whose first request was read."""
    jobs, stream = LeasePool(room), Stream()
    (talk,) = jobs.conversations
    jobs.opened(talk, stream.append)
    assert said(stream) == [("pull", room)]
    return jobs, talk, stream


def jobs_on_two(room: int) -> tuple[LeasePool, tuple[DispatcherSession, ...], tuple[Stream, Stream]]:
    """A worker's jobs with open streams to two dispatchers."""
    jobs, streams = LeasePool(room, 2), (Stream(), Stream())
    for talk, stream in zip(jobs.conversations, streams, strict=True):
        jobs.opened(talk, stream.append)
    for stream in streams:
        stream.clear()
    return jobs, jobs.conversations, streams


def take(jobs: LeasePool, talk: DispatcherSession, lease: str, run: str = "r", alone: bool = False) -> HeldLease:
    """Takes a lease whose bytes are there."""
    job = jobs.take(talk, Lease(lease=lease, exclusive=alone, batch=FrameBatch(run=run).SerializeToString()))
    assert job is not None
    jobs.supply(job)
    return job


def begin(jobs: LeasePool, *leases: str) -> list[HeldLease]:
    """Begins the next jobs, which have these leases."""
    begun = []
    for lease in leases:
        job = jobs.next()
        assert job is not None
        assert job.lease == lease
        begun.append(job)
    return begun


def test_every_end_asks_for_the_next() -> None:
    """Receipt and failure are each followed by one credit; a failure says whether the payload is to blame."""
    jobs, talk, stream = jobs_on_stream()
    for lease in "123":
        take(jobs, talk, lease)
    one, two, three = begin(jobs, "1", "2", "3")
    jobs.receipt(one)
    jobs.failure(two, ValueError("a\nb"))
    jobs.failure(three, ValueError("c"), payload_unusable=True)
    failures = [message.failure for message in stream if message.HasField("failure")]
    assert [(each.reason, each.payload_unusable) for each in failures] == [
        ("ValueError: a b", False),
        ("ValueError: c", True),
    ]
    assert said(stream) == [
        ("receipt", "1"), ("pull", 1), ("failure", "2"), ("pull", 1), ("failure", "3"), ("pull", 1),
    ]  # fmt: skip


def test_what_is_fetched_is_begun_once_it_is_here() -> None:
    """A job whose bytes lie in the store holds up none behind it, and is begun with its bytes."""
    jobs, talk, _ = jobs_on_stream()
    away = jobs.take(talk, Lease(lease="1", batch=FrameBatch(run="r").SerializeToString()))
    assert away is not None
    take(jobs, talk, "2")
    begin(jobs, "2")
    jobs.supply(away, b"bytes")
    (job,) = begin(jobs, "1")
    assert job.content == b"bytes"


def test_a_broken_stream_forgets_what_waits() -> None:
    """What waited when the stream broke is not begun: the dispatcher has given it to another."""
    jobs, talk, _ = jobs_on_stream()
    take(jobs, talk, "1")
    jobs.lost(talk)
    assert not jobs.connected
    jobs.close()
    assert jobs.next() is None


def test_a_new_stream_hears_what_ended_meanwhile() -> None:
    """A receipt due while there was no stream is said on the next, which gets credits for the room that is left."""
    jobs, talk, _ = jobs_on_stream()
    take(jobs, talk, "1")
    take(jobs, talk, "2")
    ended, running = begin(jobs, "1", "2")
    jobs.lost(talk)
    jobs.receipt(ended)
    stream = Stream()
    jobs.opened(talk, stream.append)
    assert said(stream) == [("receipt", "1"), ("pull", 2)]
    jobs.receipt(running)
    assert said(stream) == [("receipt", "2"), ("pull", 1)]


def test_a_drain_is_announced() -> None:
    """A draining worker says so even with nothing to hand back, and asks for nothing more."""
    jobs, talk, stream = jobs_on_stream()
    jobs.drain(0)
    assert said(stream) == [("release", "")]
    assert jobs.take(talk, Lease(lease="late")) is None
    assert said(stream) == [("release", "late")]


def test_a_drain_hands_back_what_waits_and_waits_for_the_rest() -> None:
    """Draining hands back what no thread has begun and returns when what was begun has ended."""
    jobs, talk, stream = jobs_on_stream()
    take(jobs, talk, "1")
    take(jobs, talk, "2")
    (begun,) = begin(jobs, "1")
    drain = threading.Thread(target=lambda: jobs.drain(60))
    drain.start()
    while len(stream) < 2:
        assert drain.is_alive()
    jobs.receipt(begun)
    drain.join(60)
    assert not drain.is_alive()
    assert said(stream) == [("release", ""), ("release", "2"), ("receipt", "1")]


def test_a_revoked_run_is_dropped() -> None:
    """A revocation ends a run's waiting jobs without a word but for credits, and marks those that were begun."""
    jobs, talk, stream = jobs_on_stream()
    take(jobs, talk, "1", "gone")
    (begun,) = begin(jobs, "1")
    take(jobs, talk, "2", "gone")
    take(jobs, talk, "3", "stays")
    jobs.revoke("gone")
    assert said(stream) == [("pull", 1)]
    assert begun.dropped
    begin(jobs, "3")
    jobs.give_up(begun)
    assert said(stream) == [("pull", 1)]


def test_a_job_given_up_for_the_workers_end_is_handed_back() -> None:
    """A batch left in the middle because the worker must stop goes to another."""
    jobs, talk, stream = jobs_on_stream()
    take(jobs, talk, "1")
    (job,) = begin(jobs, "1")
    jobs.drain(0)
    jobs.give_up(job)
    assert said(stream) == [("release", ""), ("release", "1")]


def test_room_is_offered_to_every_dispatcher() -> None:
    """A second dispatcher is asked for half of the room; if it alone has work it gets all of it, batch by batch."""
    jobs, (_, busy), (idle, stream) = jobs_on_two(4)
    assert [talk.credits for talk in jobs.conversations] == [4, 2]
    for number in range(4):
        take(jobs, busy, str(number))
    assert said(stream) == [("pull", 1), ("pull", 1)]
    (job,) = begin(jobs, "0")
    jobs.receipt(job)
    assert said(stream) == [("receipt", "0"), ("pull", 1)]
    assert said(idle) == []


def test_a_lost_dispatchers_room_goes_to_the_others() -> None:
    """When a dispatcher goes, the other is asked for what the lost one's jobs took; receipts go where they belong."""
    jobs, (going, staying), (_, stream) = jobs_on_two(4)
    take(jobs, going, "1")
    take(jobs, going, "2")
    take(jobs, staying, "3")
    (running,) = begin(jobs, "1")
    assert said(stream) == []
    jobs.lost(going)
    assert said(stream) == [("pull", 1)]
    jobs.receipt(running)
    assert said(stream) == [("pull", 1)]
    (other,) = begin(jobs, "3")
    jobs.receipt(other)
    assert said(stream) == [("receipt", "3"), ("pull", 1)]


def test_what_is_to_be_alone_waits_for_all_others() -> None:
    """A job leased alone begins when every other has ended and its dispatcher has said so; nothing begins beside it."""
    jobs, (suspicious, other), (stream, _) = jobs_on_two(4)
    take(jobs, suspicious, "alone", alone=True)
    take(jobs, other, "1")
    take(jobs, suspicious, "2")
    one, two = begin(jobs, "1", "2")
    said(stream)
    found: list[HeldLease | None] = []
    waiter = threading.Thread(target=lambda: found.append(jobs.next()))
    waiter.start()
    jobs.receipt(one)
    jobs.receipt(two)
    while len(stream) < 2:
        assert waiter.is_alive()
    assert said(stream) == [("receipt", "2"), ("start_request", "alone")]
    jobs.allow("alone")
    waiter.join(60)
    assert [job.lease for job in found if job] == ["alone"]
    late = take(jobs, other, "late")
    beside = threading.Thread(target=lambda: found.append(jobs.next()))
    beside.start()
    assert not late.begun
    assert found[0] is not None
    jobs.receipt(found[0])
    beside.join(60)
    assert late.begun


def test_dispatchers_hear_that_the_bus_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a batch waits for bus or store, every dispatcher is told once, and again after its next receipt."""
    monkeypatch.setattr(jobs_module, "_STALL_SECONDS", 0.01)
    jobs, (one, other), streams = jobs_on_two(2)
    for talk, lease in ((one, "1"), (other, "2")):
        take(jobs, talk, lease)
    first, second = begin(jobs, "1", "2")
    for stream in streams:
        said(stream)
    jobs.waits(first)
    idle = threading.Thread(target=jobs.next)
    idle.start()
    while not all(streams):
        assert idle.is_alive()
    assert [said(stream) for stream in streams] == [[("stalled", "")]] * 2
    jobs.waits(second)
    jobs.receipt(first)
    while len(streams[0]) < 2:
        assert idle.is_alive()
    assert said(streams[0]) == [("receipt", "1"), ("stalled", "")]
    assert said(streams[1]) == [("pull", 1)]
    jobs.close()
    idle.join(60)
