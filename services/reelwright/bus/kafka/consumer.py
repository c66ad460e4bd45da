"""A consumer on Kafka: a thread that stays in the group, and a buffer that services poll from."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from kafka import KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors
from kafka.consumer.fetcher import ConsumerRecord
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

from reelwright.bus.consumer_buffer import ConsumerBuffer
from reelwright.bus.kafka.client import RateLimitedLog, open_client
from reelwright.bus.kafka.membership import StaticMembership
from reelwright.bus.kafka.offsets import LAST_COMMIT_MS, OffsetCommitter, Rebalance
from reelwright.bus.protocol import Record, Slot
from reelwright.bus.settings import BusSettings
from reelwright.telemetry.logs import get_logger

log = get_logger(__name__)

_POLL_MS = 200
# The broker holds a fetch open this long, and a partition that is resumed meanwhile waits for its end.
_FETCH_WAIT_MS = 100
_PAUSE_SECONDS = 1.0
_LOOK_SECONDS = 0.02
_MISSING_SECONDS = 5.0


class GroupConsumer:
    """A Consumer on a KafkaBus; made by `KafkaBus.consumer` and `KafkaBus.listener`.

    A thread of its own polls the broker all the time, so a service may work for as long as it likes between two of
    its polls: the member stays in the group, partitions with enough records held are paused, memory stays bounded.
    Whatever the client library raises, the thread goes on with a new client.

    Args:
        settings: of the bus.
        topics: what it reads.
        group: None listens from the end and remembers nothing.
        number: its place among this process's members of the group.
        committed: told of every commit that the broker has.
    """

    def __init__(
        self,
        settings: BusSettings,
        topics: Sequence[str],
        group: str | None = None,
        number: int = 0,
        committed: Callable[[Mapping[Slot, int]], None] = lambda _: None,
    ) -> None:
        self.group, self.number = group, number
        self._settings, self._topics, self._committed = settings, list(topics), committed
        self._buffer = ConsumerBuffer(settings.prefetch_bytes, watermarks=group is not None)
        self._instance = f"{settings.instance}-{number}" if settings.instance else None
        self._ends: dict[Slot, int] = {}
        self._sparing = RateLimitedLog()
        self._stop, self._listens = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"kafka-{group or 'listener'}", daemon=True)
        self._thread.start()

    def poll(self, timeout: float, limit: int = 64) -> list[Record]:
        """See `Consumer.poll`; empty at once after `wakeup`, `close` or the bus's end."""
        return self._buffer.take(timeout, limit)

    def acknowledge(self, record: Record) -> None:
        """See `Consumer.acknowledge`; ignored for a partition that has moved on to another member."""
        self._buffer.acknowledge(record)

    def assignment(self) -> list[Slot]:
        """See `Consumer.assignment`."""
        return self._buffer.assignment()

    def pause(self, partitions: Iterable[Slot]) -> None:
        """See `Consumer.pause`."""
        self._buffer.pause(partitions)

    def resume(self, partitions: Iterable[Slot]) -> None:
        """See `Consumer.resume`."""
        self._buffer.resume(partitions)

    def seek_to_unacknowledged(self, partitions: Iterable[Slot]) -> None:
        """See `Consumer.seek_to_unacknowledged`."""
        self._buffer.seek_to_unacknowledged(partitions)

    def wakeup(self) -> None:
        """See `Consumer.wakeup`; a poll that has not begun yet is woken too."""
        self._buffer.wakeup()

    def close(self) -> None:
        """See `Consumer.close`. Commits what is finished, for at most three seconds."""
        self.stop()
        self._thread.join()

    def stop(self) -> None:
        """Begins to close, without waiting."""
        self._stop.set()
        self._buffer.close()

    @property
    def closed(self) -> bool:
        """Whether it left."""
        return self._stop.is_set()

    @property
    def held_bytes(self) -> int:
        """Bytes of records that wait for a poll."""
        return self._buffer.held_bytes

    def listens(self, timeout: float) -> bool:
        """Whether a listener knows where it begins; waits up to `timeout` seconds for it."""
        return self._listens.wait(timeout)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._belong()
            except kafka_errors.FencedInstanceIdError:
                # Two of one name would throw each other out for ever; as a nameless member both can work.
                log.error("another process has this REELWRIGHT_BUS_INSTANCE", instance=self._instance)
                self._instance = None
            except Exception as error:  # noqa: BLE001 - a thread that ends would stop the service in silence
                reason = f"{type(error).__name__}: {error}"
                self._sparing.warn("reading from the broker again", reason, group=self.group)
            if self.group is not None:
                self._buffer.forget()
            self._stop.wait(_PAUSE_SECONDS)

    def _belong(self) -> None:
        """A client's life: from joining until something breaks or the member is closed."""
        consumer = self._open()
        try:
            self._position(consumer)
            place = StaticMembership(consumer, 2 * self._settings.poll_seconds, named=self._instance is not None)
            commits = OffsetCommitter(
                consumer, self._buffer, self._settings.commit_seconds, self._sparing, self._committed
            )
            while not self._stop.is_set():
                self._steer(consumer)
                if self.group is not None:
                    place.keep()
                    commits.send_if_due()
                with suppress(kafka_errors.RetriableError):
                    for part, batch in consumer.poll(timeout_ms=_POLL_MS, max_records=256).items():
                        self._buffer.put((part.topic, part.partition), [to_record(found) for found in batch])
            if self.group is not None:
                commits.finish()
        finally:
            with suppress(Exception):
                consumer.close(timeout_ms=LAST_COMMIT_MS)

    def _open(self) -> KafkaConsumer:
        settings = self._settings
        consumer = open_client(
            KafkaConsumer,
            **settings.client_options(),
            group_id=self.group,
            group_instance_id=self._instance if self.group is not None else None,
            partition_assignment_strategy=[CooperativeStickyAssignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=round(1000 * settings.session_seconds),
            heartbeat_interval_ms=round(200 * settings.session_seconds),
            max_poll_interval_ms=round(1000 * settings.poll_seconds),
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            max_partition_fetch_bytes=settings.message_bytes,
            fetch_max_bytes=max(settings.message_bytes, settings.prefetch_bytes // 2),
            metrics_enabled=False,
        )
        # The library ends a wait when a heartbeat is due, though another of its threads sends those. While one is not
        # answered, that would be a busy loop, and a leak with each of its turns.
        consumer._coordinator.time_to_next_poll = lambda: _POLL_MS / 1000
        consumer.subscribe(self._topics, listener=Rebalance(consumer, self._buffer, self._sparing))
        return consumer

    def _position(self, consumer: KafkaConsumer) -> None:
        """Has a listener begin at the end, or where its former client was."""
        if self.group is not None:
            return
        asked = time.monotonic()
        while not self._topics_of(consumer) >= set(self._topics):
            if time.monotonic() - asked > _MISSING_SECONDS:
                self._sparing.warn("waiting for a topic", "it is missing", topics=", ".join(self._topics))
            if self._stop.wait(_LOOK_SECONDS):
                return
        if not self._listens.is_set():
            ends = consumer.end_offsets(list(consumer.assignment()))
            self._ends = {(part.topic, part.partition): offset for part, offset in ends.items()}
            self._listens.set()
        # A partition that is added later has no end here, and is read from its beginning.
        for slot, offset in (self._ends | self._buffer.reached()).items():
            if (part := TopicPartition(*slot)) in consumer.assignment():
                consumer.seek(part, offset)

    def _topics_of(self, consumer: KafkaConsumer) -> set[str]:
        return {part.topic for part in consumer.assignment()}

    def _steer(self, consumer: KafkaConsumer) -> None:
        """Has the client do what the buffer wants. The assignment changes only within polls, on this thread."""
        assigned = consumer.assignment()
        if self.group is None:
            self._buffer.assign({(part.topic, part.partition) for part in assigned} - set(self._buffer.assignment()))
        for slot, offset in self._buffer.seeks().items():
            if (part := TopicPartition(*slot)) in assigned:
                consumer.seek(part, offset)
        held = {TopicPartition(*slot) for slot in self._buffer.held_back()} & assigned
        paused = consumer.paused()
        consumer.pause(*(held - paused))
        consumer.resume(*(paused - held))


def to_record(found: ConsumerRecord) -> Record:
    """The library's record as a Record."""
    headers = {name: (text or b"").decode(errors="replace") for name, text in found.headers}
    return Record(
        found.topic, found.partition, found.offset, bytes(found.key or b""), bytes(found.value or b""), headers
    )
