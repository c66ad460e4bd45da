"""A bus, a dispatcher and workers for tests: real gRPC, tiny pictures, restorers that the test controls."""

from __future__ import annotations

import queue
import secrets
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
from reelwright.grpc_security import token_metadata
from reelwright.inference.settings import InferenceSettings
from reelwright.inference.worker import InferenceWorker
from reelwright.media.frame_correction import UNMOVED, FrameTone, Move
from reelwright.media.picture import Picture
from reelwright.media.transport import encode_payload
from reelwright.restoration.frame_windows import FrameWindow
from reelwright.restoration.restore import RestoredFrame
from reelwright.wire import PROTOCOL
from reelwright.wire.dispatch_pb2 import DispatcherMessage, Hello, WorkerMessage
from reelwright.wire.dispatch_pb2_grpc import DispatchStub
from reelwright.wire.frames_pb2 import FrameBatch, FrameInfo, RestoredBatch, Work
from reelwright.wire.titles_pb2 import Event

MODEL = "ab" * 32
TIMEOUT_SECONDS = 60.0
FRAMES_PER_BATCH = 2
BatchKey = tuple[str, int, int]


def until(condition: Callable[[], object], what: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
    """Waits until a condition is true that another thread makes true."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_seconds:g} s: {what}"
        time.sleep(0.005)


def picture(value: int, size: int = 16) -> Picture:
    """A gray picture of one value."""
    return Picture("gray", size, size, (np.full((size, size), value % 251, np.uint8),))


def batch(run: str, segment: int, number: int, model: str = MODEL, size: int = 16) -> FrameBatch:
    """A batch in which every sample of a picture is the index of its frame, modulo 251."""
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


class FakeRestorer:
    """Enlarges by repeating samples.

    Args:
        before: called with each picture first; may wait, count, or raise.
        engine: the engine's identity.
        check: the self-test.
    """

    models = (MODEL,)
    halo_frames = 0

    def __init__(
        self,
        before: Callable[[Picture], object] = lambda _: None,
        *,
        engine: str = "fake-1",
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._before, self.engine, self.check_engine = before, engine, check

    def is_filtered(self, work: Work) -> bool:
        """Whether it reads restored neighbours."""
        del work
        return False

    def restore(
        self,
        picture: Picture,
        window: FrameWindow | None,
        work: Work,
        *,
        frame: int,
        moved: Move = UNMOVED,
        tone: FrameTone | None = None,
    ) -> RestoredFrame:
        assert frame >= 0
        assert window is None
        assert moved == UNMOVED
        assert tone is None
        self._before(picture)
        planes = tuple(plane.repeat(work.scale, 0).repeat(work.scale, 1) for plane in picture.planes)
        size = (picture.width * work.scale, picture.height * work.scale)
        return RestoredFrame(Picture(picture.pix_fmt, *size, planes), None)


@dataclass(frozen=True)
class ReceivedLease:
    """A lease as a worker reads it.

    Attributes:
        lease_id: the lease's id.
        seconds: how long it lasts.
        batch: the leased batch.
        exclusive: the worker must restore the batch with nothing else under way.
    """

    lease_id: str
    seconds: float
    batch: FrameBatch
    exclusive: bool


class RawWorker:
    """A worker without a restorer: the test sends its messages and receives the answers."""

    def __init__(
        self,
        address: str,
        name: str,
        models: tuple[str, ...] = (MODEL,),
        protocol: int = PROTOCOL,
        *,
        engine: str = "fake-1",
        session: str = "",
        token: str | None = None,
    ) -> None:
        self._outbox: queue.SimpleQueue[WorkerMessage | None] = queue.SimpleQueue()
        self._channel = grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
        session = session or secrets.token_hex(16)
        self.send(
            hello=Hello(worker=name, version="test", models=models, protocol=protocol, engine=engine, session=session)
        )
        stub = DispatchStub(self._channel)  # type: ignore[no-untyped-call]
        self._call = stub.Work(iter(self._outbox.get, None), metadata=token_metadata(token))
        self._inbox: queue.SimpleQueue[DispatcherMessage] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def send(self, **message: object) -> None:
        """Sends a message."""
        self._outbox.put(WorkerMessage(**message))  # type: ignore[arg-type]

    def receive_lease(self) -> ReceivedLease:
        """The next message, which must be a lease."""
        message = self._inbox.get(timeout=TIMEOUT_SECONDS)
        assert message.HasField("lease"), message
        lease = message.lease
        return ReceivedLease(lease.lease, lease.seconds, FrameBatch.FromString(lease.batch), lease.exclusive)

    def receive_revocation(self) -> str:
        """The run of the next message, which must be a revocation."""
        return self._inbox.get(timeout=TIMEOUT_SECONDS).revoke.run

    def receive_start(self) -> str:
        """The lease of the next message, which must be a Start."""
        return self._inbox.get(timeout=TIMEOUT_SECONDS).start.lease

    @property
    def inbox_empty(self) -> bool:
        """Whether every message that arrived was received."""
        return self._inbox.empty()

    def disconnect(self) -> None:
        """Ends the stream in an orderly way."""
        self._outbox.put(None)
        self._thread.join(TIMEOUT_SECONDS)
        self._channel.close()

    def break_connection(self) -> None:
        """Cancels the stream, as when the worker dies."""
        self._call.cancel()
        self.disconnect()

    def refusal(self) -> tuple[grpc.StatusCode, str]:
        """How the dispatcher ended the stream."""
        self._thread.join(TIMEOUT_SECONDS)
        return self._call.code(), self._call.details()

    def _listen(self) -> None:
        try:
            for message in self._call:
                self._inbox.put(message)
        except grpc.RpcError:
            pass


class DispatchHarness:
    """A bus, a dispatcher and workers, and the records that they published."""

    def __init__(self, address: str, claims: ClaimCheck | None = None, **settings: object) -> None:
        self.bus = LocalBus(partitions=4, max_bytes=8 << 20)
        self.claims = claims or ClaimCheck(None, 1 << 30)
        self.dispatcher = DispatcherService(self.bus, DispatcherSettings(address=address, **settings))  # type: ignore[arg-type]
        self.address = self.dispatcher.start()
        self._workers: list[InferenceWorker] = []
        self._raw: list[RawWorker] = []
        self._out = self.bus.consumer([RESTORED, EVENTS, DEAD_LETTER], "test")
        self._records: list[Record] = []

    def start_worker(self, name: str, restorer: FakeRestorer | None = None, **settings: object) -> InferenceWorker:
        """Starts a worker."""
        worker = self.create_worker(name, restorer, **settings)
        self._workers.append(worker)
        worker.start()
        return worker

    def create_worker(self, name: str, restorer: FakeRestorer | None = None, **settings: object) -> InferenceWorker:
        """Creates a worker, which the test runs."""
        known = InferenceSettings(**{"dispatcher": self.address, "name": name, "codec": "raw", **settings})  # type: ignore[arg-type]
        return InferenceWorker(self.bus, self.claims, restorer or FakeRestorer(), known)  # type: ignore[arg-type]

    def connect_raw_worker(
        self, name: str, models: tuple[str, ...] = (MODEL,), protocol: int = PROTOCOL, **options: str
    ) -> RawWorker:
        """Connects a worker without a restorer."""
        self._raw.append(RawWorker(self.address, name, models, protocol, **options))
        return self._raw[-1]

    def publish(self, *batches: FrameBatch, priority: str = "standard", **headers: str) -> None:
        """Publishes batches as a decoder does."""
        for message in batches:
            key = segment_key(message.run, message.segment)
            publish_message(self.bus, FRAMES[priority], key, message, headers=headers)

    def pause_restored(self) -> None:
        """Reads no more restored batches, so that their topic fills."""
        self._out.pause(self._out.assignment())

    def records(self, topic: str) -> list[Record]:
        """The records published on a topic so far."""
        for record in self._out.poll(0.01):
            self._out.acknowledge(record)
            self._records.append(record)
        return [record for record in self._records if record.topic == topic]

    def restored(self) -> Counter[BatchKey]:
        """How often each batch was restored so far."""
        return Counter(key(RestoredBatch.FromString(record.value)) for record in self.records(RESTORED))

    def failed_titles(self) -> list[tuple[str, str, int]]:
        """Run, reason and exit code of each TitleFailed so far."""
        events = [Event.FromString(record.value) for record in self.records(EVENTS)]
        return [
            (event.run, event.title_failed.reason, event.title_failed.exit_code)
            for event in events
            if event.HasField("title_failed")
        ]

    def wanted_segments(self) -> list[tuple[str, int, str]]:
        """Run, segment and reason of each SegmentWanted so far."""
        events = [Event.FromString(record.value) for record in self.records(EVENTS)]
        return [
            (event.run, event.segment_wanted.segment, event.segment_wanted.reason)
            for event in events
            if event.HasField("segment_wanted")
        ]

    def held_frame_bytes(self) -> int:
        """Bytes of frames that the bus still holds because they are not acknowledged."""
        return sum(self.bus.held_bytes(topic) for topic in FRAMES.values())

    def close(self) -> None:
        """Stops everything."""
        for raw in self._raw:
            raw.disconnect()
        for worker in self._workers:
            worker.close()
        self.dispatcher.close(drain_seconds=0)
        self.bus.close()
