"""What a Kafka consumer holds between its client and its service."""

from __future__ import annotations

from reelwright.bus.consumer_buffer import ConsumerBuffer
from reelwright.bus.protocol import Record

_A, _B = ("topic", 0), ("topic", 1)


def record(offset: int, partition: int = 0, size: int = 10) -> Record:
    return Record("topic", partition, offset, b"", bytes(size))


def test_a_partition_is_held_back_once_all_is_full() -> None:
    """One that has records waits while the whole is full; one without any may always fetch."""
    buffer = ConsumerBuffer(100, watermarks=True)
    buffer.assign([_A, _B])
    buffer.put(_A, [record(0, size=99)])
    assert buffer.held_back() == []
    buffer.put(_A, [record(1, size=1)])
    assert buffer.held_back() == [_A]
    buffer.take(0, 1)
    assert buffer.held_back() == []


def test_each_position_is_given_for_commit_once() -> None:
    """A position is not given twice, unless it did not reach the broker."""
    buffer = ConsumerBuffer(100, watermarks=True)
    buffer.assign([_A])
    buffer.put(_A, [record(5), record(6)])
    (first, _) = buffer.take(0, 2)
    assert buffer.moved() == {}
    buffer.acknowledge(first)
    assert buffer.moved() == {_A: 6}
    assert buffer.moved() == {}
    buffer.not_committed([_A])
    assert buffer.moved() == {_A: 6}


def test_a_rewind_drops_what_was_fetched_before_it() -> None:
    """What the client brings from beyond the place it is to go back to is not delivered, nor counted."""
    buffer = ConsumerBuffer(100, watermarks=True)
    buffer.assign([_A])
    buffer.put(_A, [record(0), record(1)])
    buffer.take(0, 1)
    buffer.seek_to_unacknowledged([_A])
    buffer.put(_A, [record(2)])
    assert buffer.held_bytes == 0
    assert buffer.seeks() == {_A: 0}
    buffer.put(_A, [record(0), record(1)])
    assert [found.offset for found in buffer.take(0, 9)] == [0, 1]


def test_a_broker_that_lost_its_latest_records() -> None:
    """Offsets that come a second time are new records, delivered and finished like all."""
    buffer = ConsumerBuffer(100, watermarks=True)
    buffer.assign([_A])
    buffer.put(_A, [record(8), record(9)])
    for found in buffer.take(0, 9):
        buffer.acknowledge(found)
    assert buffer.moved() == {_A: 10}
    buffer.put(_A, [record(3)])
    (found,) = buffer.take(0, 9)
    buffer.acknowledge(found)
    assert buffer.moved() == {_A: 4}


def test_a_partition_that_is_gone_is_let_go_of() -> None:
    """Its records are neither held nor delivered, what still comes of it is ignored, and so is a late `acknowledge`."""
    buffer = ConsumerBuffer(100, watermarks=True)
    buffer.assign([_A])
    buffer.put(_A, [record(0), record(1)])
    (found,) = buffer.take(0, 1)
    buffer.forget([_A])
    buffer.put(_A, [record(2)])
    buffer.acknowledge(found)
    assert (buffer.held_bytes, buffer.take(0, 9), buffer.moved(), buffer.assignment()) == (0, [], {}, [])
