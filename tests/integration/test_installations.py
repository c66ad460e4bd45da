"""Two installations on one broker and one store do not see each other, and no other product's group collides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

from reelwright.bus import topics
from reelwright.bus.kafka.bus import KafkaBus
from reelwright.bus.settings import BusSettings
from reelwright.cli.main import run
from reelwright.client.connection import open_ledger
from scripts.servers.kafka import KafkaServer
from tests.contract.bus import collect, values
from tests.support.brokers import new_topic
from tests.support.ledgers import RUN, request_of
from tests.support.role_processes import until

ARCHIVE = "archive"


@pytest.fixture
def broker(kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[KafkaServer]:
    """A broker with the topics of the default installation and of `archive`, to which commands connect."""
    for name, value in kafka.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("REELWRIGHT_BUS_PARTITIONS", "1")
    with KafkaAdminClient(bootstrap_servers=kafka.bootstrap) as admin:

        def remove(*prefixes: str) -> None:
            found = {name for name in admin.list_topics() if name.startswith(prefixes)}
            if found:
                admin.delete_topics(list(found))
            until(lambda: not found & set(admin.list_topics()), "the topics are gone")

        remove("reelwright.", f"{ARCHIVE}.")
        for installation in (ARCHIVE, "reelwright"):
            monkeypatch.setenv("REELWRIGHT_INSTALLATION", installation)
            assert run(["topics", "apply"]) == 0
        yield kafka
        remove(f"{ARCHIVE}.")


def test_two_installations_on_one_broker(broker: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message reaches the groups and listeners of its own installation alone, under the topic that code uses."""
    buses: dict[str, KafkaBus] = {}
    try:
        for name in ("reelwright", ARCHIVE):
            monkeypatch.setenv("REELWRIGHT_INSTALLATION", name)
            buses[name] = KafkaBus.connect(BusSettings(bootstrap_servers=broker.bootstrap))
        listeners = {name: bus.listener([topics.EVENTS]) for name, bus in buses.items()}
        for name, bus in buses.items():
            bus.publish(topics.TITLES, b"k", name.encode())
            bus.publish(topics.EVENTS, b"k", name.encode())
        for name, bus in buses.items():
            consumer = bus.consumer([topics.TITLES], topics.DECODER_GROUP)
            (record,) = collect(consumer, 1)
            assert (record.topic, record.value) == (topics.TITLES, name.encode())
            assert {partition.topic for partition in consumer.assignment()} == {topics.TITLES}
            consumer.acknowledge(record)
            consumer.close()
            assert values(collect(listeners[name], 1)) == [name.encode()]
        for name, bus in buses.items():
            bus.publish(topics.TITLES, b"k", f"{name} again".encode())
            again = collect(bus.consumer([topics.TITLES], topics.DECODER_GROUP), 1)
            assert values(again) == [f"{name} again".encode()]
    finally:
        for bus in buses.values():
            bus.close()


@contextmanager
def foreign_member(broker: KafkaServer, group: str) -> Iterator[tuple[str, KafkaConsumer, KafkaProducer]]:
    """A member of another product, which has read the first record of a topic of its own: topic, consumer, producer.

    It joins in one long poll: kafka-python's leader of a group never joins when a poll ends between computing the
    assignment and receiving it (`bus/kafka/membership.py` mends that for the product's own members).
    """
    invoices = new_topic(broker, partitions=1)
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap)
    consumer = KafkaConsumer(
        invoices,
        bootstrap_servers=broker.bootstrap,
        group_id=group,
        client_id="billing",
        auto_offset_reset="earliest",
    )
    try:
        producer.send(invoices, b"first").get(60)
        assert consumer.poll(60_000), "the other product is not in its group"
        yield invoices, consumer, producer
    finally:
        consumer.close()
        producer.close()


def test_a_group_of_another_product_does_not_collide(broker: KafkaServer) -> None:
    """Another product's group `encoder` and the group of the encoders get all their records at the same time."""
    with foreign_member(broker, topics.ENCODER_GROUP) as (invoices, foreign, producer):
        bus = KafkaBus.connect(BusSettings(bootstrap_servers=broker.bootstrap))
        try:
            bus.publish(topics.RESTORED, b"run/0", b"ours")
            assert values(collect(bus.consumer([topics.RESTORED], topics.ENCODER_GROUP), 1)) == [b"ours"]
            producer.send(invoices, b"theirs").get(60)
            found = [record.value for records in foreign.poll(60_000).values() for record in records]
            assert found == [b"theirs"]
        finally:
            bus.close()


def test_check_says_who_else_is_there(broker: KafkaServer, capsys: pytest.CaptureFixture[str]) -> None:
    """`topics check` names other installations, and fails for a foreign consumer in a group of this one."""
    capsys.readouterr()
    assert run(["topics", "check"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"another installation: {ARCHIVE}",
        "all topics are as they should be",
    ]
    with foreign_member(broker, "reelwright.encoder") as (invoices, _, _):
        assert run(["topics", "check"]) == 2
        assert f"group reelwright.encoder: billing at 127.0.0.1 reads {invoices}" in capsys.readouterr().out


def test_two_installations_in_one_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same REELWRIGHT_STORE_LEDGER, `status` of each installation shows its own runs alone."""
    monkeypatch.setenv("REELWRIGHT_STORE_LEDGER", str(tmp_path))
    for name, other in (("reelwright", RUN), (ARCHIVE, RUN[::-1])):
        monkeypatch.setenv("REELWRIGHT_INSTALLATION", name)
        open_ledger()(other).put_request(request_of(run=other))
    for name, own in (("reelwright", RUN), (ARCHIVE, RUN[::-1])):
        monkeypatch.setenv("REELWRIGHT_INSTALLATION", name)
        assert run(["status", "--json"]) == 0
        assert [each["run"] for each in json.loads(capsys.readouterr().out)] == [own]


@pytest.mark.parametrize("name", ["", "Archive", "a/b", "..", "x" * 41])
def test_an_installation_needs_a_name(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that cannot be part of a topic and a folder is refused in one line that names the variable."""
    monkeypatch.setenv("REELWRIGHT_STORE_LEDGER", "/nowhere")
    monkeypatch.setenv("REELWRIGHT_INSTALLATION", name)
    assert run(["status"]) == 2
    assert "REELWRIGHT_INSTALLATION" in capsys.readouterr().err
