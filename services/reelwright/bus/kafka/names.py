"""Names on the broker: each installation has own topics and consumer groups, distinguished by their first part."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from reelwright.bus import topics
from reelwright.bus.protocol import Record, TopicPartition
from reelwright.settings import DEFAULT_INSTALLATION


class BrokerNames:
    """Translates between the names that the services use and those that the broker has.

    The services use the topics of the default installation, `bus.topics.ALL`. Any other topic keeps its name.

    Args:
        prefix: first part of the names on the broker.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._on_broker = {topic: f"{prefix}{_suffix(topic)}" for topic in topics.ALL}
        self._in_code = {name: topic for topic, name in self._on_broker.items()}

    def topic(self, topic: str) -> str:
        """The broker's name of a topic."""
        return self._on_broker.get(topic, topic)

    def group(self, group: str) -> str:
        """The broker's name of a consumer group."""
        return f"{self.prefix}.{group}"

    def to_broker(self, partition: TopicPartition) -> TopicPartition:
        """A partition under the broker's name of its topic."""
        return TopicPartition(self.topic(partition.topic), partition.partition)

    def from_broker(self, partition: TopicPartition) -> TopicPartition:
        """A partition under the services' name of its topic."""
        return TopicPartition(self._in_code.get(partition.topic, partition.topic), partition.partition)

    def record_from_broker(self, record: Record) -> Record:
        """A record under the services' name of its topic."""
        topic = self._in_code.get(record.topic, record.topic)
        return record if topic == record.topic else replace(record, topic=topic)

    def record_to_broker(self, record: Record) -> Record:
        """A record under the broker's name of its topic."""
        topic = self.topic(record.topic)
        return record if topic == record.topic else replace(record, topic=topic)


def find_installations(names: Collection[str]) -> list[str]:
    """The installations that have all their topics among these names of a broker, sorted."""
    titles = _suffix(topics.TITLES)
    prefixes = sorted(name.removesuffix(titles) for name in names if name.endswith(titles))
    return [prefix for prefix in prefixes if all(f"{prefix}{_suffix(topic)}" in names for topic in topics.ALL)]


def _suffix(topic: str) -> str:
    return topic.removeprefix(DEFAULT_INSTALLATION)
