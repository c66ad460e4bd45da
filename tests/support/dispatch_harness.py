"""A dispatcher with workers around it, for tests: real gRPC, tiny pictures, restorers that tests control."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import grpc
import numpy as np

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.local.bus import LocalBus
from reelwright.bus.messages import publish_message
from reelwright.bus.protocol import Record
from reelwright.bus.topics import DEAD_LETTER, EVENTS, FRAMES, RESTORED, segment_key
from reelwright.dispatcher.loop import DispatcherService
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.inference.settings import InferenceSettings
from reelwright.inference.worker import InferenceWorker
from reelwright.media.picture import Picture
from reelwright.media.transport import encode_payload
from reelwright.wire import PROTOCOL
from reelwright.wire.dispatch_pb2 import DispatcherMessage, Hello, WorkerMessage
from reelwright.wire.dispatch_pb2_grpc import DispatchStub
from reelwright.wire.frames_pb2 import FrameBatch, FrameInfo, RestoredBatch, Work
from reelwright.wire.titles_pb2 import Event

MODEL = "ab" * 32
PATIENCE = 60.0
FRAMES_PER_BATCH = 2
BatchKey = tuple[str, int, int]


def until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Waits for a condition that another thread brings about."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.005)


def picture(value: int, size: int = 16) -> Picture:
    """A gray picture of one value."""
    return Picture("gray", size, size, (np.full((size, size), value % 251, np.uint8),))


def batch(run: str, segment: int, number: int, model: str = MODEL, size: int = 16) -> FrameBatch:
    """A batch whose pictures hold the index of their frame."""
    first = 100 * segment + FRAMES_PER_BATCH * number
    return FrameBatch(
        run=run,
        segment=segment,
        batch=number,
        first_frame=first,
        frames=[FrameInfo(pts=10 * (first + i), duration=10) for i in range(FRAMES_PER_BATCH)],
        work=Work(scale=2, model="m", model_sha256=model, pix_fmt="gray"),
        payload=encode_payload([picture(first + i, size) for i in range(FRAMES_PER_BATCH)], "raw"),
    )


def key(message: FrameBatch | RestoredBatch) -> BatchKey:
    """Run, segment and batch number."""
    return message.run, message.segment, message.batch


class Doubler:
    """Enlarges by repeating samples; `before` may hold it up, count, or raise."""

    models = (MODEL,)
    engine = "doubler-1"

    def __init__(self, before: Callable[[Picture], None] = lambda _: None) -> None:
        self._before = before

    def restore(self, picture: Picture, work: Work) -> Picture:
        self._before(picture)
        planes = tuple(plane.repeat(work.scale, 0).repeat(work.scale, 1) for plane in picture.planes)
        return Picture(picture.pix_fmt, picture.width * work.scale, picture.height * work.scale, planes)


@dataclass(frozen=True)
class ReceivedLease:
    """A lease as a worker reads it.

    Attributes:
        lease: the lease's id.
        seconds: how long it lasts.
        batch: the leased batch.
        alone: the worker must restore the batch with nothing else under way.
    """

    lease: str
    seconds: float
    batch: FrameBatch
    alone: bool


class RawWorker:
    """A worker of the test's own: speaks the protocol, restores nothing, does what the test says."""

    def __init__(self, address: str, name: str, models: tuple[str, ...] = (MODEL,), protocol: int = PROTOCOL) -> None:
        self._outbox: queue.SimpleQueue[WorkerMessage | None] = queue.SimpleQueue()
        self._channel = grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
        self.say(hello=Hello(worker=name, version="test", models=models, protocol=protocol))
        self._call = DispatchStub(self._channel).Work(iter(self._outbox.get, None))
        self._inbox: queue.SimpleQueue[DispatcherMessage] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def say(self, **message: object) -> None:
        """Sends a message."""
        self._outbox.put(WorkerMessage(**message))  # type: ignore[arg-type]

    def lease(self) -> ReceivedLease:
        """The next lease."""
        message = self._inbox.get(timeout=PATIENCE)
        assert message.HasField("lease"), message
        lease = message.lease
        return ReceivedLease(lease.lease, lease.seconds, FrameBatch.FromString(lease.batch), lease.alone)

    def revoked(self) -> str:
        """The run of the next message, which is a revocation."""
        return self._inbox.get(timeout=PATIENCE).revoke.run

    def begin(self) -> str:
        """The lease that the next message, which is a Begin, is about."""
        return self._inbox.get(timeout=PATIENCE).begin.lease

    @property
    def silent(self) -> bool:
        """Nothing came that was not taken."""
        return self._inbox.empty()

    def hang_up(self) -> None:
        """Ends the stream in order."""
        self._outbox.put(None)
        self._thread.join(PATIENCE)
        self._channel.close()

    def die(self) -> None:
        """Breaks the stream off."""
        self._call.cancel()
        self.hang_up()

    def refusal(self) -> tuple[grpc.StatusCode, str]:
        """How the dispatcher ended the stream."""
        self._thread.join(PATIENCE)
        return self._call.code(), self._call.details()

    def _listen(self) -> None:
        try:
            for message in self._call:
                self._inbox.put(message)
        except grpc.RpcError:
            pass


class DispatchHarness:
    """A bus, a dispatcher, workers, and what came out on the bus."""

    def __init__(self, address: str, claims: ClaimCheck | None = None, **settings: object) -> None:
        self.bus = LocalBus(partitions=4, max_bytes=8 << 20)
        self.claims = claims or ClaimCheck(None, 1 << 30)
        self.dispatcher = DispatcherService(self.bus, DispatcherSettings(address=address, **settings))  # type: ignore[arg-type]
        self.address = self.dispatcher.start()
        self._workers: list[InferenceWorker] = []
        self._raw: list[RawWorker] = []
        self._out = self.bus.consumer([RESTORED, EVENTS, DEAD_LETTER], "test")
        self._records: list[Record] = []

    def worker(self, name: str, restorer: Doubler | None = None, **settings: object) -> InferenceWorker:
        """Starts a worker."""
        known = InferenceSettings(**{"dispatcher": self.address, "name": name, "codec": "raw", **settings})  # type: ignore[arg-type]
        worker = InferenceWorker(self.bus, self.claims, restorer or Doubler(), known)
        self._workers.append(worker)
        worker.start()
        return worker

    def raw(self, name: str, models: tuple[str, ...] = (MODEL,), protocol: int = PROTOCOL) -> RawWorker:
        """Connects a worker of the test's own."""
        self._raw.append(RawWorker(self.address, name, models, protocol))
        return self._raw[-1]

    def publish(self, *batches: FrameBatch, priority: str = "standard", **headers: str) -> None:
        """Publishes batches as a decoder does."""
        for message in batches:
            key = segment_key(message.run, message.segment)
            publish_message(self.bus, FRAMES[priority], key, message, headers)

    def records(self, topic: str) -> list[Record]:
        """What came on a topic so far."""
        for record in self._out.poll(0.01):
            self._out.acknowledge(record)
            self._records.append(record)
        return [record for record in self._records if record.topic == topic]

    def restored(self) -> Counter[BatchKey]:
        """How often each batch was restored so far."""
        return Counter(key(RestoredBatch.FromString(record.value)) for record in self.records(RESTORED))

    def failed(self) -> list[tuple[str, str, int]]:
        """Run, reason and exit code of each TitleFailed so far."""
        events = [Event.FromString(record.value) for record in self.records(EVENTS)]
        return [
            (event.run, event.title_failed.reason, event.title_failed.exit_code)
            for event in events
            if event.HasField("title_failed")
        ]

    def wanted(self) -> list[tuple[str, int, str]]:
        """Run, segment and reason of each SegmentWanted so far."""
        events = [Event.FromString(record.value) for record in self.records(EVENTS)]
        return [
            (event.run, event.segment_wanted.segment, event.segment_wanted.reason)
            for event in events
            if event.HasField("segment_wanted")
        ]

    def frames_held(self) -> int:
        """Bytes of frames that the bus still holds, that is, which are not done."""
        return sum(self.bus.held_bytes(topic) for topic in FRAMES.values())

    def close(self) -> None:
        """Stops everything."""
        for raw in self._raw:
            raw.hang_up()
        for worker in self._workers:
            worker.close()
        self.dispatcher.close(drain_seconds=0)
        self.bus.close()
