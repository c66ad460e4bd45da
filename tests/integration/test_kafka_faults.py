"""A broker that is killed during traffic costs time and no message."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Iterator
from functools import partial

import pytest

from scripts.servers.kafka import KafkaServer
from tests.contract.bus import finishes, in_thread
from tests.support.brokers import new_group, new_topic, open_bus
from tests.support.role_processes import until

_PUBLISHERS, _EACH = 4, 60


@pytest.fixture
def mortal(kafka: KafkaServer) -> Iterator[KafkaServer]:
    """The broker, which the test kills; running again afterwards."""
    yield kafka
    kafka.start()


@pytest.fixture
def log_lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The messages that reach the root logger, which is a service's log."""
    lines: list[str] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", lambda record: lines.append(record.getMessage()))
    logging.getLogger().addHandler(handler)
    yield lines
    logging.getLogger().removeHandler(handler)


def _has_last(keys: dict[bytes, list[int]]) -> bool:
    return all(_EACH - 1 in numbers for numbers in keys.values())


def test_a_broker_that_is_killed_and_comes_back(mortal: KafkaServer, log_lines: list[str]) -> None:
    """Publishers outlast every timeout, no message is lost, keys keep their order, a listener misses nothing."""
    topic, threads = new_topic(mortal), set(threading.enumerate())
    # Two seconds for an answer: the client library gives each message up several times before the broker is back.
    bus = open_bus(mortal, answer_seconds=2, max_bytes=100_000)
    received: dict[str, dict[bytes, list[int]]] = {"group": defaultdict(list), "listener": defaultdict(list)}
    readers = {"group": bus.consumer([topic], new_group()), "listener": bus.listener([topic])}
    over = threading.Event()

    def publish(key: bytes) -> None:
        for number in range(_EACH):
            bus.publish(topic, key, b"%d" % number + bytes(10_000))

    def read(name: str) -> None:
        while not over.is_set():
            for record in readers[name].poll(0.2):
                received[name][record.key].append(int(record.value.rstrip(b"\0")))
                readers[name].acknowledge(record)

    reading = [in_thread(partial(read, name)) for name in readers]
    publishing = [in_thread(partial(publish, key)) for key in (b"a", b"b", b"c", b"d")]
    try:
        until(lambda: sum(map(len, received["group"].values())) > 20, "traffic flows")
        mortal.kill()
        until(lambda: not bus.connected, "the bus says that the broker is away")
        assert bus.unacknowledged_bytes <= 100_000
        mortal.start()
        assert all(finishes(thread) for thread in publishing)
        until(lambda: bus.connected, "the bus says that the broker is back")
        for name, keys in received.items():
            until(partial(_has_last, keys), f"the {name} has it all")
    finally:
        over.set()
        assert all(finishes(thread) for thread in reading)
        bus.close()
    for keys in received.values():
        assert len(keys) == _PUBLISHERS
        for numbers in keys.values():
            assert list(dict.fromkeys(numbers)) == list(range(_EACH)), "lost or out of order"
    assert "broker does not answer" in log_lines
    assert len(log_lines) < 20, "an outage is logged in few lines"
    until(lambda: set(threading.enumerate()) <= threads, "no thread is left")
