"""What every bus must do.

A transport's test module subclasses these suites and supplies the `make_bus` fixture: a callable
`(max_bytes=...) -> Bus` whose buses are closed after the test. Topics and groups are new in every test, so a broker
may be shared.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Protocol

import pytest

from reelwright.bus.protocol import Bus, Consumer, Record

TIMEOUT_SECONDS = 30.0
"""Seconds after which a test fails because a condition is still false."""


class MakeBus(Protocol):
    def __call__(self, max_bytes: int = 1 << 20) -> Bus: ...


def collect(consumer: Consumer, count: int) -> list[Record]:
    """Polls until `count` records have arrived."""
    records: list[Record] = []
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while len(records) < count:
        assert time.monotonic() < deadline, f"{len(records)} of {count} records came"
        records += consumer.poll(0.2)
    return records


def collect_from(consumers: list[Consumer], values: set[bytes]) -> dict[bytes, Consumer]:
    """Polls all consumers, acknowledging every record, until each value has arrived; returns who got it last."""
    seen: dict[bytes, Consumer] = {}
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while seen.keys() != values:
        assert time.monotonic() < deadline, f"{len(seen)} of {len(values)} records came"
        for consumer in consumers:
            for record in consumer.poll(0.05):
                seen[record.value] = consumer
                consumer.acknowledge(record)
    return seen


def nothing_comes(consumer: Consumer) -> bool:
    """Whether a short poll returns no record."""
    return consumer.poll(0.05) == []


def in_thread(work: Callable[[], object]) -> threading.Thread:
    """Starts `work` on a thread."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def finishes(thread: threading.Thread) -> bool:
    """Whether the thread ends in time."""
    thread.join(TIMEOUT_SECONDS)
    return not thread.is_alive()


def values(records: list[Record]) -> list[bytes]:
    """The values of records, in the same order."""
    return [record.value for record in records]


class BusNames:
    @pytest.fixture
    def topic(self) -> str:
        return f"contract-{uuid.uuid4().hex[:12]}"

    @pytest.fixture
    def group(self) -> str:
        return f"group-{uuid.uuid4().hex[:12]}"


class BusContract(BusNames):
    """Tests for every transport."""

    def test_a_record_arrives_whole(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """Key, value, headers and topic reach the consumer as they were published."""
        bus = make_bus()
        bus.publish(topic, b"key", b"value \x00\xff", headers={"reason": "für"})
        (record,) = collect(bus.consumer([topic], group), 1)
        assert (record.topic, record.key, record.value, dict(record.headers)) == (
            topic,
            b"key",
            b"value \x00\xff",
            {"reason": "für"},
        )

    def test_order_within_a_key(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """Records of one key arrive in the order in which they were published, with rising offsets in one partition."""
        bus = make_bus()
        for number in range(60):
            bus.publish(topic, b"run/%d" % (number % 3), b"%d" % number)
        records = collect(bus.consumer([topic], group), 60)
        for key in range(3):
            mine = [record for record in records if record.key == b"run/%d" % key]
            assert values(mine) == [b"%d" % number for number in range(key, 60, 3)]
            assert len({record.partition for record in mine}) == 1
            assert [record.offset for record in mine] == sorted({record.offset for record in mine})

    def test_a_new_group_starts_at_the_oldest(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """A new group gets records that were published before its first member joined."""
        bus = make_bus()
        bus.publish(topic, b"k", b"early")
        consumer = bus.consumer([topic], group)
        bus.publish(topic, b"k", b"late")
        assert values(collect(consumer, 2)) == [b"early", b"late"]

    def test_several_topics(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """One consumer reads all topics that it subscribed to."""
        bus = make_bus()
        bus.publish(topic, b"k", b"one")
        bus.publish(topic + "-2", b"k", b"two")
        records = collect(bus.consumer([topic, topic + "-2"], group), 2)
        assert {(record.topic, record.value) for record in records} == {(topic, b"one"), (topic + "-2", b"two")}

    def test_members_share_a_group(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """Two members of a group divide the partitions: both get records, and none has a partition of the other."""
        bus = make_bus()
        members = [bus.consumer([topic], group), bus.consumer([topic], group)]
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not all(member.assignment() for member in members) or set(members[0].assignment()) & set(
            members[1].assignment()
        ):
            assert time.monotonic() < deadline, "the partitions were not divided"
            for member in members:
                assert nothing_comes(member)
        sent = {b"%d" % number for number in range(64)}
        for value in sent:
            bus.publish(topic, value, value)
        seen = collect_from(members, sent)
        assert {id(consumer) for consumer in seen.values()} == {id(member) for member in members}

    def test_every_group_gets_everything(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """Two groups each receive every record, whatever the other has acknowledged."""
        bus = make_bus()
        one, two = bus.consumer([topic], group), bus.consumer([topic], group + "-2")
        sent = [b"%d" % number for number in range(10)]
        for value in sent:
            bus.publish(topic, b"k", value)
        for record in collect(one, 10):
            one.acknowledge(record)
        assert values(collect(two, 10)) == sent

    def test_redelivery_after_close(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """Records that a member had not acknowledged when it left are delivered to the next member of its group."""
        bus = make_bus()
        first = bus.consumer([topic], group)
        for number in range(4):
            bus.publish(topic, b"k", b"%d" % number)
        records = collect(first, 4)
        first.acknowledge(records[0])
        first.acknowledge(records[1])
        first.close()
        assert values(collect(bus.consumer([topic], group), 2)) == [b"2", b"3"]

    def test_redelivery_to_a_member_that_stays(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """When a member leaves, the others get its unacknowledged records."""
        bus = make_bus()
        stays, leaves = bus.consumer([topic], group), bus.consumer([topic], group)
        sent = {b"%d" % number for number in range(32)}
        for value in sent:
            bus.publish(topic, value, value)
        deadline = time.monotonic() + TIMEOUT_SECONDS
        kept: list[Record] = []
        while not kept:
            assert time.monotonic() < deadline, "the second member got nothing"
            nothing_comes(stays)
            kept = leaves.poll(0.05)
        leaves.close()
        lost = {record.value for record in kept}
        taken: set[bytes] = set()
        while not lost <= taken:
            assert time.monotonic() < deadline, "the unfinished records did not come"
            taken |= {record.value for record in stays.poll(0.05)}

    def test_acknowledging_out_of_order(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """An unacknowledged record is delivered again, with all records after it, although those were acknowledged."""
        bus = make_bus()
        first = bus.consumer([topic], group)
        for number in range(4):
            bus.publish(topic, b"k", b"%d" % number)
        records = collect(first, 4)
        for index in (0, 2, 3):
            first.acknowledge(records[index])
        first.close()
        assert values(collect(bus.consumer([topic], group), 3)) == [b"1", b"2", b"3"]

    def test_acknowledging_the_earliest_record_last(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """Once the earliest record is acknowledged too, no acknowledged record is delivered again."""
        bus = make_bus()
        first = bus.consumer([topic], group)
        for number in range(4):
            bus.publish(topic, b"k", b"%d" % number)
        records = collect(first, 4)
        for index in (3, 1, 2, 0):
            first.acknowledge(records[index])
        first.close()
        bus.publish(topic, b"k", b"new")
        assert values(collect(bus.consumer([topic], group), 1)) == [b"new"]

    def test_acknowledging_twice(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """Acknowledging a record a second time changes nothing."""
        bus = make_bus()
        first = bus.consumer([topic], group)
        bus.publish(topic, b"k", b"a")
        bus.publish(topic, b"k", b"b")
        records = collect(first, 2)
        first.acknowledge(records[0])
        first.acknowledge(records[0])
        first.close()
        assert values(collect(bus.consumer([topic], group), 1)) == [b"b"]

    def test_pause_and_resume(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """A paused partition delivers nothing while others do; once resumed, it delivers its waiting records."""
        bus = make_bus()
        consumer = bus.consumer([topic, topic + "-2"], group)
        bus.publish(topic, b"k", b"first")
        bus.publish(topic + "-2", b"k", b"other")
        collect(consumer, 2)
        paused = [partition for partition in consumer.assignment() if partition.topic == topic]
        assert paused
        consumer.pause(paused)
        bus.publish(topic, b"k", b"held back")
        bus.publish(topic + "-2", b"k", b"goes on")
        assert values(collect(consumer, 1)) == [b"goes on"]
        assert nothing_comes(consumer)
        consumer.resume(paused)
        assert values(collect(consumer, 1)) == [b"held back"]

    def test_a_poll_takes_no_more_than_its_limit(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """A poll returns at most `limit` records, and later polls return the others."""
        bus = make_bus()
        consumer = bus.consumer([topic], group)
        for number in range(5):
            bus.publish(topic, b"k", b"%d" % number)
        taken: list[Record] = []
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while len(taken) < 5:
            assert time.monotonic() < deadline
            part = consumer.poll(0.2, limit=2)
            assert len(part) <= 2
            taken += part
        assert values(taken) == [b"%d" % number for number in range(5)]

    def test_an_empty_poll_returns(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """A poll without records returns an empty list after its timeout."""
        assert nothing_comes(make_bus().consumer([topic], group))

    def test_wakeup_ends_a_poll(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """`wakeup` from another thread ends a poll that would wait for longer than the test may take."""
        consumer = make_bus().consumer([topic], group)
        waiting = in_thread(lambda: consumer.poll(10 * TIMEOUT_SECONDS))
        consumer.wakeup()
        assert finishes(waiting)

    def test_wakeup_before_the_poll(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """A `wakeup` before a poll ends that poll, so it is never missed; the poll after it waits again."""
        bus = make_bus()
        consumer = bus.consumer([topic], group)
        consumer.wakeup()
        assert finishes(in_thread(lambda: consumer.poll(10 * TIMEOUT_SECONDS)))
        bus.publish(topic, b"k", b"v")
        assert values(collect(consumer, 1)) == [b"v"]

    def test_seek_to_unacknowledged(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """A partition delivers again from its first unacknowledged record, and no acknowledged record before it."""
        bus = make_bus()
        consumer = bus.consumer([topic], group)
        for number in range(4):
            bus.publish(topic, b"k", b"%d" % number)
        records = collect(consumer, 4)
        consumer.acknowledge(records[0])
        consumer.seek_to_unacknowledged(consumer.assignment())
        again = collect(consumer, 3)
        assert values(again) == [b"1", b"2", b"3"]
        for record in again:
            consumer.acknowledge(record)
        consumer.close()
        bus.publish(topic, b"k", b"new")
        assert values(collect(bus.consumer([topic], group), 1)) == [b"new"]

    def test_seek_to_unacknowledged_of_one_partition(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """Only the given partitions deliver again."""
        bus = make_bus()
        consumer = bus.consumer([topic, topic + "-2"], group)
        bus.publish(topic, b"k", b"one")
        bus.publish(topic + "-2", b"k", b"two")
        collect(consumer, 2)
        consumer.seek_to_unacknowledged([partition for partition in consumer.assignment() if partition.topic == topic])
        assert values(collect(consumer, 1)) == [b"one"]
        assert nothing_comes(consumer)

    def test_listeners_get_every_new_record(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """Every listener gets every record published after it was made, acknowledged or not, and none from before."""
        bus = make_bus()
        bus.publish(topic, b"k", b"early")
        listeners = [bus.listener([topic]), bus.listener([topic])]
        sent = [b"%d" % number for number in range(5)]
        for value in sent:
            bus.publish(topic, b"k", value)
        assert values(collect(listeners[0], 5)) == sent
        for record in collect(listeners[1], 5):
            listeners[1].acknowledge(record)
        assert all(nothing_comes(listener) for listener in listeners)
        listeners[0].close()
        assert values(collect(bus.consumer([topic], group), 6)) == [b"early", *sent]

    def test_wakeup_ends_a_listeners_poll(self, make_bus: MakeBus, topic: str) -> None:
        """`wakeup` ends the poll of a listener."""
        listener = make_bus().listener([topic])
        waiting = in_thread(lambda: listener.poll(10 * TIMEOUT_SECONDS))
        listener.wakeup()
        assert finishes(waiting)

    def test_connected(self, make_bus: MakeBus) -> None:
        """A bus that answers is connected."""
        assert make_bus().connected

    def test_publishers_in_many_threads(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """Eight threads publish at once: nothing is lost or doubled, and each thread's key keeps its order."""
        bus = make_bus()

        def publish(thread: int) -> None:
            for number in range(25):
                bus.publish(topic, b"%d" % thread, b"%d:%d" % (thread, number))

        threads = [in_thread(partial(publish, thread)) for thread in range(8)]
        records = collect(bus.consumer([topic], group), 200)
        assert all(finishes(thread) for thread in threads)
        for thread in range(8):
            mine = [record.value for record in records if record.key == b"%d" % thread]
            assert mine == [b"%d:%d" % (thread, number) for number in range(25)]
