"""Which batch a worker starts next, and which messages it sends its dispatchers about its leases."""

from __future__ import annotations

import threading

from reelwright.inference.dispatcher_session import DispatcherSession
from reelwright.inference.held_lease import HeldLease
from reelwright.inference.lease_pool import LeasePool
from reelwright.wire.dispatch_pb2 import Lease, WorkerMessage
from reelwright.wire.frames_pb2 import FrameBatch

Stream = list[WorkerMessage]


def sent(stream: Stream) -> list[tuple[str, object]]:
    """The messages since the last call, as (kind, lease) and ("credits", number)."""
    messages: list[tuple[str, object]] = []
    for message in stream:
        if kind := message.WhichOneof("message"):
            messages.append((kind, "" if kind == "stalled" else getattr(message, kind).lease))
        if message.credits:
            messages.append(("credits", message.credits))
    stream.clear()
    return messages


def pool_on_stream(capacity: int = 3) -> tuple[LeasePool, DispatcherSession, Stream]:
    """A pool with an open stream whose first request for batches was read."""
    pool, stream = LeasePool(capacity), Stream()
    (session,) = pool.sessions
    pool.open_session(session, stream.append)
    assert sent(stream) == [("credits", capacity)]
    return pool, session, stream


def pool_on_two_streams(
    capacity: int, stall_seconds: float = 1.0
) -> tuple[LeasePool, tuple[DispatcherSession, ...], tuple[Stream, Stream]]:
    """A pool with open streams to two dispatchers."""
    pool, streams = LeasePool(capacity, 2, stall_seconds=stall_seconds), (Stream(), Stream())
    for session, stream in zip(pool.sessions, streams, strict=True):
        pool.open_session(session, stream.append)
    for stream in streams:
        stream.clear()
    return pool, pool.sessions, streams


def lease_message(lease: str, run: str = "r", *, exclusive: bool = False) -> Lease:
    """A lease as a dispatcher sends it."""
    return Lease(lease=lease, exclusive=exclusive, batch=FrameBatch(run=run).SerializeToString())


def add(
    pool: LeasePool, session: DispatcherSession, lease: str, run: str = "r", *, exclusive: bool = False
) -> HeldLease:
    """Adds a lease whose payload is in memory."""
    held = pool.add_lease(session, lease_message(lease, run, exclusive=exclusive))
    assert held is not None
    pool.mark_fetched(held)
    return held


def start(pool: LeasePool, *leases: str) -> list[HeldLease]:
    """Starts the next batches, which must have these leases."""
    started = []
    for lease in leases:
        held = pool.start_next()
        assert held is not None
        assert held.id == lease
        started.append(held)
    return started


def test_the_end_of_a_lease_asks_for_a_batch() -> None:
    """Receipt and failure come with one credit each; a failure says whether the payload is unusable."""
    pool, session, stream = pool_on_stream()
    for lease in "123":
        add(pool, session, lease)
    one, two, three = start(pool, "1", "2", "3")
    pool.complete(one)
    pool.fail(two, ValueError("a\nb"))
    pool.fail(three, ValueError("c"), payload_unusable=True)
    failures = [message.failure for message in stream if message.HasField("failure")]
    assert [(each.reason, each.payload_unusable) for each in failures] == [
        ("ValueError: a b", False),
        ("ValueError: c", True),
    ]
    assert sent(stream) == [
        ("receipt", "1"), ("credits", 1), ("failure", "2"), ("credits", 1), ("failure", "3"), ("credits", 1),
    ]  # fmt: skip


def test_a_batch_is_started_when_its_payload_is_fetched() -> None:
    """A batch whose payload is being fetched delays no other, and is started with its payload afterwards."""
    pool, session, _ = pool_on_stream()
    fetching = pool.add_lease(session, lease_message("1"))
    assert fetching is not None
    add(pool, session, "2")
    start(pool, "2")
    pool.mark_fetched(fetching, b"bytes")
    (held,) = start(pool, "1")
    assert held.content == b"bytes"


def test_batches_of_a_broken_stream_are_not_started() -> None:
    """A batch that was not started when its stream broke is dropped: the dispatcher has leased it to another."""
    pool, session, _ = pool_on_stream()
    add(pool, session, "1")
    pool.close_session(session)
    assert (pool.connected, pool.held_leases()) == (False, [])
    pool.close()
    assert pool.start_next() is None


def test_receipts_without_a_stream_are_sent_on_the_next() -> None:
    """A receipt due while there was no stream is sent on the next one, with credits for the free capacity."""
    pool, session, _ = pool_on_stream()
    add(pool, session, "1")
    add(pool, session, "2")
    ended, running = start(pool, "1", "2")
    pool.close_session(session)
    pool.complete(ended)
    stream = Stream()
    pool.open_session(session, stream.append)
    assert sent(stream) == [("receipt", "1"), ("credits", 2)]
    pool.complete(running)
    assert sent(stream) == [("receipt", "2"), ("credits", 1)]


def test_a_drain_is_announced() -> None:
    """A draining worker says so even when it holds nothing, asks for no batch, and releases one that arrives."""
    pool, session, stream = pool_on_stream()
    assert pool.drain(0)
    assert sent(stream) == [("release", "")]
    assert pool.add_lease(session, lease_message("late")) is None
    assert sent(stream) == [("release", "late")]


def test_a_drain_waits_for_started_batches() -> None:
    """Draining releases batches that are not started and returns when the started ones have ended."""
    pool, session, stream = pool_on_stream()
    add(pool, session, "1")
    add(pool, session, "2")
    (started,) = start(pool, "1")
    ended: list[bool] = []
    drain = threading.Thread(target=lambda: ended.append(pool.drain(60)))
    drain.start()
    while len(stream) < 2:
        assert drain.is_alive()
    pool.complete(started)
    drain.join(60)
    assert ended == [True]
    assert sent(stream) == [("release", ""), ("release", "2"), ("receipt", "1")]


def test_a_revoked_run_is_dropped() -> None:
    """A revocation ends a run's batches that are not started, without a message about them, and marks the others."""
    pool, session, stream = pool_on_stream()
    add(pool, session, "1", "gone")
    (started,) = start(pool, "1")
    add(pool, session, "2", "gone")
    add(pool, session, "3", "stays")
    pool.revoke_run("gone", 1)
    assert sent(stream) == [("credits", 1)]
    assert started.revoked
    start(pool, "3")
    pool.release(started)
    assert sent(stream) == [("credits", 1)]


def test_a_batch_abandoned_by_a_stopping_worker_is_released() -> None:
    """A started batch that is abandoned because the worker stops is released."""
    pool, session, stream = pool_on_stream()
    add(pool, session, "1")
    (started,) = start(pool, "1")
    assert not pool.drain(0)
    pool.release(started)
    assert sent(stream) == [("release", ""), ("release", "1")]


def test_capacity_is_offered_to_every_dispatcher() -> None:
    """A second dispatcher is asked for half of the capacity; if only it has work, it gets all of it in the end."""
    pool, (_, busy), (idle, stream) = pool_on_two_streams(4)
    assert [session.credits for session in pool.sessions] == [4, 2]
    for number in range(4):
        add(pool, busy, str(number))
    assert sent(stream) == [("credits", 1), ("credits", 1)]
    (started,) = start(pool, "0")
    pool.complete(started)
    assert sent(stream) == [("receipt", "0"), ("credits", 1)]
    assert sent(idle) == []


def test_the_capacity_of_a_lost_dispatcher_goes_to_the_others() -> None:
    """When a stream breaks, the other dispatcher is asked for more; receipts go to the dispatcher of their lease."""
    pool, (lost, other), (_, stream) = pool_on_two_streams(4)
    add(pool, lost, "1")
    add(pool, lost, "2")
    add(pool, other, "3")
    (running,) = start(pool, "1")
    assert sent(stream) == []
    pool.close_session(lost)
    assert sent(stream) == [("credits", 1)]
    pool.complete(running)
    assert sent(stream) == [("credits", 1)]
    (held,) = start(pool, "3")
    pool.complete(held)
    assert sent(stream) == [("receipt", "3"), ("credits", 1)]


def test_an_exclusive_batch_runs_alone() -> None:
    """An exclusive batch is started when no other is under way and its dispatcher allows it; none starts beside it."""
    pool, (suspicious, other), (stream, _) = pool_on_two_streams(4)
    add(pool, suspicious, "exclusive", exclusive=True)
    add(pool, other, "1")
    add(pool, suspicious, "2")
    one, two = start(pool, "1", "2")
    sent(stream)
    found: list[HeldLease | None] = []
    waiter = threading.Thread(target=lambda: found.append(pool.start_next()))
    waiter.start()
    pool.complete(one)
    pool.complete(two)
    while len(stream) < 2:
        assert waiter.is_alive()
    assert sent(stream) == [("receipt", "2"), ("start_request", "exclusive")]
    pool.allow_start("exclusive")
    waiter.join(60)
    assert [held.id for held in found if held] == ["exclusive"]
    late = add(pool, other, "late")
    beside = threading.Thread(target=lambda: found.append(pool.start_next()))
    beside.start()
    assert not late.started
    assert found[0] is not None
    pool.complete(found[0])
    beside.join(60)
    assert late.started


def test_a_stall_is_reported_to_every_dispatcher() -> None:
    """While a batch waits for bus or store each dispatcher is informed once, and after any batch that it is over."""
    pool, (one, other), streams = pool_on_two_streams(2, stall_seconds=0.01)
    for session, lease in ((one, "1"), (other, "2")):
        add(pool, session, lease)
    first, second = start(pool, "1", "2")
    for stream in streams:
        sent(stream)
    pool.mark_waiting(first)
    idle = threading.Thread(target=pool.start_next)
    idle.start()
    while not all(streams):
        assert idle.is_alive()
    assert [sent(stream) for stream in streams] == [[("stalled", "")]] * 2
    pool.mark_waiting(second)
    pool.complete(first)
    while len(streams[0]) < 2 or len(streams[1]) < 3:
        assert idle.is_alive()
    assert sent(streams[0]) == [("receipt", "1"), ("stalled", "")]
    assert sent(streams[1]) == [("credits", 1), ("receipt", ""), ("stalled", "")]
    pool.close()
    idle.join(60)
