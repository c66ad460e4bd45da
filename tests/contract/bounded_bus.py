"""What the bus of one process promises beside the contract of every bus: it holds no more bytes than it may."""

from __future__ import annotations

import pytest

from reelwright.bus.protocol import BusClosed, BusFull
from tests.contract.bus import TIMEOUT_SECONDS, BusNames, MakeBus, collect, finishes, in_thread, values


class BoundedBusContract(BusNames):
    """Holds for a bus that keeps its records in memory and so makes publishers wait for consumers."""

    def test_a_full_topic_refuses(self, make_bus: MakeBus, topic: str) -> None:
        """A publish to a full topic raises BusFull after its timeout, and the record is not taken."""
        bus = make_bus(max_bytes=1000)
        bus.publish(topic, b"k", bytes(900))
        with pytest.raises(BusFull):
            bus.publish(topic, b"k", bytes(900), timeout=0.01)
        bus.publish(topic, b"k", bytes(50), timeout=0.01)

    def test_a_publisher_waits_for_done(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """A publisher waits until a consumer is done with enough; having been delivered is not enough."""
        bus = make_bus(max_bytes=1000)
        consumer = bus.consumer([topic], group)
        bus.publish(topic, b"k", bytes(900))
        (record,) = collect(consumer, 1)
        with pytest.raises(BusFull):
            bus.publish(topic, b"k", bytes(800), timeout=0.01)
        publisher = in_thread(lambda: bus.publish(topic, b"k", bytes(700)))
        consumer.acknowledge(record)
        assert finishes(publisher)
        assert values(collect(consumer, 1)) == [bytes(700)]

    def test_every_group_must_be_done(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """Room comes only when the slowest group is done."""
        bus = make_bus(max_bytes=1000)
        fast, slow = bus.consumer([topic], group), bus.consumer([topic], group + "-2")
        bus.publish(topic, b"k", bytes(900))
        fast.acknowledge(collect(fast, 1)[0])
        with pytest.raises(BusFull):
            bus.publish(topic, b"k", bytes(900), timeout=0.01)
        slow.acknowledge(collect(slow, 1)[0])
        bus.publish(topic, b"k", bytes(900), timeout=0.01)

    def test_topics_fill_apart(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """A full topic holds up no other."""
        bus = make_bus(max_bytes=1000)
        bus.publish(topic, b"k", bytes(900))
        with pytest.raises(BusFull):
            bus.publish(topic, b"k", bytes(900), timeout=0.01)
        bus.publish(topic + "-2", b"k", b"second" * 150, timeout=0.01)
        assert values(collect(bus.consumer([topic + "-2"], group), 1)) == [b"second" * 150]

    def test_an_outsize_record_passes(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """A record larger than the bound passes through an empty topic instead of never."""
        bus = make_bus(max_bytes=1000)
        bus.publish(topic, b"k", bytes(5000), timeout=0.01)
        assert values(collect(bus.consumer([topic], group), 1)) == [bytes(5000)]

    def test_a_waiting_consumer_is_served(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """A consumer that needs more records than fit before it can finish the first one gets them: no lock-up."""
        bus = make_bus(max_bytes=1000)
        consumer = bus.consumer([topic], group)

        def publish() -> None:
            for _ in range(10):
                bus.publish(topic, b"k", bytes(400))

        publisher = in_thread(publish)
        records = collect(consumer, 10)
        assert finishes(publisher)
        for record in records:
            consumer.acknowledge(record)

    def test_a_paused_consumer_is_not_waiting(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """A consumer that polls with a partition paused does not make room in it."""
        bus = make_bus(max_bytes=1000)
        consumer = bus.consumer([topic], group)
        bus.publish(topic, b"k", bytes(900))
        collect(consumer, 1)
        consumer.pause(consumer.assignment())
        waiting = in_thread(lambda: consumer.poll(10 * TIMEOUT_SECONDS))
        with pytest.raises(BusFull):
            bus.publish(topic, b"k", bytes(900), timeout=0.05)
        consumer.wakeup()
        assert finishes(waiting)

    def test_close_ends_waits(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """Closing the bus ends a waiting publish with BusClosed and a waiting poll with nothing."""
        bus = make_bus(max_bytes=1000)
        bus.publish(topic, b"k", bytes(900))
        outcomes: list[str] = []

        def publish() -> None:
            try:
                bus.publish(topic, b"k", bytes(900))
            except BusClosed:
                outcomes.append("closed")

        publisher = in_thread(publish)
        consumer = bus.consumer([topic + "-2"], group)
        poller = in_thread(lambda: outcomes.append("empty" if consumer.poll(10 * TIMEOUT_SECONDS) == [] else "record"))
        bus.close()
        assert finishes(publisher)
        assert finishes(poller)
        assert sorted(outcomes) == ["closed", "empty"]

    def test_closing_a_consumer_ends_its_poll(self, make_bus: MakeBus, topic: str, group: str) -> None:
        """A poll in another thread ends when its consumer is closed."""
        consumer = make_bus().consumer([topic], group)
        poller = in_thread(lambda: consumer.poll(10 * TIMEOUT_SECONDS))
        consumer.close()
        assert finishes(poller)
