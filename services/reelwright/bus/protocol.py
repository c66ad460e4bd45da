"""What every bus promises. `tests/contract/bus.py` holds each transport to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from reelwright.titles.errors import InternalError, UnavailableError

Slot = tuple[str, int]
"""A topic and one of its partitions."""


class BusFull(UnavailableError):
    """The bus held as many bytes as it may until the publish timed out. Temporary: consumers or the broker are behind.

    It stands here and not in `titles.errors` because the publisher handles it; no command or service ends with it.
    """

    def __init__(self, topic: str, timeout: float | None) -> None:
        super().__init__(f"the bus had no room within {timeout} s", topic, "wait until its consumers have caught up")


class BusClosed(InternalError):
    """This process has closed the bus. Permanent: the same bus never takes another message.

    It stands here and not in `titles.errors` because a service that stops handles it, and no command ends with it.
    """

    def __init__(self, topic: str = "") -> None:
        super().__init__(f"{topic}: the bus is closed" if topic else "the bus is closed")


@dataclass(frozen=True, slots=True)
class Record:
    """A message as consumed.

    Attributes:
        topic: where it was published.
        partition: which of the topic's partitions; records of one key share it and keep their order.
        offset: its place in the partition, from 0.
        key: decides the partition.
        value: the message.
        headers: small text metadata.
    """

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Consumer(Protocol):
    """One member of a consumer group. Not thread-safe but for `wakeup`."""

    def poll(self, timeout: float, limit: int = 64) -> list[Record]:
        """Up to `limit` records, waiting at most `timeout` seconds for the first; empty when none came."""

    def acknowledge(self, record: Record) -> None:
        """Marks a record finished.

        The group's offset moves to the contiguous watermark of finished records, so a record that is not marked is
        delivered again after a crash or a rebalance, with everything behind it in its partition.
        """

    def assignment(self) -> list[Slot]:
        """The (topic, partition) pairs this member has now; a rebalance changes them."""

    def pause(self, partitions: Iterable[Slot]) -> None:
        """Delivers nothing from these (topic, partition) pairs until `resume`."""

    def resume(self, partitions: Iterable[Slot]) -> None:
        """Undoes `pause`."""

    def seek_to_unacknowledged(self, partitions: Iterable[Slot]) -> None:
        """Delivers again what these (topic, partition) pairs have from their first record that is not done on.

        For a consumer that took records and cannot go on with them: a full disk, a store that does not answer.
        """

    def wakeup(self) -> None:
        """Makes a waiting `poll` return at once; safe from any thread."""

    def close(self) -> None:
        """Leaves the group; what was not marked done goes to the remaining members or to the next one."""


class Bus(Protocol):
    """A connection to the bus. Thread-safe."""

    def publish(
        self,
        topic: str,
        key: bytes,
        value: bytes,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Publishes and returns once the bus has the message; waits while the bus is full (backpressure).

        A message that was taken is not given up any more: while the bus does not answer, the publisher waits.

        Raises:
            BusFull: there was no room within `timeout` seconds; None waits without a limit.
            BusClosed: the bus was closed before it had the message.
        """

    def consumer(self, topics: Sequence[str], group: str) -> Consumer:
        """Joins `group` on `topics`. A new group starts at the oldest record that is still held."""

    def listener(self, topics: Sequence[str]) -> Consumer:
        """A reader of its own, in no group: hears every record published from now on, and remembers nothing.

        What it was given needs no `acknowledge`.
        """

    @property
    def connected(self) -> bool:
        """Whether the bus answered lately; a bus that does not is waited for, and the work goes on by itself."""

    def close(self) -> None:
        """Releases the connection; waiting publishers raise BusClosed, polls return empty."""
