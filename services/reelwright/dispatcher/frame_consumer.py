"""Frames from the bus into the dispatcher, and their records' end: restored, given up or to be published again."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from reelwright.bus.dead_letters import dead_letter, dead_letter_batch, run_of
from reelwright.bus.events import publish_event
from reelwright.bus.messages import read_message
from reelwright.bus.protocol import Bus, Record
from reelwright.bus.topics import FRAMES
from reelwright.dispatcher.ready_queue import BatchKey, QueuedBatch
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.titles.errors import RestorationFailed, UnusableMessage
from reelwright.wire.frames_pb2 import FrameBatch
from reelwright.wire.titles_pb2 import Event, SegmentWanted, TitleFailed

GROUP = "dispatcher"
_POLL_SECONDS = 0.5
# A poll may overshoot the bounds by this many batches.
_POLL_LIMIT = 4
# What a lease adds to the batch in it, generously.
_LEASE_BYTES = 1024
_PRIORITY = {topic: priority for priority, topic in FRAMES.items()}


@dataclass(slots=True)
class _Held:
    """A batch and every record it came in: a replay brings it again before the first one is settled."""

    batch: QueuedBatch
    records: list[Record]


class FrameConsumer:
    """Consumes the frames topics on the thread that calls `run`; the other methods are safe from any thread.

    Args:
        bus: the bus.
        settings: the dispatcher's.
        accept: called with batches as they come.
    """

    def __init__(self, bus: Bus, settings: DispatcherSettings, accept: Callable[[list[QueuedBatch]], None]) -> None:
        self._bus, self._settings, self._accept = bus, settings, accept
        self._held: dict[BatchKey, _Held] = {}
        self._count: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._settled: deque[tuple[QueuedBatch, Callable[[_Held], None]]] = deque()
        self._taking, self._running = True, True
        self._consumer = bus.consumer(list(FRAMES.values()), GROUP)

    def finished(self, batch: QueuedBatch) -> None:
        """The batch needs no more work."""
        self._settle_later(batch, lambda _: None)

    def given_up(self, batch: QueuedBatch, reason: str) -> None:
        """The batch failed too often: it is a dead letter, and its title fails."""
        last = batch.first_frame + batch.frames - 1
        what = f"frames {batch.first_frame}-{last} could not be restored; last attempt: {reason}"
        self._settle_later(batch, lambda held: self._bury(held.records[0], what))

    def unusable(self, batch: QueuedBatch, reason: str) -> None:
        """The batch's bytes are damaged or gone: its segment is asked for again."""
        wanted = SegmentWanted(segment=batch.key[1], reason=" ".join(reason.split()))
        self._settle_later(batch, lambda _: publish_event(self._bus, Event(run=batch.run, segment_wanted=wanted)))

    def drain(self) -> None:
        """Takes no more batches in, and goes on settling those that are held."""
        self._taking = False
        self._consumer.wakeup()

    def stop(self) -> None:
        """Ends `run`; what is not settled is delivered again."""
        self._running = False
        self._consumer.wakeup()

    def run(self) -> None:
        """Serves until `stop`."""
        try:
            while self._running:
                self._settle()
                self._throttle()
                records = self._consumer.poll(_POLL_SECONDS, limit=_POLL_LIMIT)
                if new := [batch for record in records if (batch := self._take(record))]:
                    self._accept(new)
            self._settle()
        finally:
            self.close()

    def close(self) -> None:
        """Leaves the group without having run."""
        self._consumer.close()

    def _settle_later(self, batch: QueuedBatch, act: Callable[[_Held], None]) -> None:
        # What must be published is published on this object's thread: it may wait for the bus.
        self._settled.append((batch, act))
        self._consumer.wakeup()

    def _take(self, record: Record) -> QueuedBatch | None:
        """The batch in a record unless it is held already or cannot be used."""
        try:
            batch = _read(record, self._settings.max_message_bytes - _LEASE_BYTES)
        except UnusableMessage as error:
            dead_letter_batch(self._bus, record, str(error))
            self._consumer.acknowledge(record)
            return None
        if held := self._held.get(batch.key):
            # Without its frames: what is counted against the bounds is the batch as it came first.
            held.records.append(replace(record, value=b""))
            return None
        self._held[batch.key] = _Held(batch, [record])
        self._count[record.topic] += 1
        self._bytes[record.topic] += len(record.value)
        return batch

    def _settle(self) -> None:
        while self._settled:
            batch, act = self._settled.popleft()
            held = self._held.pop(batch.key)
            topic = FRAMES[batch.priority]
            self._count[topic] -= 1
            self._bytes[topic] -= len(batch.value)
            act(held)
            for record in held.records:
                self._consumer.acknowledge(record)

    def _throttle(self) -> None:
        """Holds back the classes of which enough is held; a class never waits for another."""
        for topic in FRAMES.values():
            slots = [slot for slot in self._consumer.assignment() if slot[0] == topic]
            if self._full(topic):
                self._consumer.pause(slots)
            else:
                self._consumer.resume(slots)

    def _full(self, topic: str) -> bool:
        return (
            not self._taking
            or self._count[topic] >= self._settings.hold_batches
            or self._bytes[topic] >= self._settings.hold_bytes
        )

    def _bury(self, record: Record, reason: str) -> None:
        """Keeps the record for whoever looks into it, and fails the title that its key names."""
        dead_letter(self._bus, record, reason)
        if run := run_of(record):
            failed = TitleFailed(reason=" ".join(reason.split()), exit_code=1, error=RestorationFailed.__name__)
            publish_event(self._bus, Event(run=run, title_failed=failed))


def _read(record: Record, most_bytes: int) -> QueuedBatch:
    message = read_message(record, FrameBatch)
    if len(record.value) > most_bytes:
        remedy = "raise REELWRIGHT_DISPATCHER_MAX_MESSAGE_BYTES and REELWRIGHT_INFERENCE_MAX_MESSAGE_BYTES"
        raise UnusableMessage(f"a batch of {len(record.value)} bytes exceeds max_message_bytes; {remedy}")
    return QueuedBatch(
        key=(message.run, message.segment, message.batch),
        priority=_PRIORITY[record.topic],
        model=message.work.model,
        model_sha256=message.work.model_sha256,
        first_frame=message.first_frame,
        frames=len(message.frames),
        deadline=_deadline(record.headers.get("deadline", "")),
        value=record.value,
    )


def _deadline(text: str) -> float | None:
    """Unix seconds; a header that is no number only costs the run its hurry."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None
