"""A member of a consumer group, or a listener, on a LocalBus."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Protocol

from typing_extensions import override

from reelwright.bus.protocol import Consumer, Record, TopicPartition
from reelwright.bus.watermark import Watermark


class ConsumerHost(Protocol):
    """What a consumer calls on its bus, always with the bus's lock held."""

    def record_at(self, partition: TopicPartition, offset: int) -> Record | None:
        """The record at `offset`; None when it is not published yet."""

    def commit(self, group: str, partition: TopicPartition, offset: int) -> None:
        """Sets a group's committed offset and discards the records that no group needs any more."""

    def remove_member(self, member: LocalConsumer) -> None:
        """Removes a member from its group and assigns its partitions to the others."""

    def notify_publishers(self) -> None:
        """Makes waiting publishers check again whether they have room."""


class LocalConsumer(Consumer):
    """A consumer on a LocalBus; made by `LocalBus.consumer` and `LocalBus.listener`.

    Args:
        host: the bus.
        lock: the bus's lock.
        group: name of its group.
        topics: topics it reads.
        is_listener: whether a record counts as acknowledged once it is delivered.

    Attributes:
        group: name of its group.
        topics: topics it reads.
    """

    def __init__(
        self, host: ConsumerHost, lock: threading.Lock, *, group: str, topics: tuple[str, ...], is_listener: bool
    ) -> None:
        self.group, self.topics = group, topics
        self._host, self._lock, self._is_listener = host, lock, is_listener
        self._changed = threading.Condition(lock)
        self._watermarks: dict[TopicPartition, Watermark] = {}
        self._paused: set[TopicPartition] = set()
        self._polling = self._woken = self._closed = False

    @override
    def poll(self, timeout: float, limit: int = 64) -> list[Record]:
        """Empty at once after `wakeup`, `close` or the close of the bus."""
        with self._lock:
            if not self._can_return():
                self._polling = True
                self._host.notify_publishers()
                self._changed.wait_for(self._can_return, timeout)
                self._polling = False
            self._woken = False
            records = [] if self._closed else self._deliver(limit)
            if self._is_listener:
                for record in records:
                    self._acknowledge(record)
            return records

    @override
    def acknowledge(self, record: Record) -> None:
        """Ignored when another member has the partition now."""
        with self._lock:
            self._acknowledge(record)

    @override
    def assignment(self) -> list[TopicPartition]:
        with self._lock:
            return list(self._watermarks)

    @override
    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        with self._lock:
            self._paused |= self._watermarks.keys() & set(partitions)

    @override
    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        with self._lock:
            self._paused -= set(partitions)

    @override
    def seek_to_unacknowledged(self, partitions: Iterable[TopicPartition]) -> None:
        with self._lock:
            for partition in self._watermarks.keys() & set(partitions):
                self._watermarks[partition] = Watermark(self._watermarks[partition].committable)

    @override
    def wakeup(self) -> None:
        with self._lock:
            self._woken = True
            self._changed.notify_all()

    @override
    def close(self) -> None:
        with self._lock:
            if not self._closed:
                self.end_polls()
                self._host.remove_member(self)

    # The bus calls the following methods, with its lock held.

    def on_published(self) -> None:
        """There is a new record. It ends a poll that waits, which therefore admits no further record."""
        self._polling = False
        self._changed.notify_all()

    def on_assigned(self, partition: TopicPartition, committed: int) -> None:
        """The partition is assigned to this member, which reads it from its group's committed offset."""
        self._watermarks[partition] = Watermark(committed)
        self._changed.notify_all()

    def on_revoked(self, partition: TopicPartition) -> None:
        """The partition is not assigned to this member any more."""
        del self._watermarks[partition]
        self._paused.discard(partition)

    def end_polls(self) -> None:
        """Makes this and every later poll return empty."""
        self._closed = True
        self._changed.notify_all()

    def is_waiting_for(self, partition: TopicPartition) -> bool:
        """Whether a poll waits now that a record in `partition` would end."""
        return self._polling and partition not in self._paused

    def _can_return(self) -> bool:
        has_record = any(self._host.record_at(key, self._watermarks[key].position) for key in self._unpaused())
        return self._woken or self._closed or has_record

    def _acknowledge(self, record: Record) -> None:
        watermark = self._watermarks.get(record.topic_partition)
        if watermark is not None and watermark.acknowledge(record.offset):
            self._host.commit(self.group, record.topic_partition, watermark.committable)

    def _unpaused(self) -> list[TopicPartition]:
        return [partition for partition in self._watermarks if partition not in self._paused]

    def _deliver(self, limit: int) -> list[Record]:
        records: list[Record] = []
        for partition in self._unpaused():
            watermark, before = self._watermarks[partition], len(records)
            while len(records) < limit and (record := self._host.record_at(partition, watermark.position)):
                watermark.mark_delivered(record.offset)
                records.append(record)
            if len(records) > before:
                # Round robin: a partition that was served moves to the end, so a busy one does not starve the others.
                self._watermarks[partition] = self._watermarks.pop(partition)
        return records
