"""What a consumer has fetched and nobody has polled yet, and how far each of its partitions is finished."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from reelwright.bus.protocol import Record, Slot
from reelwright.bus.watermark import Watermark


@dataclass(slots=True)
class _Partition:
    records: deque[Record] = field(default_factory=deque)
    bytes: int = 0
    mark: Watermark | None = None  # from the first record that was delivered
    moved: bool = False  # there is something to commit
    seek: int | None = None  # where the client is to go on
    reached: int = 0  # the offset behind what was put in last
    paused: bool = False


class ConsumerBuffer:
    """The buffer between a client of the broker, which puts in, and a service, which takes. Thread-safe.

    Args:
        max_bytes: held before partitions are held back.
        watermarks: whether to keep track of what is finished.
    """

    def __init__(self, max_bytes: int, watermarks: bool) -> None:
        self._max_bytes, self._watermarks = max_bytes, watermarks
        self._news = threading.Condition()
        self._partitions: dict[Slot, _Partition] = {}
        self._held = 0
        self._woken = self._closed = False

    @property
    def held_bytes(self) -> int:
        """Keys and values that wait to be taken."""
        return self._held

    # For the service.

    def take(self, timeout: float, limit: int) -> list[Record]:
        """As `Consumer.poll`."""
        with self._news:
            self._news.wait_for(self._ready, timeout)
            self._woken = False
            return [] if self._closed else self._deliver(limit)

    def acknowledge(self, record: Record) -> None:
        """As `Consumer.acknowledge`."""
        with self._news:
            partition = self._partitions.get((record.topic, record.partition))
            if partition is not None and partition.mark is not None and partition.mark.acknowledge(record.offset):
                partition.moved = True

    def assignment(self) -> list[Slot]:
        """As `Consumer.assignment`."""
        with self._news:
            return list(self._partitions)

    def pause(self, slots: Iterable[Slot]) -> None:
        """As `Consumer.pause`."""
        with self._news:
            for slot in self._partitions.keys() & set(slots):
                self._partitions[slot].paused = True

    def resume(self, slots: Iterable[Slot]) -> None:
        """As `Consumer.resume`."""
        with self._news:
            for slot in self._partitions.keys() & set(slots):
                self._partitions[slot].paused = False
            self._news.notify_all()

    def seek_to_unacknowledged(self, slots: Iterable[Slot]) -> None:
        """As `Consumer.seek_to_unacknowledged`."""
        with self._news:
            for slot in self._partitions.keys() & set(slots):
                partition = self._partitions[slot]
                if partition.mark is not None:
                    partition.seek = partition.mark.position
                    partition.mark = Watermark(partition.seek)
                    self._empty(partition)

    def wakeup(self) -> None:
        """Ends the take that waits, or the next one."""
        with self._news:
            self._woken = True
            self._news.notify_all()

    def close(self) -> None:
        """Ends this and every later take."""
        with self._news:
            self._closed = True
            self._news.notify_all()

    # For the client.

    def put(self, slot: Slot, records: list[Record]) -> None:
        """Adds what was fetched; ignored for a partition that is not assigned, or is to be read from elsewhere."""
        with self._news:
            partition = self._partitions.get(slot)
            if partition is None or partition.seek is not None or not records:
                return
            partition.records.extend(records)
            partition.reached = records[-1].offset + 1
            size = sum(_size(record) for record in records)
            partition.bytes += size
            self._held += size
            self._news.notify_all()

    def assign(self, slots: Iterable[Slot]) -> None:
        """Takes partitions over."""
        with self._news:
            for slot in slots:
                self._partitions[slot] = _Partition()

    def forget(self, slots: Iterable[Slot] | None = None) -> None:
        """Gives partitions up, all unless told, with what is held of them."""
        with self._news:
            for slot in list(self._partitions if slots is None else slots):
                if partition := self._partitions.pop(slot, None):
                    self._empty(partition)

    def moved(self, slots: Iterable[Slot] | None = None) -> dict[Slot, int]:
        """The offsets to commit of these partitions, all unless told; each once, until it moves again."""
        with self._news:
            wanted = self._partitions.keys() if slots is None else self._partitions.keys() & set(slots)
            positions = {}
            for slot in wanted:
                partition = self._partitions[slot]
                if partition.moved and partition.mark is not None:
                    partition.moved = False
                    positions[slot] = partition.mark.position
            return positions

    def not_committed(self, slots: Iterable[Slot]) -> None:
        """These offsets did not reach the broker; `moved` gives them again."""
        with self._news:
            for slot in self._partitions.keys() & set(slots):
                self._partitions[slot].moved = True

    def seeks(self) -> dict[Slot, int]:
        """Where the client is to go on reading; each once."""
        with self._news:
            wanted = {slot: part.seek for slot, part in self._partitions.items() if part.seek is not None}
            for slot in wanted:
                self._partitions[slot].seek = None
            return wanted

    def reached(self) -> dict[Slot, int]:
        """The offset behind the last record of each partition that has had one."""
        with self._news:
            return {slot: part.reached for slot, part in self._partitions.items() if part.reached}

    def held_back(self) -> list[Slot]:
        """The partitions that the client is not to fetch from.

        One with nothing held may always fetch, so that none that is paused or slow keeps the others from going on.
        """
        with self._news:
            full = self._held >= self._max_bytes
            return [slot for slot, part in self._partitions.items() if part.paused or (full and part.records)]

    def _ready(self) -> bool:
        return (
            self._woken or self._closed or any(part.records and not part.paused for part in self._partitions.values())
        )

    def _deliver(self, limit: int) -> list[Record]:
        taken: list[Record] = []
        for slot, partition in list(self._partitions.items()):
            if partition.paused or not partition.records or len(taken) == limit:
                continue
            while partition.records and len(taken) < limit:
                taken.append(self._pop(partition))
            # Whoever was served goes to the back, so a busy partition does not keep the others waiting.
            self._partitions[slot] = self._partitions.pop(slot)
        return taken

    def _pop(self, partition: _Partition) -> Record:
        record = partition.records.popleft()
        partition.bytes -= _size(record)
        self._held -= _size(record)
        if self._watermarks:
            if partition.mark is None or record.offset < partition.mark.next:
                # Either the first one, or the broker lost its latest records and counts on from before.
                partition.mark = Watermark(record.offset)
            partition.mark.deliver(record.offset)
        return record

    def _empty(self, partition: _Partition) -> None:
        self._held -= partition.bytes
        partition.bytes = 0
        partition.records.clear()


def _size(record: Record) -> int:
    return len(record.key) + len(record.value)
