"""The interface of every bus, with its records and errors. `tests/contract/bus.py` tests each transport against it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from reelwright.titles.errors import BrokerError, InternalError, UnavailableError


class TopicPartition(NamedTuple):
    """One partition of a topic.

    Attributes:
        topic: name of the topic.
        partition: number of the partition, from 0.
    """

    topic: str
    partition: int


class BusFull(UnavailableError):
    """The bus held as many bytes as it may until the publish timed out. Temporary: consumers or the broker are behind.

    It is defined here and not in `titles.errors` because the publisher handles it; no command or service ends with it.
    """

    def __init__(self, topic: str, timeout: float | None) -> None:
        super().__init__(f"the bus had no room within {timeout} s", topic, "wait until its consumers have caught up")


class BusClosed(InternalError):
    """This process has closed the bus. Permanent: the same bus never takes another message.

    It is defined here and not in `titles.errors` because a service that stops handles it; no command ends with it.
    """

    def __init__(self, topic: str = "") -> None:
        super().__init__(f"{topic}: the bus is closed" if topic else "the bus is closed")


class MessageTooLarge(BrokerError):
    """The broker rejects a message because of its size. Permanent: a setting of topic or client must be corrected.

    It is defined here and not in `titles.errors` because services distinguish it from refusals of one client.

    Args:
        topic: the topic's name on the broker.
        message_bytes: size of the message.
    """

    def __init__(self, topic: str, message_bytes: int) -> None:
        remedy = "run `reelwright topics apply`, or lower REELWRIGHT_BUS_INLINE_BYTES"
        super().__init__(f"a message of {message_bytes} bytes is too large for it", topic, remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A message as it was consumed.

    Attributes:
        topic: the topic it was published to.
        partition: number of the partition, from 0; records with the same key share it and keep their order.
        offset: position in the partition, from 0.
        key: decides the partition.
        value: the message.
        headers: names and short texts.
    """

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def topic_partition(self) -> TopicPartition:
        """The partition that the record was read from."""
        return TopicPartition(self.topic, self.partition)

    @property
    def size(self) -> int:
        """Bytes of key and value, which count against the bounds of a bus."""
        return len(self.key) + len(self.value)


class Consumer(Protocol):
    """One member of a consumer group, or a listener. Only `wakeup` is thread-safe."""

    def poll(self, timeout: float, limit: int = 64) -> list[Record]:
        """Returns up to `limit` records; empty when none arrived within `timeout` seconds."""

    def acknowledge(self, record: Record) -> None:
        """Marks a record as finished.

        The group's committed offset moves to the contiguous watermark of acknowledged records. A record that is not
        acknowledged is delivered again after a crash or a rebalance, with all records after it in its partition.
        """

    def assignment(self) -> list[TopicPartition]:
        """The partitions that are assigned to this member now; a rebalance changes them."""

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Stops delivery from these partitions until `resume`."""

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """Continues delivery from paused partitions."""

    def seek_to_unacknowledged(self, partitions: Iterable[TopicPartition]) -> None:
        """Delivers these partitions again from their first record that is not acknowledged.

        For a consumer that cannot go on with records it has polled: its disk is full, or the store does not answer.
        """

    def wakeup(self) -> None:
        """Makes the current `poll` return at once, or the next one when none waits. Safe from any thread."""

    def close(self) -> None:
        """Leaves the group; other members get the records that were not acknowledged."""


class Bus(Protocol):
    """A connection to the bus. Thread-safe."""

    def publish(
        self,
        topic: str,
        key: bytes,
        value: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Publishes a message and returns once the bus has it; waits while the bus is full (backpressure).

        The timeout bounds the wait for room only. A message that has its room is sent until the broker has it.

        Raises:
            BusFull: there was no room within `timeout` seconds; None waits without a limit.
            BusClosed: the bus was closed before it had the message.
        """

    def consumer(self, topics: Sequence[str], group: str) -> Consumer:
        """Joins `group` on `topics`. A new group starts at the oldest record that the bus still holds."""

    def listener(self, topics: Sequence[str]) -> Consumer:
        """A consumer without a group: it gets every record published from now on, and commits nothing.

        Its records need no `acknowledge`.
        """

    @property
    def connected(self) -> bool:
        """Whether the bus has answered recently. While it has not, calls wait, and they continue when it answers."""

    def close(self) -> None:
        """Releases the connection; waiting publishers raise BusClosed, polls return empty."""
