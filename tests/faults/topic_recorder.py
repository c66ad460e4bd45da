"""Records the messages of every topic, so that faults can publish real records again, unchanged or damaged."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from random import Random
from types import TracebackType

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from reelwright.bus.topics import ALL

# Covers several segments; a frames record has up to a megabyte.
_KEPT_RECORDS = 48
_EARLY_RECORDS = 12
_POLL_MS = 500
_TIMEOUT_SECONDS = 120.0
_POLL_SECONDS = 0.2
_REQUEST_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class RecordedMessage:
    """A record as it was published.

    Attributes:
        topic, partition: where it was published.
        key, value: its bytes.
        headers: names and values.
    """

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]

    def with_header(self, name: str, value: str) -> RecordedMessage:
        """A copy in which a header has a new value."""
        others = tuple(header for header in self.headers if header[0] != name)
        return replace(self, headers=(*others, (name, value.encode())))


class TopicRecorder:
    """Keeps the latest records of each topic and publishes records; a context manager.

    Args:
        bootstrap: the broker's address.
    """

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._records: dict[str, deque[RecordedMessage]] = {topic: deque(maxlen=_KEPT_RECORDS) for topic in ALL}
        self._early: dict[str, list[RecordedMessage]] = {topic: [] for topic in ALL}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._record_topics, name="recorder", daemon=True)
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap,
            acks="all",
            max_request_size=_REQUEST_BYTES,
            delivery_timeout_ms=120_000,
            # An idempotent producer publishes nothing more once the broker has refused a message.
            enable_idempotence=False,
        )

    def __enter__(self) -> TopicRecorder:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._producer.close(timeout=1)

    def pick(self, rng: Random, *topics: str) -> RecordedMessage:
        """One of the latest records of the topics; waits until there is one."""
        return rng.choice(self.pool(*topics))

    def pool(self, *topics: str) -> list[RecordedMessage]:
        """The latest records of the topics; waits until there is one.

        Raises:
            TimeoutError: no record was published on them.
        """
        end = time.monotonic() + _TIMEOUT_SECONDS
        while not (found := [record for topic in topics for record in list(self._records[topic])]):
            if time.monotonic() > end:
                raise TimeoutError(f"no record on {', '.join(topics)}")
            time.sleep(_POLL_SECONDS)
        return found

    def early(self) -> list[RecordedMessage]:
        """The first records of each topic, of titles that have ended by now."""
        return [record for records in self._early.values() for record in records]

    def publish(self, *records: RecordedMessage) -> None:
        """Publishes records and waits until the broker has acknowledged them."""
        waiting = [
            self._producer.send(
                record.topic,
                key=record.key,
                value=record.value,
                partition=record.partition,
                headers=list(record.headers),
            )
            for record in records
        ]
        for future in waiting:
            future.get(timeout=_TIMEOUT_SECONDS)

    def _record_topics(self) -> None:
        while not self._stop.is_set():
            # A fault can make any request to the broker fail. A new consumer then continues with new records.
            with suppress(KafkaError):
                self._record_until_stopped()
            self._stop.wait(_POLL_SECONDS)

    def _record_until_stopped(self) -> None:
        consumer = KafkaConsumer(bootstrap_servers=self._bootstrap, group_id=None, auto_offset_reset="latest")
        try:
            partitions = [TopicPartition(topic, p) for topic in ALL for p in consumer.partitions_for_topic(topic) or ()]
            consumer.assign(partitions)
            consumer.seek_to_end(*partitions)
            while not self._stop.is_set():
                for records in consumer.poll(_POLL_MS).values():
                    for record in records:
                        self._keep(record)
        finally:
            consumer.close()

    def _keep(self, record: object) -> None:
        topic, key = record.topic, record.key  # type: ignore[attr-defined]
        headers = tuple(record.headers)  # type: ignore[attr-defined]
        value, partition = record.value, record.partition  # type: ignore[attr-defined]
        if key is not None and value is not None:
            message = RecordedMessage(topic, partition, key, value, headers)
            self._records[topic].append(message)
            if len(self._early[topic]) < _EARLY_RECORDS:
                self._early[topic].append(message)
