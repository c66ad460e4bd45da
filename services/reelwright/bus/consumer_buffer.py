"""Records that a consumer has fetched and not yet delivered, and the watermark of each of its partitions."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from reelwright.bus.protocol import Record, TopicPartition
from reelwright.bus.watermark import Watermark


@dataclass(slots=True, kw_only=True)
class _Partition:
    """State of one assigned partition.

    Attributes:
        records: fetched and not delivered, in order.
        bytes: their size.
        watermark: from the first record that was delivered; None before, and for a listener.
        has_commit: whether the watermark has moved since its offset was last given for commit.
        pending_seek: offset that the client has yet to seek to.
        next_fetched: the offset after the last record that was fetched; 0 before the first.
        paused: whether the service has paused it.
    """

    records: deque[Record] = field(default_factory=deque)
    bytes: int = 0
    watermark: Watermark | None = None
    has_commit: bool = False
    pending_seek: int | None = None
    next_fetched: int = 0
    paused: bool = False


class ConsumerBuffer:
    """Buffer between the thread that fetches from the broker and the service that polls. Thread-safe.

    The service calls `poll` to `close`, which do what the methods of `Consumer` say; the fetching thread calls the
    others.

    Args:
        max_bytes: undelivered bytes from which on partitions are to be paused.
        watermarks: whether to track acknowledgements; a listener does not.
        on_request: called when the service has paused or resumed a partition or wants one delivered again, so that the
            fetching thread sees to it at once.
    """

    def __init__(self, max_bytes: int, *, watermarks: bool, on_request: Callable[[], None] = lambda: None) -> None:
        self._max_bytes, self._watermarks, self._on_request = max_bytes, watermarks, on_request
        self._changed = threading.Condition()
        self._partitions: dict[TopicPartition, _Partition] = {}
        self._held_bytes = 0
        self._woken = self._closed = False

    @property
    def held_bytes(self) -> int:
        """Bytes of keys and values that are fetched and not delivered."""
        with self._changed:
            return self._held_bytes

    def poll(self, timeout: float, limit: int) -> list[Record]:
        """Delivers records of partitions that are not paused; waits for the first one, at most `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(self._can_return, timeout)
            self._woken = False
            return [] if self._closed else self._deliver(limit)

    def acknowledge(self, record: Record) -> None:
        """Lets the partition's watermark pass a record; ignored when the partition is not assigned any more."""
        with self._changed:
            partition = self._partitions.get(record.topic_partition)
            if partition and partition.watermark and partition.watermark.acknowledge(record.offset):
                partition.has_commit = True

    def assignment(self) -> list[TopicPartition]:
        """The partitions that the group has assigned to this member."""
        with self._changed:
            return list(self._partitions)

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Stops delivery of these partitions; what is fetched of them stays here."""
        with self._changed:
            self._set_paused(partitions, paused=True)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """Resumes delivery of paused partitions."""
        with self._changed:
            self._set_paused(partitions, paused=False)

    def seek_to_unacknowledged(self, partitions: Iterable[TopicPartition]) -> None:
        """Drops what is fetched of these partitions; they are fetched again from the first unacknowledged record."""
        with self._changed:
            for partition in self._assigned(partitions).values():
                if partition.watermark is not None:
                    partition.pending_seek = partition.watermark.committable
                    partition.watermark = Watermark(partition.pending_seek)
                    self._drop_records(partition)
                    self._on_request()

    def wakeup(self) -> None:
        """Makes the poll that waits, or else the next one, return at once."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def close(self) -> None:
        """Makes this and every later poll return empty."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def add_fetched(self, topic_partition: TopicPartition, records: list[Record]) -> None:
        """Adds fetched records; ignored when the partition is not assigned, or a seek is pending."""
        with self._changed:
            partition = self._partitions.get(topic_partition)
            if partition is None or partition.pending_seek is not None or not records:
                return
            partition.records.extend(records)
            partition.next_fetched = records[-1].offset + 1
            size = sum(record.size for record in records)
            partition.bytes += size
            self._held_bytes += size
            self._changed.notify_all()

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """Adds partitions that the group's coordinator has assigned."""
        with self._changed:
            for topic_partition in partitions:
                self._partitions[topic_partition] = _Partition()

    def revoke(self, partitions: Iterable[TopicPartition] | None = None) -> None:
        """Removes partitions and their undelivered records; None removes all."""
        with self._changed:
            for topic_partition in list(self._partitions if partitions is None else partitions):
                if partition := self._partitions.pop(topic_partition, None):
                    self._drop_records(partition)

    def offsets_to_commit(self, partitions: Iterable[TopicPartition] | None = None) -> dict[TopicPartition, int]:
        """Offsets that have moved since the last call, of these partitions, or of all for None."""
        with self._changed:
            offsets = {}
            for topic_partition, partition in self._assigned(partitions).items():
                if partition.has_commit and partition.watermark is not None:
                    partition.has_commit = False
                    offsets[topic_partition] = partition.watermark.committable
            return offsets

    def mark_uncommitted(self, partitions: Iterable[TopicPartition]) -> None:
        """Records that a commit failed, so that `offsets_to_commit` returns these partitions' offsets again."""
        with self._changed:
            for partition in self._assigned(partitions).values():
                partition.has_commit = True

    def take_pending_seeks(self) -> dict[TopicPartition, int]:
        """Offsets that the client is to seek to; each is returned once."""
        with self._changed:
            seeks = {}
            for topic_partition, partition in self._partitions.items():
                if partition.pending_seek is not None:
                    seeks[topic_partition] = partition.pending_seek
                    partition.pending_seek = None
            return seeks

    def fetch_positions(self) -> dict[TopicPartition, int]:
        """The offset after the last fetched record, of each partition that has had one."""
        with self._changed:
            return {
                topic_partition: partition.next_fetched
                for topic_partition, partition in self._partitions.items()
                if partition.next_fetched
            }

    def lag(self, ends: Mapping[TopicPartition, int], positions: Mapping[TopicPartition, int]) -> dict[str, int]:
        """Records that are not acknowledged, by topic.

        Args:
            ends: the offset after the last record of each partition, as far as it is known.
            positions: the offset of the record that the client fetches next, likewise. Before the first record of a
                partition came that is its committed offset.
        """
        lags: dict[str, int] = {}
        with self._changed:
            for topic_partition, partition in self._partitions.items():
                end = ends.get(topic_partition, 0)
                start = partition.records[0].offset if partition.records else positions.get(topic_partition, end)
                if partition.watermark is not None:
                    start = partition.watermark.committable
                lags[topic_partition.topic] = lags.get(topic_partition.topic, 0) + max(0, end - start)
        return lags

    def partitions_to_pause(self) -> set[TopicPartition]:
        """The partitions that the client is not to fetch from now.

        A partition without undelivered records may always fetch, so that one that is paused or slow does not stop the
        others.
        """
        with self._changed:
            full = self._held_bytes >= self._max_bytes
            return {
                topic_partition
                for topic_partition, partition in self._partitions.items()
                if partition.paused or (full and partition.records)
            }

    def _set_paused(self, partitions: Iterable[TopicPartition], *, paused: bool) -> None:
        changed = [each for each in self._assigned(partitions).values() if each.paused is not paused]
        for partition in changed:
            partition.paused = paused
        if changed:
            self._changed.notify_all()
            self._on_request()

    def _assigned(self, partitions: Iterable[TopicPartition] | None) -> dict[TopicPartition, _Partition]:
        if partitions is None:
            return self._partitions
        return {key: self._partitions[key] for key in partitions if key in self._partitions}

    def _can_return(self) -> bool:
        has_records = any(part.records and not part.paused for part in self._partitions.values())
        return self._woken or self._closed or has_records

    def _deliver(self, limit: int) -> list[Record]:
        delivered: list[Record] = []
        for topic_partition, partition in list(self._partitions.items()):
            if partition.paused or not partition.records or len(delivered) == limit:
                continue
            while partition.records and len(delivered) < limit:
                record = partition.records.popleft()
                partition.bytes -= record.size
                self._held_bytes -= record.size
                if self._watermarks:
                    if partition.watermark is None or record.offset < partition.watermark.position:
                        # The first record, or the broker has lost its latest records and reuses their offsets.
                        partition.watermark = Watermark(record.offset)
                    partition.watermark.mark_delivered(record.offset)
                delivered.append(record)
            # Round robin: a partition that was served moves to the end, so a busy one does not starve the others.
            self._partitions[topic_partition] = self._partitions.pop(topic_partition)
        return delivered

    def _drop_records(self, partition: _Partition) -> None:
        self._held_bytes -= partition.bytes
        partition.bytes = 0
        partition.records.clear()
