"""A leased batch at its worker."""

from __future__ import annotations

from dataclasses import dataclass

from reelwright.inference.dispatcher_session import DispatcherSession
from reelwright.wire.frames_pb2 import FrameBatch


@dataclass(slots=True, eq=False, kw_only=True)
class HeldLease:
    """A leased batch. Only its LeasePool changes it, except for `traceparent` and `seconds`.

    Attributes:
        id: the lease's id.
        batch: the batch.
        exclusive: it is started with nothing else under way, and only when its dispatcher allows it.
        session: the session of the dispatcher that leased it.
        traceparent: of the span in which the batch was published, then of the one in which it is restored;
            the thread that restores it changes it.
        content: the payload's coded bytes; None when they are in the batch itself.
        fetched: its payload is in memory.
        started: a thread restores it, or has restored it.
        start_requested: the dispatcher was asked whether it may start.
        start_allowed: the dispatcher has answered that it may start.
        seconds: wall seconds that its restoration took, set by the same thread; 0 before.
        waiting_since: since when it waits for the bus or the store, in seconds of `time.monotonic`; None otherwise.
        revoked: the attempt that it belongs to has failed, was cancelled or is finished.
    """

    id: str
    batch: FrameBatch
    exclusive: bool
    session: DispatcherSession
    traceparent: str = ""
    content: bytes | None = None
    fetched: bool = False
    started: bool = False
    start_requested: bool = False
    start_allowed: bool = False
    seconds: float = 0.0
    waiting_since: float | None = None
    revoked: bool = False

    @property
    def log_fields(self) -> dict[str, str | int]:
        """Run, segment and batch, for log lines."""
        return {"run": self.batch.run, "segment": self.batch.segment, "batch": self.batch.batch}
