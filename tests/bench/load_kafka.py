"""Starts a real broker and publishes a load's batches to it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

from reelwright.bus.kafka.bus import KafkaBus
from reelwright.bus.kafka.topics import apply_topics
from reelwright.bus.settings import BusSettings
from scripts.servers.kafka import KafkaServer
from tests.bench.load import Load, frame_batch
from tests.bench.load_dispatcher import publish

# Each publisher waits for the broker's acknowledgement.
_PUBLISHERS = 8


@contextmanager
def load_in_kafka(load: Load) -> Iterator[Load]:
    """Yields the same load with the address of a broker that has all of its batches."""
    with KafkaServer() as kafka:
        settings = BusSettings(bootstrap_servers=kafka.bootstrap, replication_factor=1)
        apply_topics(settings)
        bus = KafkaBus.connect(settings)
        try:
            make = frame_batch(load)
            with ThreadPoolExecutor(_PUBLISHERS) as pool:
                for done in [pool.submit(lambda n=n: publish(bus, make(n))) for n in range(load.batches)]:  # type: ignore[misc]
                    done.result()
        finally:
            bus.close()
        yield replace(load, broker=kafka.bootstrap)
