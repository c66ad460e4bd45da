"""Topics and buses on a broker under test."""

from __future__ import annotations

import uuid
from typing import Any

from kafka import KafkaAdminClient

from reelwright.bus.kafka.bus import KafkaBus
from reelwright.bus.settings import BusSettings
from scripts.servers.kafka import KafkaServer


def new_topic(kafka: KafkaServer, partitions: int = 8, **options: str) -> str:
    """A topic that no other test knows; its name.

    Args:
        kafka: the broker.
        partitions: how many.
        **options: its configuration, underscores for dots.
    """
    name = f"test-{uuid.uuid4().hex[:12]}"
    make_topic(kafka, name, partitions, **options)
    return name


def make_topic(kafka: KafkaServer, name: str, partitions: int = 8, **options: str) -> None:
    """Makes a topic of that name; see `new_topic`."""
    configs = {key.replace("_", "."): value for key, value in options.items()}
    with KafkaAdminClient(bootstrap_servers=kafka.bootstrap) as admin:
        made = {"num_partitions": partitions, "replication_factor": 1, "configs": configs}
        admin.create_topics({name: made}, wait_for_metadata=True)


def new_group() -> str:
    """A group that no other test knows."""
    return f"group-{uuid.uuid4().hex[:12]}"


def open_bus(kafka: KafkaServer, **settings: Any) -> KafkaBus:
    """A bus on the broker's open listener whose members are missed after two seconds."""
    quick = {"bootstrap_servers": kafka.bootstrap, "session_seconds": 2.0}
    return KafkaBus.connect(BusSettings(**(quick | settings)), required_topics=())
