"""What a worker tells the dispatcher about its leases, word for word."""

from __future__ import annotations

import threading

from reelwright.inference.jobs import Job, Jobs
from reelwright.wire.dispatch_pb2 import Hello, Lease, WorkerMessage
from reelwright.wire.frames_pb2 import FrameBatch


def said(stream: list[WorkerMessage]) -> list[tuple[str, object]]:
    """The messages since the last call, in short."""
    words: list[tuple[str, object]] = []
    for message in stream:
        kind = message.WhichOneof("message")
        assert kind is not None
        body = getattr(message, kind)
        words.append((kind, body.worker if kind == "hello" else body.credits if kind == "pull" else body.lease))
    stream.clear()
    return words


def jobs_on_stream(room: int = 3) -> tuple[Jobs, list[WorkerMessage]]:
    """A worker's jobs with an open stream whose greeting was read."""
    jobs, stream = Jobs(Hello(worker="w"), room), list[WorkerMessage]()
    jobs.opened(stream.append)
    stream.clear()
    return jobs, stream


def take(jobs: Jobs, lease: str, run: str = "r") -> Job:
    """Takes a lease."""
    job = jobs.take(Lease(lease=lease, batch=FrameBatch(run=run)))
    assert job is not None
    return job


def test_a_stream_begins_with_hello_and_credits() -> None:
    """A worker introduces itself and asks for as much as it has room for."""
    jobs, stream = Jobs(Hello(worker="w"), 3), list[WorkerMessage]()
    jobs.opened(stream.append)
    assert said(stream) == [("hello", "w"), ("pull", 3)]


def test_every_end_asks_for_the_next() -> None:
    """Receipt and failure are each followed by one credit."""
    jobs, stream = jobs_on_stream()
    one, two = take(jobs, "1"), take(jobs, "2")
    assert jobs.begin(one)
    assert jobs.begin(two)
    jobs.receipt(one)
    jobs.failure(two, ValueError("a\nb"))
    reason = stream[2].failure.reason
    assert said(stream) == [("receipt", "1"), ("pull", 1), ("failure", "2"), ("pull", 1)]
    assert reason == "ValueError: a b"


def test_a_broken_stream_forgets_what_waits() -> None:
    """What waited when the stream broke is not begun: the dispatcher has given it to another."""
    jobs, _ = jobs_on_stream()
    waiting = take(jobs, "1")
    jobs.lost()
    assert not jobs.connected
    assert not jobs.begin(waiting)


def test_a_new_stream_hears_what_ended_meanwhile() -> None:
    """A receipt due while there was no stream is said on the next, which gets credits for the room that is left."""
    jobs, _ = jobs_on_stream(room=3)
    ended, running = take(jobs, "1"), take(jobs, "2")
    assert jobs.begin(ended)
    assert jobs.begin(running)
    jobs.lost()
    jobs.receipt(ended)
    stream: list[WorkerMessage] = []
    jobs.opened(stream.append)
    assert said(stream) == [("hello", "w"), ("receipt", "1"), ("pull", 2)]
    jobs.receipt(running)
    assert said(stream) == [("receipt", "2"), ("pull", 1)]


def test_a_drain_is_announced() -> None:
    """A draining worker says so even with nothing to hand back, and asks for nothing more."""
    jobs, stream = jobs_on_stream()
    jobs.drain(0)
    assert said(stream) == [("hand_back", "")]
    assert jobs.take(Lease(lease="late")) is None
    assert said(stream) == [("hand_back", "late")]


def test_a_drain_hands_back_what_waits_and_waits_for_the_rest() -> None:
    """Draining hands back what no thread has begun and returns when what was begun has ended."""
    jobs, stream = jobs_on_stream()
    begun, waiting = take(jobs, "1"), take(jobs, "2")
    assert jobs.begin(begun)
    drain = threading.Thread(target=lambda: jobs.drain(60))
    drain.start()
    while len(stream) < 2:
        assert drain.is_alive()
    assert not jobs.begin(waiting)
    jobs.receipt(begun)
    drain.join(60)
    assert not drain.is_alive()
    assert said(stream) == [("hand_back", ""), ("hand_back", "2"), ("receipt", "1")]


def test_a_revoked_run_is_dropped() -> None:
    """A revocation ends a run's waiting jobs without a word but for credits, and marks those that were begun."""
    jobs, stream = jobs_on_stream()
    begun, waiting, other = take(jobs, "1", "gone"), take(jobs, "2", "gone"), take(jobs, "3", "stays")
    assert jobs.begin(begun)
    jobs.revoke("gone")
    assert said(stream) == [("pull", 1)]
    assert (begun.dropped, jobs.begin(waiting), jobs.begin(other)) == (True, False, True)
    jobs.give_up(begun)
    assert said(stream) == [("pull", 1)]


def test_a_job_given_up_for_the_workers_end_is_handed_back() -> None:
    """A batch left in the middle because the worker must stop goes to another."""
    jobs, stream = jobs_on_stream()
    job = take(jobs, "1")
    assert jobs.begin(job)
    jobs.drain(0)
    jobs.give_up(job)
    assert said(stream) == [("hand_back", ""), ("hand_back", "1")]
