"""What a member of a group tells the broker: how far it is finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from kafka import KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.structs import OffsetAndMetadata

from reelwright.bus.consumer_buffer import ConsumerBuffer
from reelwright.bus.kafka.client import RateLimitedLog
from reelwright.bus.protocol import Slot

LAST_COMMIT_MS = 3_000
"""How long a member that closes waits for its last commit."""


class OffsetCommitter:
    """Sends finished offsets every so often, without waiting for the answer.

    Args:
        consumer: what to send them with.
        buffer: what knows them.
        seconds: between two commits.
        sparing: for warnings.
        committed: told of every commit that the broker has.
    """

    def __init__(
        self,
        consumer: KafkaConsumer,
        buffer: ConsumerBuffer,
        seconds: float,
        sparing: RateLimitedLog,
        committed: Callable[[Mapping[Slot, int]], None],
    ) -> None:
        self._consumer, self._buffer = consumer, buffer
        self._seconds, self._sparing, self._committed = seconds, sparing, committed
        self._due = time.monotonic()

    def send_if_due(self) -> None:
        """Commits what has moved since the last time."""
        if (now := time.monotonic()) < self._due:
            return
        self._due = now + self._seconds
        if positions := self._buffer.moved():
            self._consumer.commit_async(_offsets(positions), callback=self._answered)

    def finish(self) -> None:
        """Sends what is left and waits for the answer; what does not get through is delivered again."""
        if positions := self._buffer.moved():
            try:
                self._consumer.commit(_offsets(positions), timeout_ms=LAST_COMMIT_MS)
            except kafka_errors.KafkaError as error:
                self._sparing.warn("finished records will come again", error)

    def _answered(self, offsets: dict[TopicPartition, OffsetAndMetadata], answer: object) -> None:
        if isinstance(answer, Exception):
            self._sparing.warn("a commit failed and is sent again", answer)
            self._buffer.not_committed((part.topic, part.partition) for part in offsets)
        else:
            self._committed({(part.topic, part.partition): told.offset for part, told in offsets.items()})


class Rebalance(AsyncConsumerRebalanceListener):  # type: ignore[misc] # the library has no types
    """Keeps a buffer to what the group's coordinator assigns.

    Runs on the library's own thread, while the member's thread is within a poll or the close.

    Args:
        consumer: to commit with.
        buffer: what to keep.
        sparing: for warnings.
    """

    def __init__(self, consumer: KafkaConsumer, buffer: ConsumerBuffer, sparing: RateLimitedLog) -> None:
        self._consumer, self._buffer, self._sparing = consumer, buffer, sparing

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Makes place for what is new."""
        self._buffer.assign((part.topic, part.partition) for part in assigned)

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Commits while the partitions are still ours: their next owner joins only after this."""
        slots = [(part.topic, part.partition) for part in revoked]
        positions = self._buffer.moved(slots)
        self._buffer.forget(slots)
        if positions:
            try:
                await self._consumer.commit_async(_offsets(positions))
            except kafka_errors.KafkaError as error:
                self._sparing.warn("finished records will come again", error)

    async def on_partitions_lost(self, lost: set[TopicPartition]) -> None:
        """Drops what others already have."""
        self._buffer.forget((part.topic, part.partition) for part in lost)


def _offsets(positions: dict[Slot, int]) -> dict[TopicPartition, OffsetAndMetadata]:
    return {TopicPartition(*slot): OffsetAndMetadata(offset, "", -1) for slot, offset in positions.items()}
