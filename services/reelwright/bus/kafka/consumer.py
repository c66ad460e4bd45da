"""A consumer on Kafka: a thread that stays in the group and fetches ahead, and a buffer that the service polls."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaTopicPartition
from kafka import errors as kafka_errors
from kafka.consumer.fetcher import ConsumerRecord
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from typing_extensions import override

from reelwright.bus.consumer_buffer import ConsumerBuffer
from reelwright.bus.kafka.client import RateLimitedLog
from reelwright.bus.kafka.membership import GroupMembership
from reelwright.bus.kafka.names import BrokerNames
from reelwright.bus.kafka.offsets import LAST_COMMIT_MS, OffsetCommitter, RebalanceListener
from reelwright.bus.kafka.overrides import (
    call_when_fetched,
    call_when_rejoin_requested,
    next_offset,
    open_client,
    request_end_offsets,
    set_fetch_wait,
    wait_full_polls,
)
from reelwright.bus.protocol import Consumer, Record, TopicPartition
from reelwright.bus.settings import BusSettings
from reelwright.telemetry.logs import get_logger
from reelwright.telemetry.threads import SupervisedThread
from reelwright.telemetry.watchdog import heartbeat

log = get_logger(__name__)

_POLL_MS = 200
_POLL_RECORDS = 256
# The broker holds a fetch open this long while there are no records; a partition that is resumed meanwhile is fetched
# only after it.
_FETCH_WAIT_MS = 100
# For a consumer without records that has nothing to resume: ten fetches per second were most of an idle role's work.
# Partitions that a group gives to a member are fetched only after its open fetch; a listener gets none.
_IDLE_FETCH_WAIT_MS, _IDLE_LISTENER_FETCH_WAIT_MS = 2000, 5000
_IDLE_AFTER_SECONDS = 1.0
# Each poll switches between threads several times, so an idle consumer polls when there is a reason. Without a
# partition there is no fetch to wait for, so the wait is bounded: by this many times as long as a fetch is held.
_IDLE_WAIT_FACTOR = 1.5
_REOPEN_SECONDS = 1.0
# So often the brokers are asked for the ends of paused partitions.
_PAUSED_ENDS_SECONDS = 5.0
_ASSIGNMENT_CHECK_SECONDS = 0.02
_MISSING_TOPIC_SECONDS = 5.0


class KafkaBusConsumer(Consumer):
    """A Consumer on a KafkaBus; made by `KafkaBus.consumer` and `KafkaBus.listener`.

    Its thread polls the broker all the time. So a service may work for any time between two of its polls: the member
    stays in the group, partitions with enough undelivered records are paused, memory stays bounded. Whatever the client
    library raises, the thread continues with a new client.

    Args:
        settings: of the bus.
        topics: topics it reads.
        group: its consumer group; None for a listener, which reads from the end and commits nothing.
        number: distinguishes the members of one group in this process.
        on_committed: called with the offsets of every commit that the broker has confirmed.
        on_answer: called when the broker has answered a fetch.

    Attributes:
        group: see above.
        number: see above.
    """

    def __init__(
        self,
        settings: BusSettings,
        topics: Sequence[str],
        *,
        group: str | None = None,
        number: int = 0,
        on_committed: Callable[[Mapping[TopicPartition, int]], None] = lambda _: None,
        on_answer: Callable[[], None] = lambda: None,
    ) -> None:
        self.group, self.number = group, number
        self._on_answer = on_answer
        # The buffer and everything below it have the broker's names; only the public methods translate.
        self._names = BrokerNames(settings.prefix)
        self._settings, self._on_committed = settings, on_committed
        self._topics = [self._names.topic(topic) for topic in topics]
        # Set when an idle consumer is to poll: a fetch is answered, the group wants it, or the service wants something.
        self._reason, self._fetch_failed = threading.Event(), threading.Event()
        self._buffer = ConsumerBuffer(
            settings.prefetch_bytes, watermarks=group is not None, on_request=self._reason.set
        )
        self._instance = f"{settings.instance}-{number}" if settings.instance else None
        self._lag: dict[str, int] = {}
        self._paused_ends: Mapping[KafkaTopicPartition, int] = {}
        self._ends_due, self._ends_requested = -math.inf, False
        self._listener_start: dict[TopicPartition, int] = {}
        self._rate_limited_log = RateLimitedLog()
        self._stop, self._has_start = threading.Event(), threading.Event()
        self._thread = SupervisedThread(
            f"kafka-consumer-{group or 'listener'}", self._run, restart_until=self._stop, daemon=True
        )
        self._thread.start()

    @override
    def poll(self, timeout: float, limit: int = 64) -> list[Record]:
        """Empty at once after `wakeup`, `close` or the close of the bus."""
        return [self._names.record_from_broker(record) for record in self._buffer.poll(timeout, limit)]

    @override
    def acknowledge(self, record: Record) -> None:
        """Ignored when another member has the partition now."""
        self._buffer.acknowledge(self._names.record_to_broker(record))

    @override
    def assignment(self) -> list[TopicPartition]:
        return [self._names.from_broker(partition) for partition in self._buffer.assignment()]

    @override
    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        self._buffer.pause(map(self._names.to_broker, partitions))

    @override
    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self._buffer.resume(map(self._names.to_broker, partitions))

    @override
    def seek_to_unacknowledged(self, partitions: Iterable[TopicPartition]) -> None:
        self._buffer.seek_to_unacknowledged(map(self._names.to_broker, partitions))

    @override
    def wakeup(self) -> None:
        self._buffer.wakeup()

    @override
    def close(self) -> None:
        """Commits what is acknowledged, for at most three seconds."""
        self.stop()
        self._thread.join()

    def stop(self) -> None:
        """Begins to close, without waiting."""
        self._stop.set()
        self._reason.set()
        self._buffer.close()

    @property
    def closed(self) -> bool:
        """Whether it has left its group, or is about to."""
        return self._stop.is_set()

    @property
    def held_bytes(self) -> int:
        """Bytes of records that are fetched and not delivered."""
        return self._buffer.held_bytes

    def lag(self, topic: str) -> int:
        """Records of a topic that are not acknowledged, in the assigned partitions; a fraction of a second old.

        The ends of paused partitions are seconds old.

        Args:
            topic: the broker's name of a topic.
        """
        return self._lag.get(topic, 0)

    def wait_for_start(self, timeout: float) -> bool:
        """Waits up to `timeout` seconds until a listener has its start offsets; returns whether it has them."""
        return self._has_start.wait(timeout)

    def _run(self) -> None:
        while not self._stop.is_set():
            heartbeat()
            try:
                self._consume()
            except kafka_errors.FencedInstanceIdError:
                # Two processes with one name would fence each other for ever; without a name both can work.
                log.error("another process has this REELWRIGHT_BUS_INSTANCE", instance=self._instance)
                self._instance = None
            except Exception as error:  # noqa: BLE001 - whatever the library raises, a new client is the remedy
                reason = f"{type(error).__name__}: {error}"
                self._rate_limited_log.warning("consumer failed, opening a new one", reason, group=self.group)
            if self.group is not None:
                self._buffer.revoke()
            self._stop.wait(_REOPEN_SECONDS)

    def _consume(self) -> None:
        """Consumes with one client, until it fails or this consumer is closed."""
        consumer = self._open_client()
        # The former client may have taken an answer with it.
        self._ends_requested = False
        try:
            if self.group is None:
                self._seek_listener(consumer)
            membership = GroupMembership(
                consumer, unstable_seconds=2 * self._settings.poll_seconds, is_static=self._instance is not None
            )
            committer = OffsetCommitter(
                consumer,
                self._buffer,
                interval_seconds=self._settings.commit_seconds,
                rate_limited_log=self._rate_limited_log,
                on_committed=self._on_committed,
            )
            idle_fetch_wait = _IDLE_LISTENER_FETCH_WAIT_MS if self.group is None else _IDLE_FETCH_WAIT_MS
            # A fetch that is held as long as an answer may take would count as one that never comes.
            idle_fetch_wait = min(idle_fetch_wait, int(self._settings.answer_seconds * 500))
            # A member that rests for longer than a poll may take would have to leave its group.
            idle_fetch_wait = min(idle_fetch_wait, int(self._settings.poll_seconds * 500 / _IDLE_WAIT_FACTOR))
            last_busy, assigned, settled = time.monotonic(), consumer.assignment(), True
            while not self._stop.is_set():
                heartbeat()
                self._reason.clear()
                self._apply_buffer_state(consumer)
                if consumer.paused() or consumer.assignment() != assigned or self._fetch_failed.is_set():
                    self._fetch_failed.clear()
                    last_busy, assigned = time.monotonic(), consumer.assignment()
                idle = time.monotonic() - last_busy > _IDLE_AFTER_SECONDS
                set_fetch_wait(consumer, idle_fetch_wait if idle else _FETCH_WAIT_MS)
                if self.group is not None:
                    settled = membership.check()
                    committer.commit_if_due()
                self._measure_lag(consumer)
                rests = idle and settled
                with suppress(kafka_errors.RetriableError):
                    timeout = 0 if rests else _POLL_MS
                    for partition, found in consumer.poll(timeout_ms=timeout, max_records=_POLL_RECORDS).items():
                        last_busy, rests = time.monotonic(), False
                        self._on_answer()
                        self._buffer.add_fetched(TopicPartition(*partition), [to_record(each) for each in found])
                if rests:
                    call_when_fetched(consumer, self._handle_fetch)
                    self._reason.wait(_IDLE_WAIT_FACTOR * idle_fetch_wait / 1000)
            if self.group is not None:
                committer.commit_last()
        finally:
            with suppress(Exception):
                consumer.close(timeout_ms=LAST_COMMIT_MS)

    def _measure_lag(self, consumer: KafkaConsumer) -> None:
        assigned, paused = consumer.assignment(), consumer.paused()
        # The answers to fetches tell the end of a partition, but none is fetched while it is paused.
        if paused and not self._ends_requested and time.monotonic() >= self._ends_due:
            self._ends_requested = True
            request_end_offsets(consumer, paused, self._handle_ends)
        ends, positions = {}, {}
        for each in assigned:
            partition = TopicPartition(*each)
            known = self._paused_ends.get(each, 0) if each in paused else 0
            ends[partition] = max(consumer.highwater(each) or 0, known)
            if (position := next_offset(consumer, each)) is not None:
                positions[partition] = position
        self._lag = self._buffer.lag(ends, positions)

    def _handle_ends(self, ends: Mapping[KafkaTopicPartition, int]) -> None:
        self._paused_ends = {**self._paused_ends, **ends}
        self._ends_due = time.monotonic() + _PAUSED_ENDS_SECONDS
        self._ends_requested = False

    def _handle_fetch(self, answered: bool) -> None:
        if answered:
            self._on_answer()
        else:
            # The library pauses between its tries only in polls that wait.
            self._fetch_failed.set()
        self._reason.set()

    def _open_client(self) -> KafkaConsumer:
        settings = self._settings
        consumer = open_client(
            KafkaConsumer,
            **settings.client_options(),
            group_id=None if self.group is None else self._names.group(self.group),
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
        wait_full_polls(consumer, _POLL_MS / 1000)
        call_when_rejoin_requested(consumer, self._reason.set)
        consumer.subscribe(self._topics, listener=RebalanceListener(consumer, self._buffer, self._rate_limited_log))
        return consumer

    def _seek_listener(self, consumer: KafkaConsumer) -> None:
        """Seeks to the present end of each partition, or, with a later client, to where the former one was."""
        started = time.monotonic()
        while not {partition.topic for partition in consumer.assignment()} >= set(self._topics):
            if time.monotonic() - started > _MISSING_TOPIC_SECONDS:
                self._rate_limited_log.warning("topic missing, waiting", "not there", topics=", ".join(self._topics))
            heartbeat()
            if self._stop.wait(_ASSIGNMENT_CHECK_SECONDS):
                return
        if not self._has_start.is_set():
            ends = consumer.end_offsets(list(consumer.assignment()))
            self._listener_start = {TopicPartition(*partition): offset for partition, offset in ends.items()}
            self._has_start.set()
        # A partition that is added later has no start offset here, and is read from its beginning.
        for partition, offset in (self._listener_start | self._buffer.fetch_positions()).items():
            if (kafka_partition := KafkaTopicPartition(*partition)) in consumer.assignment():
                consumer.seek(kafka_partition, offset)

    def _apply_buffer_state(self, consumer: KafkaConsumer) -> None:
        """Seeks, pauses and resumes as the buffer asks. The assignment changes only within polls, on this thread."""
        assigned = consumer.assignment()
        if self.group is None:
            known = set(self._buffer.assignment())
            self._buffer.assign({TopicPartition(*partition) for partition in assigned} - known)
        for partition, offset in self._buffer.take_pending_seeks().items():
            if (kafka_partition := KafkaTopicPartition(*partition)) in assigned:
                consumer.seek(kafka_partition, offset)
        to_pause = {KafkaTopicPartition(*partition) for partition in self._buffer.partitions_to_pause()} & assigned
        paused = consumer.paused()
        consumer.pause(*(to_pause - paused))
        consumer.resume(*(paused - to_pause))


def to_record(found: ConsumerRecord) -> Record:
    """Converts a record of kafka-python. A missing key, value or header value becomes empty."""
    return Record(
        topic=found.topic,
        partition=found.partition,
        offset=found.offset,
        key=bytes(found.key or b""),
        value=bytes(found.value or b""),
        headers={name: (text or b"").decode(errors="replace") for name, text in found.headers},
    )
