"""The Kafka bus passes the contract tests of every bus and keeps its bounds, on a real broker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import pytest
from kafka import KafkaAdminClient, KafkaConsumer

import reelwright.bus.kafka.consumer as consumer_module
from reelwright.bus.dead_letters import dead_letter
from reelwright.bus.kafka.bus import KafkaBus
from reelwright.bus.kafka.names import BrokerNames
from reelwright.bus.protocol import Bus, BusClosed, BusFull, Record, TopicPartition
from reelwright.bus.topics import DEAD_LETTER
from scripts.servers.kafka import KafkaServer
from tests.contract.bus import TIMEOUT_SECONDS, BusContract, MakeBus, collect, finishes, in_thread, values
from tests.support.brokers import make_topic, new_group, new_topic, open_bus
from tests.support.role_processes import until


@pytest.fixture
def make_bus(kafka: KafkaServer) -> Iterator[MakeBus]:
    """Makes buses, and closes them after the test."""
    buses: list[KafkaBus] = []

    def make(max_bytes: int = 1 << 20) -> Bus:
        buses.append(open_bus(kafka, max_bytes=max_bytes))
        return buses[-1]

    yield make
    for bus in buses:
        bus.close()


@pytest.fixture
def frozen(kafka: KafkaServer) -> Iterator[KafkaServer]:
    """The broker, which the test freezes; afterwards it runs and is registered in its cluster again."""
    yield kafka
    kafka.thaw()
    with KafkaAdminClient(bootstrap_servers=kafka.bootstrap) as admin:
        until(lambda: admin.describe_cluster()["brokers"], "the broker is in its cluster again")


class TestKafkaBus(BusContract):
    @pytest.fixture
    def topic(self, kafka: KafkaServer) -> str:
        name = new_topic(kafka)
        make_topic(kafka, f"{name}-2")
        return name


def test_publishers_of_a_frozen_broker_wait_within_the_bound(frozen: KafkaServer) -> None:
    """Publishers wait within the byte bound, one with a timeout raises BusFull, and after the freeze all arrives."""
    topic = new_topic(frozen)
    with_bus = open_bus(frozen, max_bytes=1000)
    try:
        # Known to the client before the broker stops to answer.
        with_bus.publish(topic, b"k", b"first")
        frozen.freeze()
        sent = [bytes([number]) * 299 for number in range(10)]
        publishers = [in_thread(partial(with_bus.publish, topic, b"k", value)) for value in sent]
        until(lambda: with_bus.unacknowledged_bytes == 900, "the bound is reached")
        with pytest.raises(BusFull):
            with_bus.publish(topic, b"k", bytes(299), timeout=0.05)
        assert with_bus.unacknowledged_bytes == 900
        frozen.thaw()
        assert all(finishes(publisher) for publisher in publishers)
        assert with_bus.unacknowledged_bytes == 0
        arrived = values(collect(with_bus.consumer([topic], new_group()), 11))
        assert set(arrived) == {b"first", *sent}
    finally:
        with_bus.close()


def test_an_idle_consumer_delivers_as_before(kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Consumers that ask the broker seldom, because nothing came for a while, deliver records, resumed ones too."""
    monkeypatch.setattr(consumer_module, "_IDLE_AFTER_SECONDS", 0.0)
    topic, bus = new_topic(kafka), open_bus(kafka, max_bytes=1 << 20)
    try:
        consumers = [bus.consumer([topic], new_group()), bus.listener([topic])]
        for value in (b"first", b"second"):
            bus.publish(topic, b"k", value)
            assert [values(collect(consumer, 1)) for consumer in consumers] == [[value], [value]]
        member = consumers[0]
        member.pause(member.assignment())
        bus.publish(topic, b"k", b"third")
        assert values(collect(consumers[1], 1)) == [b"third"]
        member.resume(member.assignment())
        assert values(collect(member, 1)) == [b"third"]
    finally:
        bus.close()


def test_an_outsize_record_passes(kafka: KafkaServer) -> None:
    """A record larger than the bound is published when nothing else is in flight."""
    bus = open_bus(kafka, max_bytes=1000)
    try:
        bus.publish(topic := new_topic(kafka), b"k", bytes(5000), timeout=0.01)
        assert values(collect(bus.consumer([topic], new_group()), 1)) == [bytes(5000)]
    finally:
        bus.close()


def test_close_ends_waits(frozen: KafkaServer) -> None:
    """Closing the bus ends a publish that waits for room, one that waits for the broker, and a poll."""
    topic = new_topic(frozen)
    bus = open_bus(frozen, max_bytes=1000)
    outcomes: list[str] = []

    def publish() -> None:
        try:
            bus.publish(topic, b"k", bytes(900))
        except BusClosed:
            outcomes.append("closed")

    try:
        bus.publish(topic, b"k", b"known")
        consumer = bus.consumer([topic], new_group())
        collect(consumer, 1)
        frozen.freeze()
        threads = [in_thread(publish), in_thread(publish)]
        threads.append(in_thread(lambda: outcomes.append(f"{len(consumer.poll(10 * TIMEOUT_SECONDS))} records")))
        until(lambda: bus.unacknowledged_bytes, "a message is on its way")
    finally:
        bus.close()
    assert all(finishes(thread) for thread in threads)
    assert sorted(outcomes) == ["0 records", "closed", "closed"]
    assert not bus.connected


def test_what_nobody_polls_is_bounded(kafka: KafkaServer) -> None:
    """A consumer that does not poll fetches little more than its bound and loses no record."""
    topic = new_topic(kafka, partitions=2)
    bus = open_bus(kafka, prefetch_bytes=1 << 20, inline_bytes=100 << 10)
    try:
        sent = [b"%d" % number + bytes(50_000) for number in range(200)]
        for number, value in enumerate(sent):
            bus.publish(topic, b"%d" % number, value)
        consumer = bus.consumer([topic], new_group())
        until(lambda: consumer.held_bytes >= 1 << 20, "it has fetched its fill")
        most = consumer.held_bytes
        other = bus.consumer([topic], new_group())
        # As long as another consumer takes to read all of it, this one has time to fetch too much.
        assert len(collect(other, 200)) == 200
        most = max(most, consumer.held_bytes)
        # Each partition may fetch once more, and the broker gives at most its largest message for a fetch.
        assert most <= (1 << 20) + 2 * ((1 << 20) + 60_000)
        assert set(values(collect(consumer, 200))) == set(sent)
        assert consumer.held_bytes == 0
    finally:
        bus.close()


def test_a_paused_partition_does_not_stop_others(kafka: KafkaServer) -> None:
    """While a paused partition fills the buffer, the others are read to their end."""
    topic, other = new_topic(kafka, partitions=1), new_topic(kafka, partitions=1)
    bus = open_bus(kafka, prefetch_bytes=200_000)
    try:
        for _ in range(8):
            bus.publish(topic, b"k", bytes(50_000))
        consumer = bus.consumer([topic, other], new_group())
        until(lambda: consumer.held_bytes >= 200_000, "one partition takes all the room")
        consumer.pause([TopicPartition(topic, 0)])
        sent = [b"%d" % number + bytes(50_000) for number in range(8)]
        for value in sent:
            bus.publish(other, b"k", value)
        assert values(collect(consumer, 8)) == sent
    finally:
        bus.close()


def test_a_paused_partition_lags(kafka: KafkaServer) -> None:
    """What is published to a paused partition counts as lag, also where its new owner has fetched nothing."""
    topic, group = new_topic(kafka, partitions=1), new_group()
    bus = open_bus(kafka)
    try:
        first = bus.consumer([topic], group)
        for number in range(10):
            bus.publish(topic, b"k", b"%d" % number)
        for record in collect(first, 10):
            first.acknowledge(record)
        first.pause(first.assignment())
        for number in range(30):
            bus.publish(topic, b"k", b"%d" % number)
        until(lambda: first.lag(topic) == 30, "the partition lags behind what it does not fetch")
        first.close()
        second = bus.consumer([topic], group)
        until(lambda: second.pause(second.assignment()) or second.assignment(), "it has the partition, paused")
        for number in range(5):
            bus.publish(topic, b"k", b"%d" % number)
        until(lambda: second.lag(topic) == 35, "the partition of a new owner lags")
    finally:
        bus.close()


def test_a_dead_letter_that_is_too_large(kafka: KafkaServer) -> None:
    """A record that is too large for the dead-letter topic is published there without its value."""
    prefix = new_group()
    make_topic(kafka, BrokerNames(prefix).topic(DEAD_LETTER), max_message_bytes="100000")
    bus = open_bus(kafka, prefix=prefix)
    try:
        dead_letter(
            bus,
            Record(topic="elsewhere", partition=0, offset=0, key=b"run", value=bytes(200_000)),
            "larger than it may be",
        )
        (letter,) = collect(bus.consumer([DEAD_LETTER], new_group()), 1)
        assert (letter.key, letter.value, letter.headers["reason"]) == (b"run", b"", "larger than it may be")
    finally:
        bus.close()


def test_an_idle_consumer_polls_when_there_is_a_reason(kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without records a member polls once for each fetch that the broker held, and a record still ends the wait."""
    monkeypatch.setattr(consumer_module, "_IDLE_AFTER_SECONDS", 0.0)
    monkeypatch.setattr(consumer_module, "_IDLE_FETCH_WAIT_MS", 500)
    polls: list[int] = []
    poll = KafkaConsumer.poll

    def counted(consumer: KafkaConsumer, timeout_ms: int = 0, **options: int) -> object:
        polls.append(timeout_ms)
        return poll(consumer, timeout_ms=timeout_ms, **options)

    monkeypatch.setattr(KafkaConsumer, "poll", counted)
    topic, bus = new_topic(kafka), open_bus(kafka)
    try:
        consumer = bus.consumer([topic], new_group())
        until(lambda: polls[-1:] == [0], "it is in its group and idle")
        began, seen = time.monotonic(), len(polls)
        until(lambda: len(polls) >= seen + 4, "four polls")
        # The broker holds each fetch for half a second, so a member that polled without a reason would be faster.
        assert time.monotonic() - began > 1
        assert set(polls[seen:]) == {0}
        bus.publish(topic, b"k", b"value")
        assert values(collect(consumer, 1)) == [b"value"]
        consumer.pause(consumer.assignment())
        bus.publish(topic, b"k", b"later")
        assert consumer.poll(0.5) == []
        consumer.resume(consumer.assignment())
        assert values(collect(consumer, 1)) == [b"later"]
    finally:
        bus.close()
