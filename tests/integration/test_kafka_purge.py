"""Committed frames are deleted on the broker; events stay."""

from __future__ import annotations

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from reelwright.bus.kafka.bus import KafkaBus
from reelwright.bus.kafka.topics import apply_topics
from reelwright.bus.settings import BusSettings
from reelwright.bus.topics import EVENTS, RESTORED
from scripts.servers.kafka import KafkaServer
from tests.support.role_processes import until


def kept(kafka: KafkaServer, topic: str) -> int:
    """How many records the broker still has."""
    reader = KafkaConsumer(bootstrap_servers=kafka.bootstrap)
    try:
        parts = [TopicPartition(topic, number) for number in reader.partitions_for_topic(topic)]
        first, last = reader.beginning_offsets(parts), reader.end_offsets(parts)
        return sum(last[part] - first[part] for part in parts)
    finally:
        reader.close()


def test_committed_frames_are_deleted(kafka: KafkaServer) -> None:
    """Committed frames are deleted before their retention ends; uncommitted frames and events stay."""
    settings = BusSettings(bootstrap_servers=kafka.bootstrap, partitions=2, commit_seconds=0.1)
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    known = set(admin.list_topics()) & {RESTORED, EVENTS}
    if known:
        admin.delete_topics(list(known))
        until(lambda: not known & set(admin.list_topics()), "the topics are gone")
    admin.close()
    apply_topics(settings)
    bus = KafkaBus.connect(settings)
    try:
        for number in range(20):
            for topic in (RESTORED, EVENTS):
                bus.publish(topic, b"run/1", b"%d" % number)
        for topic in (RESTORED, EVENTS):
            member, seen = bus.consumer([topic], "trim-test"), 0
            while seen < 20:
                for record in member.poll(0.2):
                    seen += 1
                    if record.value != b"19":
                        member.acknowledge(record)
        until(lambda: kept(kafka, RESTORED) == 1, "the committed frames are deleted")
        assert kept(kafka, EVENTS) == 20
    finally:
        bus.close()
