"""A whole topic as it stands, for a person who looks into it: read in no group, from its beginning to its end."""

from __future__ import annotations

from collections.abc import Iterator

from kafka import KafkaConsumer, TopicPartition

from reelwright.bus.kafka.client import in_our_words, open_client, quieten
from reelwright.bus.kafka.consumer import to_record
from reelwright.bus.protocol import Record
from reelwright.bus.settings import BusSettings
from reelwright.titles.errors import UnavailableError

_POLL_MS = 1000
# A broker that holds more and yet gives nothing for so many polls has gone.
_MOST_EMPTY_POLLS = 15


def read_topic(settings: BusSettings, topic: str) -> Iterator[tuple[float, Record]]:
    """Every record that a topic holds now, with the Unix seconds of its publication; ordered within a partition.

    Raises:
        UnavailableError: no broker answers, or the topic is missing.
        BrokerError: it refuses the login.
    """
    quieten()
    with in_our_words(settings):
        consumer = open_client(KafkaConsumer, **settings.client_options(), group_id=None, enable_auto_commit=False)
        try:
            numbers = consumer.partitions_for_topic(topic)
            if not numbers:
                raise UnavailableError(f"no topic {topic}", settings.bootstrap_servers, "run `reelwright topics apply`")
            parts = [TopicPartition(topic, number) for number in sorted(numbers)]
            consumer.assign(parts)
            consumer.seek_to_beginning(*parts)
            yield from _until_ends(consumer, consumer.end_offsets(parts), settings)
        finally:
            consumer.close()


def _until_ends(
    consumer: KafkaConsumer, ends: dict[TopicPartition, int], settings: BusSettings
) -> Iterator[tuple[float, Record]]:
    empty = 0
    while any(consumer.position(part) < end for part, end in ends.items()):
        found = consumer.poll(timeout_ms=_POLL_MS)
        empty = 0 if found else empty + 1
        if empty > _MOST_EMPTY_POLLS:
            raise UnavailableError("the broker stopped answering", settings.bootstrap_servers, "try again")
        for part, batch in found.items():
            yield from ((one.timestamp / 1000, to_record(one)) for one in batch if one.offset < ends[part])
