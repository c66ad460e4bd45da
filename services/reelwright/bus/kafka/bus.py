"""The bus over Kafka; see `bus.protocol` for what it promises and docs/kafka.md for how to bring a broker."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from kafka import KafkaAdminClient, KafkaProducer
from kafka import errors as kafka_errors

from reelwright.bus import topics
from reelwright.bus.byte_budget import ByteBudget
from reelwright.bus.kafka import topics as kafka_topics
from reelwright.bus.kafka.client import RateLimitedLog, in_our_words, open_client, quieten, refusal
from reelwright.bus.kafka.consumer import GroupConsumer
from reelwright.bus.kafka.health import BrokerHealth
from reelwright.bus.kafka.purge import RecordPurge
from reelwright.bus.protocol import BusClosed
from reelwright.bus.settings import BusSettings
from reelwright.titles.errors import BrokerError

# Between attempts to send what the library gave up.
_PAUSE_SECONDS = 0.5
# How long the library itself waits for a topic it does not know; `close` waits for it too.
_TOPIC_SECONDS = 2.0
_CLOSE_SECONDS = 2.0

_TOO_LARGE = (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError)
# What sending again does not change.
_FINAL = (*_TOO_LARGE, kafka_errors.AuthorizationError, kafka_errors.InvalidTopicError, kafka_errors.InvalidRecordError)


class KafkaBus:
    """A Bus over Kafka. Thread-safe. Made by `connect`.

    A publish returns once every in-sync replica has the message. While it waits, its bytes count towards `max_bytes`,
    and it waits for as long as the broker takes: what the client library gives up is sent again, so a message may
    arrive twice. Since a publisher waits for each message before its next one, its keys keep their order.
    """

    @classmethod
    def connect(
        cls, settings: BusSettings | None = None, patience: float = 10.0, needs: Sequence[str] = topics.ALL
    ) -> KafkaBus:
        """A bus on a broker that answers and has the topics.

        Args:
            settings: from the environment unless given.
            patience: seconds a broker has to answer.
            needs: the topics that must be there.

        Raises:
            UnavailableError: no broker answers, or topics are missing: waiting may help.
            BrokerError: it refuses the login, or a topic is too small for the messages of these settings.
        """
        settings = settings or BusSettings()
        quieten()
        options = settings.client_options() | {"bootstrap_timeout_ms": round(patience * 1000)}
        with in_our_words(settings):
            admin = open_client(KafkaAdminClient, **options)
            try:
                kafka_topics.require(admin, settings, needs)
                return cls(settings, admin)
            except BaseException:
                admin.close()
                raise

    def __init__(self, settings: BusSettings, admin: KafkaAdminClient) -> None:
        self._settings = settings
        self._closed = threading.Event()
        self._room = ByteBudget(settings.max_bytes)
        self._sparing = RateLimitedLog()
        self._lock = threading.Lock()
        self._unacknowledged: set[threading.Event] = set()
        self._members: list[GroupConsumer] = []
        self._producer = open_client(
            KafkaProducer,
            **settings.client_options(),
            acks="all",
            # It would only save duplicates, which are harmless here, and can end in states that only a new producer
            # leaves; order does not need it, since every publisher waits for its message.
            enable_idempotence=False,
            max_request_size=settings.message_bytes,
            delivery_timeout_ms=round(2000 * settings.answer_seconds),
            max_block_ms=round(1000 * _TOPIC_SECONDS),
            metrics_enabled=False,
        )
        self._watch, self._trim = BrokerHealth(admin), RecordPurge(admin)

    def publish(
        self,
        topic: str,
        key: bytes,
        value: bytes,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Publishes a message; see `Bus.publish`.

        Raises:
            BusFull: there was no room within `timeout` seconds.
            BusClosed: the bus was closed before the broker had the message.
            BrokerError: the broker will never take it: too large for its topic, or not allowed.
        """
        pairs = [(name, text.encode()) for name, text in (headers or {}).items()]
        with self._room.taken(topic, len(key) + len(value), timeout):
            while (failure := self._attempt(topic, key, value, pairs)) is not None:
                if isinstance(failure, _FINAL):
                    raise self._never(topic, len(value), failure)
                self._sparing.warn("the broker does not take a message; sending it again", failure, topic=topic)
                self._closed.wait(_PAUSE_SECONDS)
        self._watch.answered()

    def consumer(self, topics: Sequence[str], group: str) -> GroupConsumer:
        """Joins a group; see `Bus.consumer`."""
        with self._lock:
            taken = {member.number for member in self._members if member.group == group and not member.closed}
            number = next(number for number in range(len(taken) + 1) if number not in taken)
            member = GroupConsumer(self._settings, topics, group, number, self._trim.committed)
            self._members = [other for other in self._members if not other.closed] + [member]
        return member

    def listener(self, topics: Sequence[str]) -> GroupConsumer:
        """Hears what is published from now on; see `Bus.listener`. Waits for a broker that does not answer.

        Raises:
            BusClosed: the bus was closed while it waited.
        """
        member = GroupConsumer(self._settings, topics)
        with self._lock:
            self._members = [other for other in self._members if not other.closed] + [member]
        while not member.listens(_PAUSE_SECONDS):
            if self._closed.is_set():
                raise BusClosed
        return member

    @property
    def connected(self) -> bool:
        """See `Bus.connected`."""
        return not self._closed.is_set() and self._watch.connected

    @property
    def unacknowledged_bytes(self) -> int:
        """Bytes of messages that wait for the broker's acknowledgement."""
        return self._room.held_bytes

    def close(self) -> None:
        """Leaves every group and ends every wait: publishers raise BusClosed, polls return empty."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._room.close()
        with self._lock:
            members = list(self._members)
            for event in self._unacknowledged:
                event.set()
        for member in members:
            member.stop()
        for member in members:
            member.close()
        self._trim.stop()
        self._watch.close()
        self._trim.close()
        try:
            self._producer.close(_CLOSE_SECONDS)
        except kafka_errors.KafkaTimeoutError:
            # It gives up before it has ended its thread when something is still unsent.
            self._producer._sender.force_close()

    def _attempt(self, topic: str, key: bytes, value: bytes, headers: list[tuple[str, bytes]]) -> Exception | None:
        """Sends once and waits; why it failed, or None.

        Raises:
            BusClosed: the bus was closed before the broker had the message.
        """
        settled = threading.Event()
        with self._lock:
            self._unacknowledged.add(settled)
        try:
            if self._closed.is_set():
                raise BusClosed(topic)
            failure: Exception | None
            try:
                future = self._producer.send(topic, value, key, headers)
            except kafka_errors.KafkaError as error:
                failure = error
            else:
                future.add_both(lambda _: settled.set())
                settled.wait()
                if not future.is_done:
                    raise BusClosed(topic)
                failure = future.exception
            return failure
        finally:
            with self._lock:
                self._unacknowledged.discard(settled)

    def _never(self, topic: str, size: int, failure: Exception) -> BrokerError:
        if isinstance(failure, kafka_errors.AuthorizationError):
            return refusal(self._settings, failure)
        if isinstance(failure, _TOO_LARGE):
            remedy = "run `reelwright topics apply`, or lower REELWRIGHT_BUS_INLINE_BYTES"
            return BrokerError(f"a message of {size} bytes is too large for it", topic, remedy)
        return BrokerError(f"the broker rejects a message ({type(failure).__name__})", topic, "see its log")
