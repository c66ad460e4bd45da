"""Group members that die, hang, work for long, restart or share a name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest
from kafka import KafkaAdminClient, KafkaConsumer

from reelwright.bus.kafka.bus import KafkaBus
from reelwright.bus.kafka.consumer import KafkaBusConsumer
from reelwright.bus.protocol import TopicPartition
from scripts.servers.kafka import KafkaServer
from tests.contract.bus import TIMEOUT_SECONDS, collect, collect_from, nothing_comes, values
from tests.support.brokers import new_group, new_topic, open_bus
from tests.support.role_processes import until

_MEMBER = """
import sys
from reelwright.bus.kafka.bus import KafkaBus
from reelwright.bus.settings import BusSettings

consumer = KafkaBus.connect(BusSettings(), required_topics=()).consumer([sys.argv[1]], sys.argv[2])
while True:
    for record in consumer.poll(0.2):
        print(record.value.decode(), flush=True)
"""

_DIES_WHEN_REVOKED = """
import os
from reelwright.bus.kafka import offsets

async def die(*_):
    os._exit(0)

offsets.RebalanceListener.on_partitions_revoked = die
"""

OpenBus = Callable[..., KafkaBus]


@pytest.fixture
def bus_of(kafka: KafkaServer) -> Iterator[OpenBus]:
    """Makes buses, and closes them after the test."""
    with ExitStack() as stack:

        def make(**settings: object) -> KafkaBus:
            bus = open_bus(kafka, **settings)
            stack.callback(bus.close)
            return bus

        yield make


@contextmanager
def member_process(
    kafka: KafkaServer, topic: str, group: str, program: str = _MEMBER, **settings: str
) -> Iterator[subprocess.Popen[str]]:
    """A process that joins the group, prints every record and acknowledges none."""
    env = {**os.environ, **kafka.env, "REELWRIGHT_BUS_SESSION_SECONDS": "2", **settings}
    process = subprocess.Popen(
        [sys.executable, "-c", program, topic, group], stdout=subprocess.PIPE, text=True, env=env
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def plain_client(kafka: KafkaServer, topic: str, group: str) -> Iterator[None]:
    """A client of the library that has joined the group, may go without polling for a second, and never polls again."""
    client = KafkaConsumer(
        topic,
        group_id=group,
        bootstrap_servers=kafka.bootstrap,
        session_timeout_ms=1000,
        heartbeat_interval_ms=200,
        max_poll_interval_ms=1000,
    )
    with closing(client):
        until(lambda: client.poll(timeout_ms=100) is not None and client.assignment(), "it has partitions")
        yield


def divided(*members: KafkaBusConsumer) -> bool:
    """Whether every member has partitions and no partition has two members."""
    shares = [set(member.assignment()) for member in members]
    return all(shares) and len(set[TopicPartition]().union(*shares)) == sum(map(len, shares)) == 8


@pytest.mark.parametrize("trouble", [signal.SIGKILL, signal.SIGSTOP])
def test_a_member_that_dies_or_hangs(kafka: KafkaServer, bus_of: OpenBus, trouble: signal.Signals) -> None:
    """Its partitions and unacknowledged records move to another member; after a freeze it gets partitions again."""
    topic, group, bus = new_topic(kafka), new_group(), bus_of()
    sent = {b"%d" % number for number in range(16)}
    for value in sent:
        bus.publish(topic, value, value)
    with member_process(kafka, topic, group) as process:
        assert process.stdout is not None
        seen = {process.stdout.readline().strip().encode() for _ in sent}
        assert seen == sent
        process.send_signal(trouble)
        heir = bus.consumer([topic], group)
        taken = collect(heir, 16)
        assert set(values(taken)) == sent
        assert len(heir.assignment()) == 8
        if trouble is signal.SIGSTOP:
            process.send_signal(signal.SIGCONT)
            until(lambda: 0 < len(heir.assignment()) < 8, "both have partitions")


def test_work_for_longer_than_a_poll_may_take(kafka: KafkaServer, bus_of: OpenBus) -> None:
    """A member whose service does not poll for longer than the poll interval stays a member and can acknowledge."""
    topic, group, bus = new_topic(kafka, partitions=1), new_group(), bus_of(poll_seconds=1, session_seconds=1)
    for number in range(3):
        bus.publish(topic, b"k", b"%d" % number)
    consumer = bus.consumer([topic], group)
    (first, *_) = collect(consumer, 3)
    name = f"reelwright.{group}"
    with KafkaAdminClient(bootstrap_servers=kafka.bootstrap) as admin:

        def members(group: str = name) -> list[str]:
            return [member["member_id"] for member in admin.describe_groups([group])[group]["members"]]

        (member,) = members()
        with plain_client(kafka, topic, idle := new_group()):
            until(lambda: not members(idle), "a client with the same limits that does not poll has left its group")
        assert members() == [member]
    consumer.acknowledge(first)
    consumer.close()
    assert values(collect(bus.consumer([topic], group), 2)) == [b"1", b"2"]


def test_acknowledging_a_record_of_a_moved_partition(kafka: KafkaServer, bus_of: OpenBus) -> None:
    """It changes nothing: the partition's new member gets the record, and after it the next member does."""
    topic, group, bus = new_topic(kafka), new_group(), bus_of()
    first = bus.consumer([topic], group)
    sent = {b"%d" % number for number in range(24)}
    for value in sent:
        bus.publish(topic, value, value)
    records = collect(first, 24)
    second = bus.consumer([topic], group)
    until(lambda: divided(first, second), "the partitions are divided")
    moved = [record for record in records if (record.topic, record.partition) in second.assignment()]
    assert moved
    for record in records:
        first.acknowledge(record)
    assert set(values(collect(second, len(moved)))) == set(values(moved))
    first.close()
    second.close()
    third = bus.consumer([topic], group)
    assert set(values(collect(third, len(moved)))) == set(values(moved))
    assert nothing_comes(third)


def test_a_named_member_keeps_its_partitions_through_a_restart(kafka: KafkaServer, bus_of: OpenBus) -> None:
    """During its restart no partition moves, and it continues at its committed offsets."""
    topic, group = new_topic(kafka), new_group()
    away, stays = bus_of(instance="pod-0"), bus_of(instance="pod-1")
    restarts, remains = away.consumer([topic], group), stays.consumer([topic], group)
    until(lambda: divided(restarts, remains), "the partitions are divided")
    mine, others = set(restarts.assignment()), set(remains.assignment())
    sent = {b"%d" % number for number in range(64)}
    for value in sent:
        stays.publish(topic, value, value)
    collect_from([restarts, remains], sent)
    away.close()
    again = bus_of(instance="pod-0").consumer([topic], group)
    until(again.assignment, "it is back")
    assert set(again.assignment()) == mine
    assert set(remains.assignment()) == others
    assert nothing_comes(again)


def test_a_named_member_that_dies_while_partitions_move(kafka: KafkaServer, bus_of: OpenBus) -> None:
    """Partitions that a member was to give up when it died are assigned again after its restart."""
    topic, group = new_topic(kafka), new_group()
    settings = {"REELWRIGHT_BUS_INSTANCE": "pod-0", "REELWRIGHT_BUS_SESSION_SECONDS": "30"}
    stays, again = (bus_of(instance=name, session_seconds=30) for name in ("pod-1", "pod-0"))
    sent = {b"%d" % number for number in range(64)}
    for value in sent:
        stays.publish(topic, value, value)
    with member_process(kafka, topic, group, _DIES_WHEN_REVOKED + _MEMBER, **settings) as process:
        assert process.stdout is not None
        assert {process.stdout.readline().strip().encode() for _ in sent} == sent
        other = stays.consumer([topic], group)
        process.wait(TIMEOUT_SECONDS)
    back = again.consumer([topic], group)
    collect_from([other, back], sent)
    until(lambda: divided(other, back), "the partitions are divided")


def test_two_of_one_name(kafka: KafkaServer, bus_of: OpenBus, caplog: pytest.LogCaptureFixture) -> None:
    """The first one continues without a name, both get partitions, and the log names the setting."""
    topic, group = new_topic(kafka), new_group()
    first = bus_of(instance="twin").consumer([topic], group)
    until(lambda: len(first.assignment()) == 8, "it has all partitions")
    second = bus_of(instance="twin").consumer([topic], group)
    until(lambda: divided(first, second), "both have partitions")
    assert "another process has this REELWRIGHT_BUS_INSTANCE" in caplog.messages


def test_two_members_of_one_process(kafka: KafkaServer, bus_of: OpenBus) -> None:
    """Two members of one group on one bus with an instance name both get partitions."""
    topic, group, bus = new_topic(kafka), new_group(), bus_of(instance="pod-0")
    members = bus.consumer([topic], group), bus.consumer([topic], group)
    until(lambda: divided(*members), "the partitions are divided")
