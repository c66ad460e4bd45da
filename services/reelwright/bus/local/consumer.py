"""A member of a consumer group, or a listener, on a LocalBus."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Protocol

from reelwright.bus.protocol import Record, Slot
from reelwright.bus.watermark import Watermark


class Host(Protocol):
    """What a consumer asks of its bus; all of it with the bus's lock held."""

    def read(self, slot: Slot, offset: int) -> Record | None:
        """The record at `offset`, if there is one yet."""

    def finish(self, group: str, slot: Slot, position: int) -> None:
        """Moves a group's finished offset and lets go of what no group needs any more."""

    def leave(self, member: LocalConsumer) -> None:
        """Takes a member out of its group and deals its partitions to the others."""

    def make_room(self) -> None:
        """Lets waiting publishers look again."""


class LocalConsumer:
    """A consumer on a LocalBus; made by `LocalBus.consumer` and `LocalBus.listener`.

    Args:
        host: the bus.
        lock: the bus's lock.
        group: its group's name.
        topics: what it reads.
        listening: what was delivered counts as finished.
    """

    def __init__(
        self, host: Host, lock: threading.Lock, group: str, topics: tuple[str, ...], listening: bool = False
    ) -> None:
        self.group, self.topics = group, topics
        self._host, self._lock, self._listening = host, lock, listening
        self._news = threading.Condition(lock)
        self._marks: dict[Slot, Watermark] = {}
        self._paused: set[Slot] = set()
        self._hungry = self._woken = self._closed = False

    def poll(self, timeout: float, limit: int = 64) -> list[Record]:
        """See `Consumer.poll`; empty at once after `wakeup`, `close` or the bus's end."""
        with self._lock:
            if not self._ready():
                self._hungry = True
                self._host.make_room()
                self._news.wait_for(self._ready, timeout)
                self._hungry = False
            self._woken = False
            records = [] if self._closed else self._take(limit)
            if self._listening:
                for record in records:
                    self._finish(record)
            return records

    def acknowledge(self, record: Record) -> None:
        """See `Consumer.acknowledge`; ignored for a partition that has moved on to another member."""
        with self._lock:
            self._finish(record)

    def assignment(self) -> list[Slot]:
        """See `Consumer.assignment`."""
        with self._lock:
            return list(self._marks)

    def pause(self, partitions: Iterable[Slot]) -> None:
        """See `Consumer.pause`."""
        with self._lock:
            self._paused |= self._marks.keys() & set(partitions)

    def resume(self, partitions: Iterable[Slot]) -> None:
        """See `Consumer.resume`."""
        with self._lock:
            self._paused -= set(partitions)

    def seek_to_unacknowledged(self, partitions: Iterable[Slot]) -> None:
        """See `Consumer.seek_to_unacknowledged`."""
        with self._lock:
            for slot in self._marks.keys() & set(partitions):
                self._marks[slot] = Watermark(self._marks[slot].position)

    def wakeup(self) -> None:
        """See `Consumer.wakeup`; a poll that has not begun yet is woken too."""
        with self._lock:
            self._woken = True
            self._news.notify_all()

    def close(self) -> None:
        """See `Consumer.close`."""
        with self._lock:
            if not self._closed:
                self.shut()
                self._host.leave(self)

    # What follows is for the bus, which holds the lock.

    def offer(self) -> None:
        """There is a new record; one that waited is served by it and makes room for no other."""
        self._hungry = False
        self._news.notify_all()

    def gain(self, slot: Slot, start: int) -> None:
        """Takes over a partition from its group's finished offset."""
        self._marks[slot] = Watermark(start)
        self._news.notify_all()

    def lose(self, slot: Slot) -> None:
        """Gives a partition up."""
        del self._marks[slot]
        self._paused.discard(slot)

    def shut(self) -> None:
        """Ends this and every later poll."""
        self._closed = True
        self._news.notify_all()

    def hungry_for(self, slot: Slot) -> bool:
        """Whether a poll waits that a record in `slot` would end."""
        return self._hungry and slot not in self._paused

    def _ready(self) -> bool:
        return (
            self._woken or self._closed or any(self._host.read(slot, self._marks[slot].next) for slot in self._open())
        )

    def _finish(self, record: Record) -> None:
        slot = (record.topic, record.partition)
        mark = self._marks.get(slot)
        if mark is not None and mark.acknowledge(record.offset):
            self._host.finish(self.group, slot, mark.position)

    def _open(self) -> list[Slot]:
        return [slot for slot in self._marks if slot not in self._paused]

    def _take(self, limit: int) -> list[Record]:
        records: list[Record] = []
        for slot in self._open():
            mark = self._marks[slot]
            while len(records) < limit and (record := self._host.read(slot, mark.next)):
                mark.deliver(record.offset)
                records.append(record)
            if records and (records[-1].topic, records[-1].partition) == slot:
                # Whoever was served goes to the back, so a busy partition does not keep the others waiting.
                self._marks[slot] = self._marks.pop(slot)
        return records
