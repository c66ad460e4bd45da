"""The Kafka bus keeps the contract of every bus, on a real broker."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient

from reelwright.bus.kafka import KafkaBus
from reelwright.bus.protocol import Bus
from reelwright.bus.settings import BusSettings
from scripts.servers.kafka import KafkaServer
from tests.contract.bus import BusContract, MakeBus


@pytest.fixture(scope="session")
def admin(kafka: KafkaServer) -> Iterator[KafkaAdminClient]:
    with KafkaAdminClient(bootstrap_servers=kafka.bootstrap) as client:
        yield client


@pytest.fixture
def make_bus(kafka: KafkaServer) -> Iterator[MakeBus]:
    """Makes buses whose members are missed after two seconds, and closes them after the test."""
    buses: list[KafkaBus] = []

    def make(max_bytes: int = 1 << 20) -> Bus:
        settings = BusSettings(bootstrap_servers=kafka.bootstrap, max_bytes=max_bytes, session_seconds=2)
        buses.append(KafkaBus.connect(settings, needs=()))
        return buses[-1]

    yield make
    for bus in buses:
        bus.close()


class TestKafkaBus(BusContract):
    @pytest.fixture
    def topic(self, admin: KafkaAdminClient) -> str:
        name = f"contract-{uuid.uuid4().hex[:12]}"
        made = {"num_partitions": 8, "replication_factor": 1}
        admin.create_topics({name: made, f"{name}-2": made}, wait_for_metadata=True)
        return name
