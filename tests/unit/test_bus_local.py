"""The in-process bus passes the contract tests of every bus and keeps its own bounds."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from reelwright.bus.assignment import assign_partitions
from reelwright.bus.local.bus import LocalBus
from reelwright.bus.local.consumer import LocalConsumer
from reelwright.bus.protocol import Bus, Record
from tests.contract.bounded_bus import BoundedBusContract
from tests.contract.bus import BusContract, MakeBus, collect


@pytest.fixture
def make_bus() -> Iterator[MakeBus]:
    """Makes buses of eight partitions and closes them after the test."""
    buses: list[LocalBus] = []

    def make(max_bytes: int = 1 << 20) -> Bus:
        buses.append(LocalBus(partitions=8, max_bytes=max_bytes))
        return buses[-1]

    yield make
    for bus in buses:
        bus.close()


class TestLocalBus(BusContract, BoundedBusContract):
    pass


def test_acknowledged_records_are_released() -> None:
    """A record that every group has acknowledged is neither counted nor referenced any more."""
    bus = LocalBus()
    consumer = bus.consumer(["t"], "g")
    value = bytes(100)
    references = sys.getrefcount(value)
    bus.publish("t", b"k", value)
    assert bus.held_bytes("t") == 101
    assert sys.getrefcount(value) > references
    consumer.acknowledge(collect(consumer, 1)[0])
    assert bus.held_bytes("t") == 0
    assert sys.getrefcount(value) == references


def test_values_are_passed_by_reference() -> None:
    """Publishing and polling copy no payload."""
    bus = LocalBus()
    value = bytes(1 << 20)
    bus.publish("t", b"k", value)
    assert collect(bus.consumer(["t"], "g"), 1)[0].value is value


def test_every_consumer_can_be_woken_at_once() -> None:
    """A member of a group and a listener both return from their next poll, however long it may wait."""
    bus = LocalBus()
    consumers = [bus.consumer(["t"], "g"), bus.listener(["t"])]
    bus.wake_consumers()
    assert [consumer.poll(10_000) for consumer in consumers] == [[], []]


def test_a_listener_alone_releases_nothing() -> None:
    """Records that only a listener has read are held for the first group, and no longer than that group needs."""
    bus = LocalBus()
    listener = bus.listener(["t"])
    bus.publish("t", b"k", b"v")
    collect(listener, 1)
    consumer = bus.consumer(["t"], "g")
    bus.publish("t", b"k", b"w")
    for record in collect(consumer, 2):
        consumer.acknowledge(record)
    assert bus.held_bytes("t") == 2
    listener.close()
    assert bus.held_bytes("t") == 0


@given(st.integers(1, 20), st.lists(st.integers(0, 9), max_size=6, unique=True), st.data())
def test_partitions_are_assigned_evenly(partitions: int, members: list[int], data: st.DataObject) -> None:
    """Every partition has one owner, no member exceeds its rounded-up share, and one within its share loses none."""
    owners = data.draw(st.dictionaries(st.integers(0, partitions - 1), st.integers(0, 9)))
    assigned = assign_partitions(partitions, members, owners)
    if not members:
        assert assigned == {}
        return
    share = -(-partitions // len(members))
    assert set(assigned) == set(range(partitions))
    assert set(assigned.values()) <= set(members)
    assert max(Counter(assigned.values()).values()) <= share
    for member in members:
        had = {partition for partition, owner in owners.items() if owner == member}
        kept = {partition for partition in had if assigned[partition] == member}
        assert len(kept) == min(len(had), share)


@settings(max_examples=60, stateful_step_count=30, deadline=None)
class BusMachine(RuleBasedStateMachine):
    """Whatever members do, no group misses a record, and no record below the watermark is delivered again."""

    def __init__(self) -> None:
        super().__init__()
        self.bus = LocalBus(partitions=3)
        self.sent: dict[str, list[bytes]] = {}
        self.members: list[tuple[str, LocalConsumer]] = []
        self.unfinished: dict[LocalConsumer, list[Record]] = {}
        self.finished: dict[str, set[tuple[int, int]]] = {"g": set(), "h": set()}
        self.count = 0
        # Of a group's partition: the offset up to which all is finished, its owner, and what that one finished above.
        self.watermarks: Counter[tuple[str, int]] = Counter()
        self.owners: dict[tuple[str, int], LocalConsumer] = {}
        self.above: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
        for group in self.finished:
            # A group that has joined once is owed every record from then on.
            self.bus.consumer(["t"], group).close()

    def drop_moved_records(self) -> None:
        for _, member in self.members:
            mine = {partition for _, partition in member.assignment()}
            self.unfinished[member] = [r for r in self.unfinished[member] if r.partition in mine]
        for group, member in self.members:
            for _, partition in member.assignment():
                if self.owners.get((group, partition)) is not member:
                    self.owners[group, partition] = member
                    self.above[group, partition].clear()

    @rule(key=st.sampled_from("abcde"))
    def publish(self, key: str) -> None:
        self.count += 1
        self.sent.setdefault(key, []).append(b"%d" % self.count)
        self.bus.publish("t", key.encode(), b"%d" % self.count)

    @rule(group=st.sampled_from("gh"))
    def join(self, group: str) -> None:
        member = self.bus.consumer(["t"], group)
        self.members.append((group, member))
        self.unfinished[member] = []
        self.drop_moved_records()

    @precondition(lambda self: self.members)
    @rule(data=st.data(), limit=st.integers(1, 5))
    def poll(self, data: st.DataObject, limit: int) -> None:
        group, member = data.draw(st.sampled_from(self.members))
        records = member.poll(0, limit)
        assert len(records) <= limit
        for record in records:
            assert record.offset >= self.watermarks[group, record.partition], "came again below the watermark"
        self.unfinished[member] += records

    @precondition(lambda self: any(self.unfinished.values()))
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        group, member = data.draw(st.sampled_from([m for m in self.members if self.unfinished[m[1]]]))
        record = data.draw(st.sampled_from(self.unfinished[member]))
        self.unfinished[member].remove(record)
        self.finished[group].add((record.partition, record.offset))
        member.acknowledge(record)
        above = self.above[group, record.partition]
        above.add(record.offset)
        while self.watermarks[group, record.partition] in above:
            self.watermarks[group, record.partition] += 1

    @precondition(lambda self: self.members)
    @rule(data=st.data())
    def seek_to_unacknowledged(self, data: st.DataObject) -> None:
        group, member = data.draw(st.sampled_from(self.members))
        member.seek_to_unacknowledged(member.assignment())
        # What it had finished above the watermark comes again.
        for _, partition in member.assignment():
            self.above[group, partition].clear()
        self.unfinished[member] = []

    @precondition(lambda self: self.members)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        group, member = data.draw(st.sampled_from(self.members))
        self.members.remove((group, member))
        del self.unfinished[member]
        member.close()
        self.drop_moved_records()

    def teardown(self) -> None:
        for _, member in self.members:
            member.close()
        for group in self.finished:
            heir = self.bus.consumer(["t"], group)
            while records := heir.poll(0):
                for record in records:
                    self.finished[group].add((record.partition, record.offset))
                    heir.acknowledge(record)
            heir.close()
            assert len(self.finished[group]) == sum(len(values) for values in self.sent.values())


TestBusMachine = BusMachine.TestCase
