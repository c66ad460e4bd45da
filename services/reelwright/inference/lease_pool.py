"""What a worker has on lease, what it begins next, and what it tells the dispatchers. Shared by all of its threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from reelwright.wire.dispatch_pb2 import Failure, Lease, Receipt, Release, Stalled, StartRequest, WorkerMessage
from reelwright.wire.frames_pb2 import FrameBatch

Send = Callable[[WorkerMessage], None]

# A bus or store that makes a batch wait for longer than this does not answer.
_STALL_SECONDS = 1.0


@dataclass(slots=True, eq=False)
class DispatcherSession:
    """What goes on with one dispatcher.

    Attributes:
        send: says something; None while there is no stream.
        unsent: what is to be said on the next stream.
        credits: batches asked for that have not come.
        stalled: it was told that bus or store do not answer.
    """

    send: Send | None = None
    unsent: list[WorkerMessage] = field(default_factory=list)
    credits: int = 0
    stalled: bool = False


@dataclass(slots=True, eq=False)
class HeldLease:
    """A leased batch.

    Attributes:
        lease: the lease's id.
        batch: the batch.
        alone: it is begun with nothing else under way, and only when its dispatcher says so.
        by: the dispatcher that leased it.
        content: the payload's coded bytes, where they are not in the batch itself.
        here: its bytes are here.
        begun: a thread has it.
        allowed: its dispatcher said that it may begin.
        asked: the dispatcher was asked whether it may.
        waits_since: when it began to wait for the bus or the store; None while it does not.
        dropped: its run is wanted no more.
    """

    lease: str
    batch: FrameBatch
    alone: bool
    by: DispatcherSession
    content: bytes | None = None
    here: bool = False
    begun: bool = False
    allowed: bool = False
    asked: bool = False
    waits_since: float | None = None
    dropped: bool = False


class LeasePool:
    """The leases of a worker. Every lease ends with one word to its dispatcher and a request for the next.

    Room that is free is offered to every dispatcher at once, since not each of them has work; so with several that do,
    up to one batch per further dispatcher is held beyond the room.

    Args:
        room: leases it wants to have.
        dispatchers: how many there are.
    """

    def __init__(self, room: int, dispatchers: int = 1) -> None:
        self.conversations = tuple(DispatcherSession() for _ in range(dispatchers))
        self._room = room
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        self._empty = threading.Condition(self._lock)
        # In the order they came.
        self._jobs: dict[str, HeldLease] = {}
        self._draining = self._closed = False

    @property
    def connected(self) -> bool:
        """Whether a stream to at least one dispatcher is open."""
        return any(talk.send for talk in self.conversations)

    def opened(self, talk: DispatcherSession, send: Send) -> None:
        """A dispatcher has taken the worker's stream: says what could not be said before, asks for work."""
        with self._lock:
            talk.send, talk.credits, talk.stalled = send, 0, False
            for message in talk.unsent:
                send(message)
            talk.unsent.clear()
            self._ask()

    def lost(self, talk: DispatcherSession) -> None:
        """The stream ended, and the dispatcher has put everything back.

        What waits is forgotten. What was begun goes on: its receipt counts on the next stream too.
        """
        with self._lock:
            talk.send, talk.credits = None, 0
            for job in self._waiting():
                if job.by is talk:
                    self._remove(job)
            self._ask()

    def take(self, talk: DispatcherSession, lease: Lease) -> HeldLease | None:
        """Takes a lease, to be begun once its bytes are `here`; None when the worker drains and has handed it back."""
        job = HeldLease(lease.lease, FrameBatch.FromString(lease.batch), lease.exclusive, talk)
        with self._lock:
            talk.credits = max(0, talk.credits - 1)
            self._jobs[job.lease] = job
            if self._draining:
                self._end(job, _hand_back(job.lease))
                return None
            self._ask()
            return job

    def waits(self, job: HeldLease) -> None:
        """A job begins to wait for the bus or the store."""
        job.waits_since = time.monotonic()

    def supply(self, job: HeldLease, content: bytes | None = None) -> None:
        """A job's bytes are here, in the batch itself or as `content`."""
        with self._lock:
            job.content, job.here, job.waits_since = content, True, None
            self._news.notify()

    def next(self) -> HeldLease | None:
        """The job to begin now, once there is one; None after `close`."""
        with self._lock:
            while not self._closed:
                if job := self._next():
                    job.begun = True
                    return job
                self._news.wait(_STALL_SECONDS)
                self._tell_stalled()
            return None

    def allow(self, lease: str) -> None:
        """The dispatcher lets a job begin that is to be done alone."""
        with self._lock:
            if job := self._jobs.get(lease):
                job.allowed = True
                self._news.notify_all()

    def revoke(self, run: str) -> None:
        """Drops a run's jobs; those that were begun end at their next frame."""
        with self._lock:
            for job in [job for job in self._jobs.values() if job.batch.run == run]:
                job.dropped = True
                if not job.begun:
                    self._end(job)

    def receipt(self, job: HeldLease) -> None:
        """The restored batch is on the bus."""
        with self._lock:
            job.by.stalled = False
            self._end(job, WorkerMessage(receipt=Receipt(lease=job.lease)))

    def failure(self, job: HeldLease, error: Exception, payload_unusable: bool = False) -> None:
        """The batch could not be restored: here, or, when its payload is unusable, anywhere."""
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        failure = Failure(lease=job.lease, reason=reason, payload_unusable=payload_unusable)
        with self._lock:
            self._end(job, WorkerMessage(failure=failure))

    def give_up(self, job: HeldLease) -> None:
        """A job is left in the middle: its run was dropped, or the worker must stop."""
        with self._lock:
            self._end(job, None if job.dropped else _hand_back(job.lease))

    def drain(self, seconds: float) -> None:
        """Asks for nothing more, hands back what waits, and gives what was begun some time to end."""
        with self._lock:
            self._draining = True
            for talk in self.conversations:
                # Said even with nothing to hand back: the credits that are out must not be used any more.
                _say(talk, _hand_back(""))
            for job in self._waiting():
                self._end(job, _hand_back(job.lease))
            self._empty.wait_for(lambda: not self._jobs, seconds)

    def close(self) -> None:
        """Ends every wait in `next`."""
        with self._lock:
            self._closed = True
            self._news.notify_all()

    def _next(self) -> HeldLease | None:
        begun = [job for job in self._jobs.values() if job.begun]
        if any(job.alone for job in begun):
            return None
        ready = [job for job in self._waiting() if job.here]
        for job in ready:
            if not job.alone:
                return job
        if begun or not ready:
            return None
        first = ready[0]
        if first.allowed:
            return first
        if not first.asked:
            first.asked = True
            _say(first.by, WorkerMessage(start_request=StartRequest(lease=first.lease)))
        return None

    def _tell_stalled(self) -> None:
        before = time.monotonic() - _STALL_SECONDS
        if any(job.waits_since is not None and job.waits_since < before for job in self._jobs.values()):
            for talk in self.conversations:
                if not talk.stalled and talk.send is not None:
                    talk.stalled = True
                    _say(talk, WorkerMessage(stalled=Stalled()))

    def _waiting(self) -> list[HeldLease]:
        return [job for job in self._jobs.values() if not job.begun]

    def _ask(self, by: DispatcherSession | None = None, message: WorkerMessage | None = None) -> None:
        """Says `message` to the dispatcher `by`, with what is asked of it, and asks the others for the like."""
        there = [talk for talk in self.conversations if talk.send]
        # Whoever is to be alone shall not wait behind what comes.
        enough = self._draining or any(job.alone for job in self._jobs.values())
        for talk in there:
            wanted = 0 if enough else -(-(self._room - len(self._jobs)) // len(there)) - talk.credits
            said = message if talk is by and message is not None else WorkerMessage()
            if wanted > 0:
                talk.credits += wanted
                said.credits = wanted
            if wanted > 0 or said is message:
                _say(talk, said)

    def _remove(self, job: HeldLease) -> None:
        if self._jobs.pop(job.lease, None) is not None:
            # The next one may have waited for this one's end.
            self._news.notify_all()
        if not self._jobs:
            self._empty.notify_all()

    def _end(self, job: HeldLease, message: WorkerMessage | None = None) -> None:
        self._remove(job)
        if message is not None and job.by.send is None:
            job.by.unsent.append(message)
            self._ask()
        else:
            self._ask(job.by, message)


def _say(talk: DispatcherSession, message: WorkerMessage) -> None:
    if talk.send is not None:
        talk.send(message)


def _hand_back(lease: str) -> WorkerMessage:
    return WorkerMessage(release=Release(lease=lease))
