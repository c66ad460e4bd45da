"""The bus inside one process: what Kafka promises, without a broker. Bytes go by reference, never copied."""

from __future__ import annotations

import itertools
import threading
import zlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from reelwright.bus.assignment import assign_partitions
from reelwright.bus.local.consumer import LocalConsumer
from reelwright.bus.protocol import BusClosed, BusFull, Record, Slot


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
    """A consumer group: its members in the order they joined, who has which slot, and what is finished.

    A listener is alone in a group of its own that leaves with it.
    """

    listening: bool = False
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
        self._listeners = itertools.count()
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
            BusFull: there was no room within `timeout` seconds.
            BusClosed: the bus is closed.
        """
        frozen = MappingProxyType(dict(headers or {}))
        partition = zlib.crc32(key) % self._partitions
        size = len(key) + len(value)
        with self._lock:
            place = self._topic(topic)
            admitted = self._room.wait_for(
                lambda: self._closed or self._has_room(place, (topic, partition), size), timeout
            )
            if self._closed:
                raise BusClosed(topic)
            if not admitted:
                raise BusFull(topic, timeout)
            log = place.logs[partition]
            log.records.append(Record(topic, partition, log.end, key, value, frozen))
            place.held_bytes += size
            for owner in self._owners((topic, partition)):
                owner.offer()

    def consumer(self, topics: Sequence[str], group: str) -> LocalConsumer:
        """Joins a group; see `Bus.consumer`."""
        with self._lock:
            team = self._groups.setdefault(group, _Group())
            for topic in topics:
                for partition, log in enumerate(self._topic(topic).logs):
                    team.finished.setdefault((topic, partition), log.base)
            return self._join(group, topics)

    def listener(self, topics: Sequence[str]) -> LocalConsumer:
        """Hears what is published from now on; see `Bus.listener`."""
        with self._lock:
            group = f"listener {next(self._listeners)}"
            team = self._groups[group] = _Group(listening=True)
            for topic in topics:
                for partition, log in enumerate(self._topic(topic).logs):
                    team.finished[topic, partition] = log.end
            return self._join(group, topics)

    @property
    def connected(self) -> bool:
        """See `Bus.connected`."""
        return not self._closed

    def held_bytes(self, topic: str) -> int:
        """Bytes of keys and values that `topic` holds now."""
        with self._lock:
            return self._topic(topic).held_bytes

    def make_room(self) -> None:
        """See `local_consumer.Host`."""
        self._room.notify_all()

    def close(self) -> None:
        """Ends every wait: publishers raise BusClosed, polls return empty."""
        with self._lock:
            self._closed = True
            self._room.notify_all()
            for group in self._groups.values():
                for member in group.members:
                    member.shut()

    def _join(self, group: str, topics: Sequence[str]) -> LocalConsumer:
        team = self._groups[group]
        member = LocalConsumer(self, self._lock, group, tuple(topics), team.listening)
        team.members.append(member)
        self._rebalance(team)
        return member

    def _topic(self, name: str) -> _Topic:
        return self._topics.setdefault(name, _Topic([_Log() for _ in range(self._partitions)]))

    def _has_room(self, topic: _Topic, slot: Slot, size: int) -> bool:
        if topic.held_bytes == 0 or topic.held_bytes + size <= self._max_bytes:
            return True
        groups = self._readers(slot)
        owners = self._owners(slot)
        return bool(groups) and len(owners) == len(groups) and all(owner.hungry_for(slot) for owner in owners)

    def _readers(self, slot: Slot) -> list[_Group]:
        """Whom a record waits for; no one while only listeners hear it, which is to keep it for a group to come."""
        groups = [group for group in self._groups.values() if slot in group.finished]
        return [] if all(group.listening for group in groups) else groups

    def _owners(self, slot: Slot) -> list[LocalConsumer]:
        return [group.owners[slot] for group in self._groups.values() if slot in group.owners]

    def _rebalance(self, group: _Group) -> None:
        for topic in sorted({topic for topic, _ in group.finished}):
            members = [member for member in group.members if topic in member.topics]
            owners = {slot[1]: owner for slot, owner in group.owners.items() if slot[0] == topic}
            dealt = assign_partitions(self._partitions, members, owners)
            for partition in range(self._partitions):
                if dealt.get(partition) is not owners.get(partition):
                    self._move(group, (topic, partition), dealt.get(partition))

    def _move(self, group: _Group, slot: Slot, to: LocalConsumer | None) -> None:
        if former := group.owners.pop(slot, None):
            former.lose(slot)
        if to is not None:
            group.owners[slot] = to
            to.gain(slot, group.finished[slot])

    def leave(self, member: LocalConsumer) -> None:
        """See `local_consumer.Host`."""
        group = self._groups[member.group]
        group.members.remove(member)
        self._rebalance(group)
        if group.listening:
            del self._groups[member.group]
            for slot in group.finished:
                self._let_go(slot)
        self._room.notify_all()

    def finish(self, group: str, slot: Slot, position: int) -> None:
        """See `local_consumer.Host`."""
        self._groups[group].finished[slot] = position
        self._let_go(slot)

    def _let_go(self, slot: Slot) -> None:
        topic = self._topics[slot[0]]
        log = topic.logs[slot[1]]
        low = min((group.finished[slot] for group in self._readers(slot)), default=log.base)
        while log.base < low:
            record = log.records.popleft()
            log.base += 1
            topic.held_bytes -= len(record.key) + len(record.value)
            self._room.notify_all()

    def read(self, slot: Slot, offset: int) -> Record | None:
        """See `local_consumer.Host`."""
        log = self._topics[slot[0]].logs[slot[1]]
        return log.records[offset - log.base] if offset < log.end else None
