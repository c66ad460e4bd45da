"""Topics and buses on a broker under test."""

from __future__ import annotations

import uuid
from typing import Any

from kafka import KafkaAdminClient
from kafka import errors as kafka_errors

from reelwright.bus.kafka.bus import KafkaBus
from reelwright.bus.settings import BusSettings
from scripts.servers.kafka import KafkaServer
from tests.support.role_processes import until


def new_topic(kafka: KafkaServer, partitions: int = 8, **options: str) -> str:
    """Creates a topic with a new name, and returns the name.

    Args:
        kafka: the broker.
        partitions: number of partitions.
        **options: its configuration, with underscores for dots.
    """
    name = f"test-{uuid.uuid4().hex[:12]}"
    make_topic(kafka, name, partitions, **options)
    return name


def make_topic(kafka: KafkaServer, name: str, partitions: int = 8, **options: str) -> None:
    """Creates a topic; see `new_topic`. Waits for a broker that another test has frozen to be in its cluster again."""
    configs = {key.replace("_", "."): value for key, value in options.items()}
    topic = {"num_partitions": partitions, "replication_factor": 1, "configs": configs}
    with KafkaAdminClient(bootstrap_servers=kafka.bootstrap) as admin:

        def is_created() -> bool:
            try:
                admin.create_topics({name: topic}, wait_for_metadata=True)
            except kafka_errors.InvalidReplicationFactorError:  # "All brokers are currently fenced"
                return False
            return True

        until(is_created, "the broker accepts a topic")


def new_group() -> str:
    """The name of a group that no other test uses."""
    return f"group-{uuid.uuid4().hex[:12]}"


def open_bus(kafka: KafkaServer, **settings: Any) -> KafkaBus:
    """A bus on the listener without a login; its members have a session timeout of two seconds."""
    defaults: dict[str, Any] = {"bootstrap_servers": kafka.bootstrap, "session_seconds": 2.0}
    return KafkaBus.connect(BusSettings(**(defaults | settings)), required_topics=())
