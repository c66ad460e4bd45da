"""What a Kafka consumer holds between its client and its service."""

from __future__ import annotations

from reelwright.bus.consumer_buffer import ConsumerBuffer
from reelwright.bus.protocol import Record, TopicPartition

_A, _B = TopicPartition("topic", 0), TopicPartition("topic", 1)


def record(offset: int, partition: int = 0, size: int = 10) -> Record:
    return Record("topic", partition, offset, b"", bytes(size))


def test_a_partition_is_held_back_once_all_is_full() -> None:
    """One that has records waits while the whole is full; one without any may always fetch."""
    buffer = ConsumerBuffer(100, watermarks=True)
    buffer.assign([_A, _B])
    buffer.add_fetched(_A, [record(0, size=99)])
    assert buffer.partitions_to_pause() == set()
    buffer.add_fetched(_A, [record(1, size=1)])
    assert buffer.partitions_to_pause() == {_A}
    buffer.poll(0, 1)
    assert buffer.partitions_to_pause() == set()


def test_each_position_is_given_for_commit_once() -> None:
    """A position is not given twice, unless it did not reach the broker."""
    buffer = ConsumerBuffer(100, watermarks=True)
    buffer.assign([_A])
    buffer.add_fetched(_A, [record(5), record(6)])
    (first, _) = buffer.poll(0, 2)
    assert buffer.offsets_to_commit() == {}
    buffer.acknowledge(first)
    assert buffer.offsets_to_commit() == {_A: 6}
    assert buffer.offsets_to_commit() == {}
    buffer.mark_uncommitted([_A])
    assert buffer.offsets_to_commit() == {_A: 6}


def test_a_rewind_drops_what_was_fetched_before_it() -> None:
    """What the client brings from beyond the place it is to go back to is not delivered, nor counted."""
    buffer = ConsumerBuffer(100, watermarks=True)
    buffer.assign([_A])
    buffer.add_fetched(_A, [record(0), record(1)])
    buffer.poll(0, 1)
    buffer.seek_to_unacknowledged([_A])
    buffer.add_fetched(_A, [record(2)])
    assert buffer.held_bytes == 0
    assert buffer.take_pending_seeks() == {_A: 0}
    buffer.add_fetched(_A, [record(0), record(1)])
    assert [found.offset for found in buffer.poll(0, 9)] == [0, 1]


def test_a_broker_that_lost_its_latest_records() -> None:
    """Offsets that come a second time are new records, delivered and finished like all."""
    buffer = ConsumerBuffer(100, watermarks=True)
    buffer.assign([_A])
    buffer.add_fetched(_A, [record(8), record(9)])
    for found in buffer.poll(0, 9):
        buffer.acknowledge(found)
    assert buffer.offsets_to_commit() == {_A: 10}
    buffer.add_fetched(_A, [record(3)])
    (found,) = buffer.poll(0, 9)
    buffer.acknowledge(found)
    assert buffer.offsets_to_commit() == {_A: 4}


def test_a_partition_that_is_gone_is_let_go_of() -> None:
    """Its records are neither held nor delivered, what still comes of it is ignored, and so is a late `acknowledge`."""
    buffer = ConsumerBuffer(100, watermarks=True)
    buffer.assign([_A])
    buffer.add_fetched(_A, [record(0), record(1)])
    (found,) = buffer.poll(0, 1)
    buffer.revoke([_A])
    buffer.add_fetched(_A, [record(2)])
    buffer.acknowledge(found)
    assert (buffer.held_bytes, buffer.poll(0, 9), buffer.offsets_to_commit(), buffer.assignment()) == (0, [], {}, [])
