"""Offset commits of a group member, periodically and before its partitions are revoked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaTopicPartition
from kafka import errors as kafka_errors
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.structs import OffsetAndMetadata

from reelwright.bus.consumer_buffer import ConsumerBuffer
from reelwright.bus.kafka.client import RateLimitedLog
from reelwright.bus.protocol import TopicPartition

LAST_COMMIT_MS = 3_000
"""How long a member that closes waits for the answer to its last commit, in milliseconds."""


class OffsetCommitter:
    """Commits the offsets of acknowledged records periodically, without waiting for the answer.

    Args:
        consumer: sends the commits.
        buffer: has the offsets.
        interval_seconds: time between two commits.
        rate_limited_log: for warnings.
        on_committed: called with the offsets of every commit that the broker has confirmed.
    """

    def __init__(
        self,
        consumer: KafkaConsumer,
        buffer: ConsumerBuffer,
        *,
        interval_seconds: float,
        rate_limited_log: RateLimitedLog,
        on_committed: Callable[[Mapping[TopicPartition, int]], None],
    ) -> None:
        self._consumer, self._buffer = consumer, buffer
        self._interval_seconds, self._log, self._on_committed = interval_seconds, rate_limited_log, on_committed
        self._due = time.monotonic()

    def commit_if_due(self) -> None:
        """Sends the offsets that have moved since the last commit, when the interval is over."""
        if (now := time.monotonic()) < self._due:
            return
        self._due = now + self._interval_seconds
        if offsets := self._buffer.offsets_to_commit():
            self._consumer.commit_async(_to_kafka_offsets(offsets), callback=self._handle_answer)

    def commit_last(self) -> None:
        """Sends what is left and waits for the answer. If it fails, those records are delivered again."""
        if offsets := self._buffer.offsets_to_commit():
            try:
                self._consumer.commit(_to_kafka_offsets(offsets), timeout_ms=LAST_COMMIT_MS)
            except kafka_errors.KafkaError as error:
                self._log.warning("last commit failed, records will be redelivered", error)

    def _handle_answer(self, offsets: dict[KafkaTopicPartition, OffsetAndMetadata], answer: object) -> None:
        if isinstance(answer, Exception):
            self._log.warning("commit failed, retrying", answer)
            self._buffer.mark_uncommitted(TopicPartition(*partition) for partition in offsets)
        else:
            self._on_committed({TopicPartition(*partition): sent.offset for partition, sent in offsets.items()})


class RebalanceListener(AsyncConsumerRebalanceListener):  # type: ignore[misc] # the library has no types
    """Keeps a buffer's partitions equal to what the group's coordinator assigns.

    Called on a thread of the library, while the member's own thread is inside a poll or the close.

    Args:
        consumer: sends the commits.
        buffer: gets the assignment.
        rate_limited_log: for warnings.
    """

    def __init__(self, consumer: KafkaConsumer, buffer: ConsumerBuffer, rate_limited_log: RateLimitedLog) -> None:
        self._consumer, self._buffer, self._log = consumer, buffer, rate_limited_log

    async def on_partitions_assigned(self, assigned: set[KafkaTopicPartition]) -> None:
        """Adds new partitions to the buffer."""
        self._buffer.assign(TopicPartition(*partition) for partition in assigned)

    async def on_partitions_revoked(self, revoked: set[KafkaTopicPartition]) -> None:
        """Commits while the partitions are still assigned: their next owner joins after this returns."""
        partitions = [TopicPartition(*partition) for partition in revoked]
        offsets = self._buffer.offsets_to_commit(partitions)
        self._buffer.revoke(partitions)
        if offsets:
            try:
                await self._consumer.commit_async(_to_kafka_offsets(offsets))
            except kafka_errors.KafkaError as error:
                self._log.warning("last commit failed, records will be redelivered", error)

    async def on_partitions_lost(self, lost: set[KafkaTopicPartition]) -> None:
        """Drops partitions that already have another owner."""
        self._buffer.revoke(TopicPartition(*partition) for partition in lost)


def _to_kafka_offsets(offsets: Mapping[TopicPartition, int]) -> dict[KafkaTopicPartition, OffsetAndMetadata]:
    # -1: no leader epoch.
    return {KafkaTopicPartition(*key): OffsetAndMetadata(offset, "", -1) for key, offset in offsets.items()}
