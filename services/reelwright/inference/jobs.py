"""What a worker has on lease, and what it tells the dispatcher about it. Shared by all of the worker's threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from reelwright.wire.dispatch_pb2 import Failure, HandBack, Hello, Lease, Pull, Receipt, WorkerMessage
from reelwright.wire.frames_pb2 import FrameBatch

Send = Callable[[WorkerMessage], None]


@dataclass(slots=True, eq=False)
class Job:
    """A leased batch: waiting for a thread until `begun`; `dropped` when its run is wanted no more."""

    lease: str
    batch: FrameBatch
    begun: bool = False
    dropped: bool = False


class Jobs:
    """The leases of a worker. Every lease ends with one word to the dispatcher and a request for the next.

    Args:
        hello: how the worker introduces itself on every stream.
        room: leases it wants to have.
    """

    def __init__(self, hello: Hello, room: int) -> None:
        self._hello, self._room = hello, room
        self._lock = threading.Lock()
        self._empty = threading.Condition(self._lock)
        self._jobs: dict[str, Job] = {}
        self._send: Send | None = None
        self._unsent: list[WorkerMessage] = []
        self._draining = False

    @property
    def connected(self) -> bool:
        """Whether there is a stream, open or being opened."""
        return self._send is not None

    def opened(self, send: Send) -> None:
        """A stream was begun: introduces the worker, says what could not be said before, asks for work."""
        with self._lock:
            self._send = send
            send(WorkerMessage(hello=self._hello))
            for message in self._unsent:
                send(message)
            self._unsent.clear()
            room = self._room - len(self._jobs)
            if room > 0 and not self._draining:
                send(WorkerMessage(pull=Pull(credits=room)))

    def lost(self) -> None:
        """The stream ended, and the dispatcher has put everything back.

        What waits is forgotten. What was begun goes on: its receipt counts on the next stream too.
        """
        with self._lock:
            self._send = None
            for job in self._waiting():
                self._remove(job)

    def take(self, lease: Lease) -> Job | None:
        """Takes a lease; None when the worker drains and has handed it back."""
        job = Job(lease.lease, lease.batch)
        with self._lock:
            self._jobs[job.lease] = job
            if not self._draining:
                return job
            self._end(job, _hand_back(job.lease))
            return None

    def begin(self, job: Job) -> bool:
        """A thread is about to work on a job; False when it is not to be done any more."""
        with self._lock:
            job.begun = self._jobs.get(job.lease) is job
            return job.begun

    def revoke(self, run: str) -> None:
        """Drops a run's jobs; those that were begun end at their next frame."""
        with self._lock:
            for job in [job for job in self._jobs.values() if job.batch.run == run]:
                job.dropped = True
                if not job.begun:
                    self._end(job)

    def receipt(self, job: Job) -> None:
        """The restored batch is on the bus."""
        with self._lock:
            self._end(job, WorkerMessage(receipt=Receipt(lease=job.lease)))

    def failure(self, job: Job, error: Exception) -> None:
        """The batch could not be restored."""
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        with self._lock:
            self._end(job, WorkerMessage(failure=Failure(lease=job.lease, reason=reason)))

    def give_up(self, job: Job) -> None:
        """A job is left in the middle: its run was dropped, or the worker must stop."""
        with self._lock:
            self._end(job, None if job.dropped else _hand_back(job.lease))

    def drain(self, seconds: float) -> None:
        """Asks for nothing more, hands back what waits, and gives what was begun some time to end."""
        with self._lock:
            self._draining = True
            if self._send is not None:
                # Said even with nothing to hand back: the credits that are out must not be used any more.
                self._send(_hand_back(""))
            for job in self._waiting():
                self._end(job, _hand_back(job.lease))
            self._empty.wait_for(lambda: not self._jobs, seconds)

    def _waiting(self) -> list[Job]:
        return [job for job in self._jobs.values() if not job.begun]

    def _remove(self, job: Job) -> None:
        del self._jobs[job.lease]
        if not self._jobs:
            self._empty.notify_all()

    def _end(self, job: Job, message: WorkerMessage | None = None) -> None:
        self._remove(job)
        if self._send is None:
            self._unsent += [message] if message else []
            return
        if message is not None:
            self._send(message)
        if not self._draining:
            self._send(WorkerMessage(pull=Pull(credits=1)))


def _hand_back(lease: str) -> WorkerMessage:
    return WorkerMessage(hand_back=HandBack(lease=lease))
