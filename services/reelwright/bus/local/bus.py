"""The bus inside one process, in memory: the semantics of Kafka without a broker. Values are never copied."""

from __future__ import annotations

import itertools
import threading
import zlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from typing_extensions import override

from reelwright.bus.assignment import assign_partitions
from reelwright.bus.local.consumer import ConsumerHost, LocalConsumer
from reelwright.bus.protocol import Bus, BusClosed, BusFull, Record, TopicPartition
from reelwright.telemetry.watchdog import waiting


@dataclass(slots=True)
class _PartitionLog:
    """The records of one partition that a group may still need.

    Attributes:
        start_offset: offset of the first one.
        records: the records, in order.
    """

    start_offset: int = 0
    records: deque[Record] = field(default_factory=deque)

    @property
    def end_offset(self) -> int:
        return self.start_offset + len(self.records)


@dataclass(slots=True)
class _Topic:
    """Partitions of a topic, and the bytes of keys and values that they hold."""

    logs: list[_PartitionLog]
    held_bytes: int = 0


@dataclass(slots=True)
class _Group:
    """A consumer group. A listener is the only member of a group that is removed when it leaves.

    Attributes:
        is_listener: whether it is the group of a listener.
        members: in the order they joined.
        owners: the member that each partition is assigned to.
        committed: committed offset of each partition of its topics.
    """

    is_listener: bool = False
    members: list[LocalConsumer] = field(default_factory=list)
    owners: dict[TopicPartition, LocalConsumer] = field(default_factory=dict)
    committed: dict[TopicPartition, int] = field(default_factory=dict)


class LocalBus(Bus, ConsumerHost):
    """A Bus in memory; see `bus.protocol`.

    A record is held until every group that has ever joined its topic has committed it, and without limit while there
    is no group. A publish waits while its topic holds `max_bytes`. Without two exceptions a pipeline could deadlock:
    a topic that holds nothing admits a message of any size, and a record that every group waits for in `poll` is
    admitted at once. So each consumer bounds what it holds unacknowledged, and `max_bytes` bounds the rest.

    Args:
        partitions: partitions of every topic.
        max_bytes: bytes of keys and values that a topic holds before publishers wait.
    """

    def __init__(self, partitions: int = 8, max_bytes: int = 256 << 20) -> None:
        self._partitions = partitions
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._topics: dict[str, _Topic] = {}
        self._groups: dict[str, _Group] = {}
        self._listener_numbers = itertools.count()
        self._closed = False

    def publish(
        self,
        topic: str,
        key: bytes,
        value: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Appends a record; see `Bus.publish`.

        Raises:
            BusFull: there was no room within `timeout` seconds.
            BusClosed: the bus is closed.
        """
        frozen_headers = MappingProxyType(dict(headers or {}))
        partition = TopicPartition(topic, zlib.crc32(key) % self._partitions)
        size = len(key) + len(value)
        with waiting(), self._lock:
            state = self._topic(topic)
            admitted = self._room.wait_for(lambda: self._closed or self._has_room(state, partition, size), timeout)
            if self._closed:
                raise BusClosed(topic)
            if not admitted:
                raise BusFull(topic, timeout)
            log = state.logs[partition.partition]
            log.records.append(
                Record(
                    topic=topic,
                    partition=partition.partition,
                    offset=log.end_offset,
                    key=key,
                    value=value,
                    headers=frozen_headers,
                )
            )
            state.held_bytes += size
            for owner in self._owners(partition):
                owner.on_published()

    def consumer(self, topics: Sequence[str], group: str) -> LocalConsumer:
        """Joins a group; see `Bus.consumer`."""
        with self._lock:
            state = self._groups.setdefault(group, _Group())
            for topic in topics:
                for number, log in enumerate(self._topic(topic).logs):
                    state.committed.setdefault(TopicPartition(topic, number), log.start_offset)
            return self._add_member(group, topics)

    def listener(self, topics: Sequence[str]) -> LocalConsumer:
        """Receives what is published from now on; see `Bus.listener`."""
        with self._lock:
            group = f"listener {next(self._listener_numbers)}"
            state = self._groups[group] = _Group(is_listener=True)
            for topic in topics:
                for number, log in enumerate(self._topic(topic).logs):
                    state.committed[TopicPartition(topic, number)] = log.end_offset
            return self._add_member(group, topics)

    @property
    @override
    def connected(self) -> bool:
        return not self._closed

    def held_bytes(self, topic: str) -> int:
        """Bytes of keys and values that `topic` holds now."""
        with self._lock:
            return self._topic(topic).held_bytes

    def wake_consumers(self) -> None:
        """Has every consumer's poll return, or its next one where none waits; for a caller that stops their service."""
        with self._lock:
            members = [member for group in self._groups.values() for member in group.members]
        for member in members:
            member.wakeup()

    def close(self) -> None:
        """Ends every wait: publishers raise BusClosed, polls return empty."""
        with self._lock:
            self._closed = True
            self._room.notify_all()
            for group in self._groups.values():
                for member in group.members:
                    member.end_polls()

    # Consumers call the following methods, with the lock held; see `ConsumerHost`.

    @override
    def record_at(self, partition: TopicPartition, offset: int) -> Record | None:
        log = self._topics[partition.topic].logs[partition.partition]
        return log.records[offset - log.start_offset] if offset < log.end_offset else None

    @override
    def commit(self, group: str, partition: TopicPartition, offset: int) -> None:
        self._groups[group].committed[partition] = offset
        self._discard_committed(partition)

    @override
    def remove_member(self, member: LocalConsumer) -> None:
        group = self._groups[member.group]
        group.members.remove(member)
        self._rebalance(group)
        if group.is_listener:
            del self._groups[member.group]
            for partition in group.committed:
                self._discard_committed(partition)
        self._room.notify_all()

    @override
    def notify_publishers(self) -> None:
        self._room.notify_all()

    def _add_member(self, group: str, topics: Sequence[str]) -> LocalConsumer:
        state = self._groups[group]
        member = LocalConsumer(self, self._lock, group=group, topics=tuple(topics), is_listener=state.is_listener)
        state.members.append(member)
        self._rebalance(state)
        return member

    def _topic(self, name: str) -> _Topic:
        return self._topics.setdefault(name, _Topic([_PartitionLog() for _ in range(self._partitions)]))

    def _has_room(self, topic: _Topic, partition: TopicPartition, size: int) -> bool:
        if topic.held_bytes == 0 or topic.held_bytes + size <= self._max_bytes:
            return True
        groups, owners = self._reading_groups(partition), self._owners(partition)
        return bool(groups) and len(owners) == len(groups) and all(owner.is_waiting_for(partition) for owner in owners)

    def _reading_groups(self, partition: TopicPartition) -> list[_Group]:
        """The groups that a record is held for; none while only listeners read it: it is held for the first group."""
        groups = [group for group in self._groups.values() if partition in group.committed]
        return [] if all(group.is_listener for group in groups) else groups

    def _owners(self, partition: TopicPartition) -> list[LocalConsumer]:
        return [group.owners[partition] for group in self._groups.values() if partition in group.owners]

    def _rebalance(self, group: _Group) -> None:
        for topic in sorted({partition.topic for partition in group.committed}):
            members = [member for member in group.members if topic in member.topics]
            owners = {key.partition: owner for key, owner in group.owners.items() if key.topic == topic}
            assigned = assign_partitions(self._partitions, members, owners)
            for number in range(self._partitions):
                former, owner = owners.get(number), assigned.get(number)
                if former is owner:
                    continue
                partition = TopicPartition(topic, number)
                if former is not None:
                    del group.owners[partition]
                    former.on_revoked(partition)
                if owner is not None:
                    group.owners[partition] = owner
                    owner.on_assigned(partition, group.committed[partition])

    def _discard_committed(self, partition: TopicPartition) -> None:
        topic = self._topics[partition.topic]
        log = topic.logs[partition.partition]
        committed = (group.committed[partition] for group in self._reading_groups(partition))
        lowest = min(committed, default=log.start_offset)
        while log.start_offset < lowest:
            topic.held_bytes -= log.records.popleft().size
            log.start_offset += 1
            self._room.notify_all()
