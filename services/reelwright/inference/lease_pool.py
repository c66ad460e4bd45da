"""The leases a worker holds: which batch it starts next, and what it reports to its dispatchers."""

from __future__ import annotations

import threading
import time

from reelwright.bus.messages import parse_message
from reelwright.inference.dispatcher_session import DispatcherSession, Send
from reelwright.inference.held_lease import HeldLease
from reelwright.titles.errors import one_line
from reelwright.wire.dispatch_pb2 import (
    Failure,
    Lease,
    Quarantine,
    Receipt,
    Release,
    Stalled,
    StartRequest,
    WorkerMessage,
)
from reelwright.wire.frames_pb2 import FrameBatch

# The dispatcher takes only small messages, and a person reads one line.
_MAX_REASON = 1000


class LeasePool:
    """The leases of a worker. Thread-safe.

    Each lease ends with one message to its dispatcher and a request for another batch. Free capacity is offered to all
    dispatchers at the same time, because not all of them have work. If several have, the worker holds up to one batch
    more than its capacity for each further dispatcher.

    Args:
        capacity: leases that the worker wants to hold.
        dispatchers: number of dispatchers.
        stall_seconds: a bus or store that makes a batch wait longer than this does not answer.
    """

    def __init__(self, capacity: int, dispatchers: int = 1, *, stall_seconds: float = 1.0) -> None:
        self.sessions = tuple(DispatcherSession() for _ in range(dispatchers))
        self._capacity, self._stall_seconds = capacity, stall_seconds
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._empty = threading.Condition(self._lock)
        # In order of arrival.
        self._leases: dict[str, HeldLease] = {}
        self._draining = self._closed = False

    @property
    def connected(self) -> bool:
        """Whether a stream to at least one dispatcher is open."""
        return any(session.connected for session in self.sessions)

    def held_leases(self) -> list[HeldLease]:
        """The leases that have not ended, in order of arrival."""
        with self._lock:
            return list(self._leases.values())

    def open_session(self, session: DispatcherSession, send: Send) -> None:
        """A dispatcher has accepted a stream: sends what could not be sent before, and asks for batches."""
        with self._lock:
            session.open_stream(send)
            self._request_batches()

    def close_session(self, session: DispatcherSession) -> None:
        """A stream has ended, and its dispatcher leases all of its batches again.

        Batches that are not started are dropped. Started ones go on: their receipts count on the next stream, too.
        """
        with self._lock:
            session.close_stream()
            for lease in self._not_started():
                if lease.session is session:
                    self._remove(lease)
            self._request_batches()

    def add_lease(self, session: DispatcherSession, message: Lease) -> HeldLease | None:
        """Adds a lease from a dispatcher.

        Returns:
            The lease, to be started after `mark_fetched`; None when the worker drains and has released it.

        Raises:
            UnusableMessage: the batch is not a FrameBatch of a run.
        """
        batch = parse_message(message.batch, FrameBatch)
        lease = HeldLease(
            id=message.lease, batch=batch, exclusive=message.exclusive, session=session, traceparent=message.traceparent
        )
        with self._lock:
            session.credits = max(0, session.credits - 1)
            self._leases[lease.id] = lease
            if self._draining:
                self._end(lease, _release_message(lease.id))
                return None
            self._request_batches()
            return lease

    def mark_waiting(self, lease: HeldLease) -> None:
        """Records that a batch begins to wait for the bus or the store."""
        with self._lock:
            lease.waiting_since = time.monotonic()

    def mark_fetched(self, lease: HeldLease, content: bytes | None = None) -> None:
        """Lets a batch be started: its payload is in memory, in the batch itself or as `content`."""
        with self._lock:
            lease.content, lease.fetched, lease.waiting_since = content, True, None
            self._changed.notify()

    def start_next(self) -> HeldLease | None:
        """Waits for a batch that may be started, and marks it as started; None after `close`."""
        with self._lock:
            while not self._closed:
                if lease := self._find_next():
                    lease.started = True
                    return lease
                self._changed.wait(self._stall_seconds)
                self._report_stall()
            return None

    def allow_start(self, lease_id: str) -> None:
        """The dispatcher allows an exclusive batch to be started."""
        with self._lock:
            if lease := self._leases.get(lease_id):
                lease.start_allowed = True
                self._changed.notify_all()

    def revoke_run(self, run: str, attempt: int) -> None:
        """Drops the batches of an attempt and of those before it that are not started; marks the others as revoked."""
        with self._lock:
            for lease in list(self._leases.values()):
                if lease.batch.run == run and lease.batch.attempt <= attempt:
                    lease.revoked = True
                    if not lease.started:
                        self._end(lease)

    def complete(self, lease: HeldLease) -> None:
        """Ends a lease whose restored batch is on the bus."""
        with self._lock:
            lease.session.stalled = False
            self._end(lease, WorkerMessage(receipt=Receipt(lease=lease.id, seconds=lease.seconds)))
            # The other dispatchers may get no receipt for long, and would count no loss of this worker until then.
            for session in self.sessions:
                if session.stalled:
                    session.stalled = False
                    session.send_now(WorkerMessage(receipt=Receipt()))

    def fail(
        self, lease: HeldLease, error: Exception, *, payload_unusable: bool = False, permanent: bool = False
    ) -> None:
        """Ends a lease whose batch could not be restored.

        Args:
            lease: the lease.
            error: what went wrong.
            payload_unusable: no other worker could restore it either.
            permanent: a setting must be corrected first, whichever worker tries.
        """
        # The person who must correct a setting reads the line alone.
        reason = one_line(str(error) if permanent else f"{type(error).__name__}: {error}")[:_MAX_REASON]
        failure = Failure(lease=lease.id, reason=reason, payload_unusable=payload_unusable, permanent=permanent)
        with self._lock:
            self._end(lease, WorkerMessage(failure=failure))

    def release(self, lease: HeldLease) -> None:
        """Ends a lease whose batch was not restored, because its run was revoked or the worker stops."""
        with self._lock:
            self._end(lease, None if lease.revoked else _release_message(lease.id))

    def announce_quarantine(self, reason: str) -> None:
        """Informs the dispatchers that the worker is broken and leaves: no failure of it counts from now on."""
        with self._lock:
            for session in self.sessions:
                session.send_now(WorkerMessage(quarantine=Quarantine(reason=reason[:_MAX_REASON])))

    def drain(self, seconds: float) -> bool:
        """Asks for no more batches, releases those that are not started, and waits for those that are.

        Args:
            seconds: how long to wait at most.

        Returns:
            Whether every lease has ended.
        """
        with self._lock:
            self._draining = True
            for session in self.sessions:
                # Sent even when nothing is held: the dispatcher must not use the credits that it still has.
                session.send_now(_release_message(""))
            for lease in self._not_started():
                self._end(lease, _release_message(lease.id))
            return self._empty.wait_for(lambda: not self._leases, seconds)

    def close(self) -> None:
        """Ends every wait in `start_next`."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()

    def _find_next(self) -> HeldLease | None:
        started = [lease for lease in self._leases.values() if lease.started]
        if any(lease.exclusive for lease in started):
            return None
        fetched = [lease for lease in self._not_started() if lease.fetched]
        for lease in fetched:
            if not lease.exclusive:
                return lease
        if started or not fetched:
            return None
        first = fetched[0]
        if first.start_allowed:
            return first
        if not first.start_requested:
            first.start_requested = True
            first.session.send_now(WorkerMessage(start_request=StartRequest(lease=first.id)))
        return None

    def _report_stall(self) -> None:
        before = time.monotonic() - self._stall_seconds
        if any(each.waiting_since is not None and each.waiting_since < before for each in self._leases.values()):
            for session in self.sessions:
                if session.connected and not session.stalled:
                    session.stalled = True
                    session.send_now(WorkerMessage(stalled=Stalled()))

    def _not_started(self) -> list[HeldLease]:
        return [lease for lease in self._leases.values() if not lease.started]

    def _request_batches(self, session: DispatcherSession | None = None, message: WorkerMessage | None = None) -> None:
        """Asks every connected dispatcher for batches; sends `message` to `session` along with the request."""
        connected = [each for each in self.sessions if each.connected]
        # Request nothing while an exclusive batch is held: it would wait behind what arrives.
        requests_none = self._draining or any(lease.exclusive for lease in self._leases.values())
        for each in connected:
            free = self._capacity - len(self._leases)
            # Rounded up, so that a single free slot is offered to every dispatcher.
            wanted = 0 if requests_none else -(-free // len(connected)) - each.credits
            own = message if each is session else None
            if wanted > 0:
                own = own or WorkerMessage()
                own.credits = wanted
                each.credits += wanted
            if own is not None:
                each.send_now(own)

    def _remove(self, lease: HeldLease) -> None:
        if self._leases.pop(lease.id, None) is not None:
            # An exclusive batch may have waited for the end of this one.
            self._changed.notify_all()
        if not self._leases:
            self._empty.notify_all()

    def _end(self, lease: HeldLease, message: WorkerMessage | None = None) -> None:
        self._remove(lease)
        if message is not None and not lease.session.connected:
            lease.session.unsent.append(message)
            message = None
        self._request_batches(lease.session, message)


def _release_message(lease_id: str) -> WorkerMessage:
    return WorkerMessage(release=Release(lease=lease_id))
