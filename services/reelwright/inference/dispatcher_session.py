"""What a worker keeps about one dispatcher, and the messages it sends there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from reelwright.wire.dispatch_pb2 import WorkerMessage

Send = Callable[[WorkerMessage], None]


@dataclass(slots=True, eq=False)
class DispatcherSession:
    """The state of one dispatcher's connection. Not thread-safe: the LeasePool locks it.

    Attributes:
        send: sends a message on the open stream; None while there is no stream.
        unsent: messages for the next stream.
        credits: batches that the dispatcher was asked for and has not leased yet.
        stalled: the dispatcher knows that restored batches wait for the bus or the store.
    """

    send: Send | None = None
    unsent: list[WorkerMessage] = field(default_factory=list)
    credits: int = 0
    stalled: bool = False

    @property
    def connected(self) -> bool:
        """Whether the dispatcher has accepted a stream that is open."""
        return self.send is not None

    def open_stream(self, send: Send) -> None:
        """Begins with a new stream: the dispatcher knows nothing of the former one's credits."""
        self.send, self.credits, self.stalled = send, 0, False
        for message in self.unsent:
            send(message)
        self.unsent.clear()

    def close_stream(self) -> None:
        """Ends with a stream."""
        self.send, self.credits = None, 0

    def send_now(self, message: WorkerMessage) -> None:
        """Sends a message that has no meaning for another stream; has no effect without a stream."""
        if self.send is not None:
            self.send(message)
