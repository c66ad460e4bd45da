"""The bus inside one process: what Kafka promises, without a broker. Bytes go by reference, never copied."""

from __future__ import annotations

import threading
import zlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from reelwright.bus.assignment import share_out
from reelwright.bus.protocol import BusFull, Record
from reelwright.bus.watermark import Watermark

Slot = tuple[str, int]
"""A topic and one of its partitions."""


@dataclass(slots=True)
class _Log:
    """One partition: the records that some group may still need, `base` being the first one's offset."""

    base: int = 0
    records: deque[Record] = field(default_factory=deque)

    @property
    def end(self) -> int:
        return self.base + len(self.records)


@dataclass(slots=True)
class _Topic:
    logs: list[_Log]
    held_bytes: int = 0


@dataclass(slots=True)
class _Group:
    """A consumer group: its members in the order they joined, who has which slot, and what is finished."""

    members: list[LocalConsumer] = field(default_factory=list)
    owners: dict[Slot, LocalConsumer] = field(default_factory=dict)
    finished: dict[Slot, int] = field(default_factory=dict)


class LocalBus:
    """A Bus in memory; see `bus.protocol` for what it promises.

    A record is held until every group that ever joined its topic is done with it, or for ever while there is
    none. A publish waits while its topic holds `max_bytes`, with two exceptions without which a pipeline could
    lock up: a topic that holds nothing takes a message of any size, and a record that every group is already
    waiting for in `poll` is taken at once. So what a consumer holds undone is bounded by that consumer, the rest
    by `max_bytes`.

    Args:
        partitions: partitions of every topic.
        max_bytes: bytes of keys and values a topic holds before publishers wait.
    """

    def __init__(self, partitions: int = 8, max_bytes: int = 256 << 20) -> None:
        self._partitions = partitions
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._topics: dict[str, _Topic] = {}
        self._groups: dict[str, _Group] = {}
        self._closed = False

    def publish(
        self,
        topic: str,
        key: bytes,
        value: bytes,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Appends a record; see `Bus.publish`.

        Raises:
            BusFull: no room within `timeout` seconds, or the bus is closed.
        """
        frozen = MappingProxyType(dict(headers or {}))
        partition = zlib.crc32(key) % self._partitions
        size = len(key) + len(value)
        with self._lock:
            place = self._topic(topic)
            admitted = self._room.wait_for(
                lambda: self._closed or self._has_room(place, (topic, partition), size), timeout
            )
            if self._closed or not admitted:
                raise BusFull(f"{topic}: {'the bus is closed' if self._closed else f'no room within {timeout} s'}")
            log = place.logs[partition]
            log.records.append(Record(topic, partition, log.end, key, value, frozen))
            place.held_bytes += size
            for owner in self._owners((topic, partition)):
                owner.offer()

    def consumer(self, topics: Sequence[str], group: str) -> LocalConsumer:
        """Joins a group; see `Bus.consumer`."""
        with self._lock:
            team = self._groups.setdefault(group, _Group())
            member = LocalConsumer(self, self._lock, team, tuple(topics))
            team.members.append(member)
            for topic in topics:
                for partition, log in enumerate(self._topic(topic).logs):
                    team.finished.setdefault((topic, partition), log.base)
            self._rebalance(team)
            return member

    def held_bytes(self, topic: str) -> int:
        """Bytes of keys and values that `topic` holds now."""
        with self._lock:
            return self._topic(topic).held_bytes

    def make_room(self) -> None:
        """Lets waiting publishers look again; with the lock held."""
        self._room.notify_all()

    def close(self) -> None:
        """Ends every wait: publishers raise BusFull, polls return empty."""
        with self._lock:
            self._closed = True
            self._room.notify_all()
            for group in self._groups.values():
                for member in group.members:
                    member.shut()

    def _topic(self, name: str) -> _Topic:
        return self._topics.setdefault(name, _Topic([_Log() for _ in range(self._partitions)]))

    def _has_room(self, topic: _Topic, slot: Slot, size: int) -> bool:
        if topic.held_bytes == 0 or topic.held_bytes + size <= self._max_bytes:
            return True
        groups = [group for group in self._groups.values() if slot in group.finished]
        owners = self._owners(slot)
        return bool(groups) and len(owners) == len(groups) and all(owner.hungry_for(slot) for owner in owners)

    def _owners(self, slot: Slot) -> list[LocalConsumer]:
        return [group.owners[slot] for group in self._groups.values() if slot in group.owners]

    def _rebalance(self, group: _Group) -> None:
        for topic in sorted({topic for topic, _ in group.finished}):
            members = [member for member in group.members if topic in member.topics]
            owners = {slot[1]: owner for slot, owner in group.owners.items() if slot[0] == topic}
            dealt = share_out(self._partitions, members, owners)
            for partition in range(self._partitions):
                if dealt.get(partition) is not owners.get(partition):
                    self._move(group, (topic, partition), dealt.get(partition))

    def _move(self, group: _Group, slot: Slot, to: LocalConsumer | None) -> None:
        if former := group.owners.pop(slot, None):
            former.lose(slot)
        if to is not None:
            group.owners[slot] = to
            to.gain(slot, group.finished[slot])

    def leave(self, group: _Group, member: LocalConsumer) -> None:
        """Takes a member out of its group and deals its partitions to the others; with the lock held."""
        group.members.remove(member)
        self._rebalance(group)
        self._room.notify_all()

    def finish(self, group: _Group, slot: Slot, position: int) -> None:
        """Moves a group's finished offset and lets go of what no group needs any more; with the lock held."""
        group.finished[slot] = position
        low = min(other.finished[slot] for other in self._groups.values() if slot in other.finished)
        topic = self._topics[slot[0]]
        log = topic.logs[slot[1]]
        while log.base < low:
            record = log.records.popleft()
            log.base += 1
            topic.held_bytes -= len(record.key) + len(record.value)
            self._room.notify_all()

    def read(self, slot: Slot, offset: int) -> Record | None:
        """The record at `offset`, if there is one yet; with the lock held."""
        log = self._topics[slot[0]].logs[slot[1]]
        return log.records[offset - log.base] if offset < log.end else None


class LocalConsumer:
    """A member of a consumer group on a LocalBus; made by `LocalBus.consumer`."""

    def __init__(self, bus: LocalBus, lock: threading.Lock, group: _Group, topics: tuple[str, ...]) -> None:
        self.topics = topics
        self._bus, self._lock, self._group = bus, lock, group
        self._news = threading.Condition(lock)
        self._marks: dict[Slot, Watermark] = {}
        self._paused: set[Slot] = set()
        self._hungry = self._woken = self._closed = False

    def poll(self, timeout: float, limit: int = 64) -> list[Record]:
        """See `Consumer.poll`; empty at once after `wake`, `close` or the bus's end."""
        with self._lock:
            if not self._ready():
                self._hungry = True
                self._bus.make_room()
                self._news.wait_for(self._ready, timeout)
                self._hungry = False
            self._woken = False
            return [] if self._closed else self._take(limit)

    def done(self, record: Record) -> None:
        """See `Consumer.done`; ignored for a partition that has moved on to another member."""
        slot = (record.topic, record.partition)
        with self._lock:
            mark = self._marks.get(slot)
            if mark is not None and mark.done(record.offset):
                self._bus.finish(self._group, slot, mark.position)

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

    def wake(self) -> None:
        """See `Consumer.wake`; a poll that has not begun yet is woken too."""
        with self._lock:
            self._woken = True
            self._news.notify_all()

    def close(self) -> None:
        """See `Consumer.close`."""
        with self._lock:
            if not self._closed:
                self.shut()
                self._bus.leave(self._group, self)

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
        return self._woken or self._closed or any(self._bus.read(slot, self._marks[slot].next) for slot in self._open())

    def _open(self) -> list[Slot]:
        return [slot for slot in self._marks if slot not in self._paused]

    def _take(self, limit: int) -> list[Record]:
        records: list[Record] = []
        for slot in self._open():
            mark = self._marks[slot]
            while len(records) < limit and (record := self._bus.read(slot, mark.next)):
                mark.deliver(record.offset)
                records.append(record)
            if records and (records[-1].topic, records[-1].partition) == slot:
                # Whoever was served goes to the back, so a busy partition does not keep the others waiting.
                self._marks[slot] = self._marks.pop(slot)
        return records
