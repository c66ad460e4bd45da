"""Reads a whole topic once, without a group, from its beginning to its present end."""

from __future__ import annotations

from collections.abc import Iterator

from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaTopicPartition

from reelwright.bus.kafka.client import reduce_kafka_log, translated_errors
from reelwright.bus.kafka.consumer import to_record
from reelwright.bus.kafka.names import BrokerNames
from reelwright.bus.kafka.overrides import open_client
from reelwright.bus.protocol import Record
from reelwright.bus.settings import BusSettings
from reelwright.titles.errors import UnavailableError

_POLL_MS = 1000
# A broker that still holds records and returns none for so many polls has stopped answering.
_MAX_EMPTY_POLLS = 15


def read_topic(settings: BusSettings, topic: str) -> Iterator[tuple[float, Record]]:
    """Yields every record that a topic holds now, with its publication time; in order within a partition.

    Args:
        settings: the broker.
        topic: name of the topic.

    Yields:
        Publication time in Unix seconds, and the record.

    Raises:
        UnavailableError: no broker answers, or the topic is missing.
        BrokerError: the broker refuses the login.
    """
    reduce_kafka_log()
    topic = BrokerNames(settings.prefix).topic(topic)
    with translated_errors(settings):
        consumer = open_client(KafkaConsumer, **settings.client_options(), group_id=None, enable_auto_commit=False)
        try:
            numbers = consumer.partitions_for_topic(topic)
            if not numbers:
                raise UnavailableError(f"no topic {topic}", settings.bootstrap_servers, "run `reelwright topics apply`")
            partitions = [KafkaTopicPartition(topic, number) for number in sorted(numbers)]
            consumer.assign(partitions)
            consumer.seek_to_beginning(*partitions)
            yield from _read_until(consumer, consumer.end_offsets(partitions), settings)
        finally:
            consumer.close()


def _read_until(
    consumer: KafkaConsumer, end_offsets: dict[KafkaTopicPartition, int], settings: BusSettings
) -> Iterator[tuple[float, Record]]:
    empty_polls = 0
    while any(consumer.position(partition) < end for partition, end in end_offsets.items()):
        fetched = consumer.poll(timeout_ms=_POLL_MS)
        empty_polls = 0 if fetched else empty_polls + 1
        if empty_polls > _MAX_EMPTY_POLLS:
            raise UnavailableError("the broker stopped answering", settings.bootstrap_servers, "try again")
        for partition, found in fetched.items():
            end = end_offsets[partition]
            yield from ((each.timestamp / 1000, to_record(each)) for each in found if each.offset < end)
