"""Purge: frames leave the broker once they are committed (DeleteRecords), without waiting for the retention."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from kafka import KafkaAdminClient
from kafka import TopicPartition as KafkaTopicPartition
from kafka import errors as kafka_errors

from reelwright.bus.kafka.client import RateLimitedLog
from reelwright.bus.kafka.names import BrokerNames
from reelwright.bus.protocol import TopicPartition
from reelwright.bus.topics import FRAMES, RESTORED
from reelwright.telemetry.threads import SupervisedThread

_PURGE_SECONDS = 5.0


class RecordPurge:
    """Deletes committed records every five seconds, on a thread, until `close`. Thread-safe.

    So a title's bytes on the broker are bounded by its window and not by its length. The broker deletes whole log
    segments, so each partition keeps up to two of them (`segment.bytes`). On a broker that does not allow
    DeleteRecords, records stay for the topic's retention.

    Args:
        admin: sends the requests; not closed here.
        names: of the topics on the broker.
    """

    def __init__(self, admin: KafkaAdminClient, names: BrokerNames) -> None:
        self._admin, self._log = admin, RateLimitedLog()
        # Each of these is read by one group, so nobody needs a committed record. The other topics keep a history.
        self._purged_topics = {names.topic(topic) for topic in (*FRAMES.values(), RESTORED)}
        self._due: dict[KafkaTopicPartition, int] = {}
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._thread = SupervisedThread("kafka-purge", self._run, restart_until=self._stop, daemon=True)
        self._thread.start()

    def add_committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Has the records below these committed offsets deleted, when they are in a topic that is purged.

        Args:
            offsets: by partition, under the broker's name of its topic.
        """
        with self._lock:
            for partition, offset in offsets.items():
                if partition.topic in self._purged_topics:
                    key = KafkaTopicPartition(*partition)
                    self._due[key] = max(offset, self._due.get(key, 0))

    def stop(self) -> None:
        """Begins to close, without waiting: a request that is under way ends when the admin client is closed."""
        self._stop.set()

    def close(self) -> None:
        """Stops. Records that were not deleted are deleted after the next commit of their partition."""
        self.stop()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_PURGE_SECONDS):
            if not (due := self._take_due()):
                continue
            try:
                self._admin.delete_records(due)
            except (kafka_errors.KafkaError, RuntimeError) as error:  # a closed client raises RuntimeError
                if not self._stop.is_set():
                    self._log.warning("purge failed, records stay until their retention", error)

    def _take_due(self) -> dict[KafkaTopicPartition, int]:
        with self._lock:
            due, self._due = self._due, {}
            return due
