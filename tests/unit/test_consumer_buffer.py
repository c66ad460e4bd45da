"""The buffer between a Kafka client and the service that polls."""

from __future__ import annotations

from reelwright.bus.consumer_buffer import ConsumerBuffer
from reelwright.bus.protocol import Record, TopicPartition

_A, _B = TopicPartition("topic", 0), TopicPartition("topic", 1)


def record(offset: int, partition: int = 0, size: int = 10) -> Record:
    return Record(topic="topic", partition=partition, offset=offset, key=b"", value=bytes(size))


def test_a_partition_with_records_is_paused_when_the_buffer_is_full() -> None:
    """A partition with records is paused while the buffer is full; one without any may always fetch."""
    buffer = ConsumerBuffer(100, watermarks=True)
    buffer.assign([_A, _B])
    buffer.add_fetched(_A, [record(0, size=99)])
    assert buffer.partitions_to_pause() == set()
    buffer.add_fetched(_A, [record(1, size=1)])
    assert buffer.partitions_to_pause() == {_A}
    buffer.poll(0, 1)
    assert buffer.partitions_to_pause() == set()


def test_each_offset_is_committed_once() -> None:
    """An offset is not returned for commit twice, unless its commit has failed."""
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


def test_a_seek_drops_records_fetched_before_it() -> None:
    """Records that were fetched before a pending seek are neither delivered nor counted."""
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
    """Offsets that appear a second time are new records, delivered and committed like any other."""
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


def test_a_revoked_partition_is_dropped() -> None:
    """Its records are neither held nor delivered; records fetched later and late acknowledgements are ignored."""
    buffer = ConsumerBuffer(100, watermarks=True)
    buffer.assign([_A])
    buffer.add_fetched(_A, [record(0), record(1)])
    (found,) = buffer.poll(0, 1)
    buffer.revoke([_A])
    buffer.add_fetched(_A, [record(2)])
    buffer.acknowledge(found)
    assert (buffer.held_bytes, buffer.poll(0, 9), buffer.offsets_to_commit(), buffer.assignment()) == (0, [], {}, [])


def test_lag_counts_what_is_not_acknowledged() -> None:
    """The lag of a topic is what lies between its acknowledged records and its end, delivered or not."""
    buffer = ConsumerBuffer(100, watermarks=True)
    buffer.assign([_A, _B])
    assert buffer.lag({_A: 9, _B: 4}, {}) == {"topic": 0}
    buffer.add_fetched(_A, [record(5), record(6)])
    assert buffer.lag({_A: 9, _B: 4}, {}) == {"topic": 4}
    (first,) = buffer.poll(0, 1)
    assert buffer.lag({_A: 9, _B: 4}, {}) == {"topic": 4}
    buffer.acknowledge(first)
    assert buffer.lag({_A: 9, _B: 4}, {}) == {"topic": 3}


def test_lag_counts_what_is_not_fetched() -> None:
    """A partition of which nothing was fetched lags by what lies between the client's position and its end."""
    buffer = ConsumerBuffer(100, watermarks=True)
    buffer.assign([_A, _B])
    buffer.pause([_A])
    assert buffer.lag({_A: 40_000, _B: 4}, {_A: 10, _B: 4}) == {"topic": 39_990}
    buffer.add_fetched(_B, [record(4), record(5)])
    assert buffer.lag({_A: 40_000, _B: 6}, {_A: 10, _B: 6}) == {"topic": 39_992}
