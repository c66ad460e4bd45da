"""Reads batches from the bus for the scheduler, and acknowledges their records when the batches have ended."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from reelwright.bus.batch_limits import check_batch
from reelwright.bus.dead_letters import dead_letter, dead_letter_batch, run_of_key
from reelwright.bus.events import publish_event
from reelwright.bus.messages import read_message
from reelwright.bus.protocol import Bus, Record
from reelwright.bus.topics import DISPATCHER_GROUP, FRAMES
from reelwright.dispatcher.decisions import (
    BatchFinished,
    BatchGivenUp,
    BatchOutcome,
    BatchRejected,
    BatchUnusable,
)
from reelwright.dispatcher.inbox import BatchesConsumed
from reelwright.dispatcher.message_limits import too_large_to_send
from reelwright.dispatcher.queued_batch import BatchKey, QueuedBatch
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.telemetry.tracing import TRACEPARENT
from reelwright.telemetry.watchdog import heartbeat, watched
from reelwright.titles.errors import RestorationFailed, UnusableMessage, UserError, one_line
from reelwright.titles.request import known_time
from reelwright.wire.frames_pb2 import FrameBatch
from reelwright.wire.titles_pb2 import Event, SegmentWanted, TitleFailed

_POLL_SECONDS = 0.5
# The limits on held batches may be exceeded by one poll.
_POLL_LIMIT = 4
_CLASS_OF_TOPIC = {topic: priority for priority, topic in FRAMES.items()}


@dataclass(slots=True)
class _HeldBatch:
    """A batch whose records are not acknowledged.

    Attributes:
        batch: the batch as it was first read.
        records: every record that contained it; after a replay there are several.
    """

    batch: QueuedBatch
    records: list[Record]


class FrameConsumer:
    """Consumes the frames topics on the thread that calls `run`; all other methods may be called from any thread.

    Args:
        bus: the bus.
        settings: the dispatcher's settings.
        send: called with the batches that were read.
    """

    def __init__(self, bus: Bus, settings: DispatcherSettings, send: Callable[[BatchesConsumed], None]) -> None:
        self._bus, self._settings, self._send = bus, settings, send
        self._held: dict[BatchKey, _HeldBatch] = {}
        # Held batches and their bytes, by topic.
        self._held_count: Counter[str] = Counter()
        self._held_bytes: Counter[str] = Counter()
        self._outcomes: queue.SimpleQueue[BatchOutcome] = queue.SimpleQueue()
        self._draining, self._stopped = threading.Event(), threading.Event()
        self._consumer = bus.consumer(list(FRAMES.values()), DISPATCHER_GROUP)

    def end_batch(self, outcome: BatchOutcome) -> None:
        """Publishes what a batch's outcome requires, then acknowledges its records."""
        # Publishing may wait for the bus, so it is done on this object's own thread.
        self._outcomes.put(outcome)
        self._consumer.wakeup()

    def drain(self) -> None:
        """Reads no more batches; those that are held are still acknowledged."""
        self._draining.set()
        self._consumer.wakeup()

    def stop(self) -> None:
        """Ends `run`; records that are not acknowledged are delivered again."""
        self._stopped.set()
        self._consumer.wakeup()

    def run(self) -> None:
        """Consumes until `stop`."""
        with watched("frame-consumer"):
            while not self._stopped.is_set():
                heartbeat()
                self._consume()
            self._apply_outcomes()

    def _consume(self) -> None:
        self._apply_outcomes()
        self._pause_full_topics()
        records = self._consumer.poll(_POLL_SECONDS, limit=_POLL_LIMIT)
        batches = [batch for record in records if (batch := self._hold_record(record))]
        if batches:
            self._send(BatchesConsumed(tuple(batches)))

    def close(self) -> None:
        """Leaves the consumer group; for the time before or after `run`."""
        self._consumer.close()

    def _hold_record(self, record: Record) -> QueuedBatch | None:
        """The record's batch; None when it is held already or cannot be used."""
        try:
            batch = _read_batch(record, self._settings)
        except UnusableMessage as error:
            dead_letter_batch(self._bus, record, str(error))
            self._consumer.acknowledge(record)
            return None
        if reason := too_large_to_send(batch, self._settings.max_message_bytes):
            self._publish_outcome(BatchRejected(batch, reason), record)
            self._consumer.acknowledge(record)
            return None
        if held := self._held.get(batch.key):
            # Without its value: only the batch as it was first read counts towards the limits.
            held.records.append(replace(record, value=b""))
            return None
        self._held[batch.key] = _HeldBatch(batch, [record])
        self._held_count[record.topic] += 1
        self._held_bytes[record.topic] += len(record.value)
        return batch

    def _apply_outcomes(self) -> None:
        while not self._outcomes.empty():
            outcome = self._outcomes.get()
            held = self._held.pop(outcome.batch.key)
            topic = FRAMES[outcome.batch.priority]
            self._held_count[topic] -= 1
            self._held_bytes[topic] -= len(outcome.batch.value)
            self._publish_outcome(outcome, held.records[0])
            for record in held.records:
                self._consumer.acknowledge(record)

    def _publish_outcome(self, outcome: BatchOutcome, record: Record) -> None:
        match outcome:
            case BatchFinished():
                pass
            case BatchGivenUp(batch, reason):
                last = batch.first_frame + batch.frames - 1
                reason = f"frames {batch.first_frame}-{last} could not be restored; last failure: {reason}"
                dead_letter(self._bus, record, reason)
                # The key names the run even when the value does not belong to it.
                if run := run_of_key(record):
                    failed = TitleFailed(reason=one_line(reason), exit_code=1, error=RestorationFailed.__name__)
                    publish_event(self._bus, Event(run=run, attempt=batch.key.attempt, title_failed=failed))
            case BatchRejected(batch, reason):
                dead_letter(self._bus, record, reason)
                rejected = TitleFailed(reason=one_line(reason), exit_code=UserError.exit_code, error=UserError.__name__)
                publish_event(self._bus, Event(run=batch.key.run, attempt=batch.key.attempt, title_failed=rejected))
            case BatchUnusable(batch, reason):
                wanted = SegmentWanted(segment=batch.key.segment, reason=one_line(reason))
                event = Event(run=batch.key.run, attempt=batch.key.attempt, segment_wanted=wanted)
                publish_event(self._bus, event)

    def _pause_full_topics(self) -> None:
        """Pauses the classes of which enough batches are held; no class waits for another."""
        for topic in FRAMES.values():
            partitions = [partition for partition in self._consumer.assignment() if partition.topic == topic]
            if (
                self._draining.is_set()
                or self._held_count[topic] >= self._settings.hold_batches
                or self._held_bytes[topic] >= self._settings.hold_bytes
            ):
                self._consumer.pause(partitions)
            else:
                self._consumer.resume(partitions)


def _read_batch(record: Record, settings: DispatcherSettings) -> QueuedBatch:
    # The parsed message, which has a copy of the frames, is dropped at the end of this function.
    message = read_message(record, FrameBatch)
    check_batch(message, settings.max_batch_bytes)
    return QueuedBatch(
        key=BatchKey(message.run, message.segment, message.batch, message.attempt),
        priority=_CLASS_OF_TOPIC[record.topic],
        model=message.work.model,
        model_sha256=message.work.model_sha256,
        engine=record.headers.get("engine", ""),
        first_frame=message.first_frame,
        frames=len(message.frames),
        film_frames=sum(1 + len(frame.repeats) for frame in message.frames),
        pixels=len(message.frames) * message.payload.width * message.payload.height,
        deadline=_parse_deadline(record.headers.get("deadline", "")),
        value=record.value,
        traceparent=record.headers.get(TRACEPARENT, ""),
    )


def _parse_deadline(text: str) -> float | None:
    """Unix seconds; None when the header is not a number: then the run only has no deadline."""
    try:
        return known_time(float(text)) or None
    except ValueError:
        return None
