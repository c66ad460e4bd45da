"""The bus on Kafka; see `bus.protocol` for its interface and docs/kafka.md for how to operate the broker."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import partial

from kafka import KafkaAdminClient, KafkaProducer
from kafka import errors as kafka_errors
from typing_extensions import override

from reelwright.bus import topics
from reelwright.bus.byte_budget import ByteBudget
from reelwright.bus.kafka.client import RateLimitedLog, access_error, reduce_kafka_log, translated_errors
from reelwright.bus.kafka.consumer import KafkaBusConsumer
from reelwright.bus.kafka.health import BrokerHealth
from reelwright.bus.kafka.names import BrokerNames
from reelwright.bus.kafka.overrides import force_close, open_client
from reelwright.bus.kafka.purge import RecordPurge
from reelwright.bus.kafka.topics import require_topics
from reelwright.bus.protocol import Bus, BusClosed, MessageTooLarge
from reelwright.bus.settings import BusSettings
from reelwright.telemetry import metrics
from reelwright.telemetry.watchdog import waiting
from reelwright.titles.errors import BrokerError

_RESEND_SECONDS = 0.5
# How long the library waits for the metadata of a topic that it does not know; `close` waits for that too.
_METADATA_SECONDS = 2.0
_CLOSE_SECONDS = 2.0

_TOO_LARGE = (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError)
# Errors of a publish that are permanent: the broker rejects the message every time.
_PERMANENT = (
    *_TOO_LARGE,
    kafka_errors.AuthorizationError,
    kafka_errors.InvalidTopicError,
    kafka_errors.InvalidRecordError,
)


class KafkaBus(Bus):
    """A Bus on Kafka, made by `connect`. Thread-safe.

    A publish returns once every in-sync replica has the message (`acks=all`). Until then its bytes count against
    `max_bytes`. It waits as long as the broker is away: a message whose delivery the client library gives up is sent
    again, so it may arrive twice. A publisher waits for each message before its next one, so keys keep their order.
    """

    @classmethod
    def connect(
        cls,
        settings: BusSettings | None = None,
        *,
        timeout_seconds: float = 10.0,
        required_topics: Sequence[str] = topics.ALL,
    ) -> KafkaBus:
        """Connects to a broker and checks its topics.

        Args:
            settings: read from the environment unless given.
            timeout_seconds: how long to wait for a broker to answer.
            required_topics: topics that must exist.

        Raises:
            UnavailableError: no broker answers, or topics are missing.
            BrokerError: the broker refuses the login, or a topic is too small for the messages of these settings.
        """
        settings = settings or BusSettings()
        reduce_kafka_log()
        options = settings.client_options() | {"bootstrap_timeout_ms": round(timeout_seconds * 1000)}
        with translated_errors(settings):
            admin = open_client(KafkaAdminClient, **options)
            try:
                names = BrokerNames(settings.prefix)
                require_topics(admin, settings, [names.topic(topic) for topic in required_topics])
                return cls(settings, admin)
            except BaseException:
                admin.close()
                raise

    def __init__(self, settings: BusSettings, admin: KafkaAdminClient) -> None:
        self._settings, self._names = settings, BrokerNames(settings.prefix)
        self._closed = threading.Event()
        self._budget = ByteBudget(settings.max_bytes)
        self._rate_limited_log = RateLimitedLog()
        self._lock = threading.Lock()
        self._answers: set[threading.Event] = set()
        self._consumers: list[KafkaBusConsumer] = []
        self._producer = open_client(
            KafkaProducer,
            **settings.client_options(),
            acks="all",
            # Idempotence would only prevent duplicates, which are harmless here, and has error states that end with a
            # new producer only. Order does not need it: every publisher waits for its message.
            enable_idempotence=False,
            max_request_size=settings.message_bytes,
            delivery_timeout_ms=round(2000 * settings.answer_seconds),
            max_block_ms=round(1000 * _METADATA_SECONDS),
            metrics_enabled=False,
        )
        self._health, self._purge = BrokerHealth(admin), RecordPurge(admin, self._names)

    def publish(
        self,
        topic: str,
        key: bytes,
        value: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Publishes a message; see `Bus.publish`.

        Raises:
            BusFull: there was no room within `timeout` seconds.
            BusClosed: the bus was closed before the broker had the message.
            BrokerError: the broker rejects the message: it is too large for its topic, or not allowed.
        """
        topic = self._names.topic(topic)
        pairs = [(name, text.encode()) for name, text in (headers or {}).items()]
        with waiting(), self._budget.reserve(topic, len(key) + len(value), timeout):
            while (failure := self._send_once(topic, key, value, pairs)) is not None:
                if isinstance(failure, _PERMANENT):
                    raise self._rejection(topic, len(value), failure)
                self._rate_limited_log.warning("publish failed, retrying", failure, topic=topic)
                self._closed.wait(_RESEND_SECONDS)
        self._health.record_answer()

    def consumer(self, topics: Sequence[str], group: str) -> KafkaBusConsumer:
        """Joins a group; see `Bus.consumer`."""
        with self._lock:
            taken = {member.number for member in self._consumers if member.group == group and not member.closed}
            number = next(number for number in range(len(taken) + 1) if number not in taken)
            consumer = KafkaBusConsumer(
                self._settings,
                topics,
                group=group,
                number=number,
                on_committed=self._purge.add_committed,
                on_answer=self._health.record_answer,
            )
            for topic in map(self._names.topic, topics):
                metrics.watch_lag(self._names.group(group), topic, partial(self._lag, group, topic))
            return self._add_consumer(consumer)

    def listener(self, topics: Sequence[str]) -> KafkaBusConsumer:
        """Receives what is published from now on; see `Bus.listener`. Waits until the broker answers.

        Raises:
            BusClosed: the bus was closed meanwhile.
        """
        with self._lock:
            listener = self._add_consumer(
                KafkaBusConsumer(self._settings, topics, on_answer=self._health.record_answer)
            )
        while not listener.wait_for_start(_RESEND_SECONDS):
            if self._closed.is_set():
                raise BusClosed
        return listener

    @property
    @override
    def connected(self) -> bool:
        return not self._closed.is_set() and self._health.connected

    @property
    def unacknowledged_bytes(self) -> int:
        """Bytes of messages that the broker has not acknowledged."""
        return self._budget.reserved_bytes

    def close(self) -> None:
        """Leaves every group and ends every wait: publishers raise BusClosed, polls return empty."""
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
            consumers = list(self._consumers)
            for answer in self._answers:
                answer.set()
        self._budget.close()
        # All of them first: each may take a few seconds to leave its group.
        for consumer in consumers:
            consumer.stop()
        for consumer in consumers:
            consumer.close()
        self._purge.stop()
        self._health.close()
        self._purge.close()
        try:
            self._producer.close(_CLOSE_SECONDS)
        except kafka_errors.KafkaTimeoutError:
            force_close(self._producer)

    def _lag(self, group: str, topic: str) -> int:
        with self._lock:
            members = [member for member in self._consumers if member.group == group and not member.closed]
        return sum(member.lag(topic) for member in members)

    def _add_consumer(self, consumer: KafkaBusConsumer) -> KafkaBusConsumer:
        """Keeps a consumer until it is closed; the lock is held."""
        self._consumers = [other for other in self._consumers if not other.closed] + [consumer]
        return consumer

    def _send_once(self, topic: str, key: bytes, value: bytes, headers: list[tuple[str, bytes]]) -> Exception | None:
        """Sends the message and waits for the answer; returns why it failed, or None.

        Raises:
            BusClosed: the bus was closed before the broker had the message.
        """
        answered = threading.Event()
        with self._lock:
            if self._closed.is_set():
                raise BusClosed(topic)
            self._answers.add(answered)
        try:
            future = self._producer.send(topic, value, key, headers)
            future.add_both(lambda _: answered.set())
            answered.wait()
            if not future.is_done:
                raise BusClosed(topic)
            failure: Exception | None = future.exception
        except kafka_errors.KafkaError as error:
            failure = error
        except RuntimeError:
            # What the library raises while it waits for a topic and is closed.
            if not self._closed.is_set():
                raise
            raise BusClosed(topic) from None
        finally:
            with self._lock:
                self._answers.discard(answered)
        return failure

    def _rejection(self, topic: str, size: int, failure: Exception) -> BrokerError:
        if isinstance(failure, kafka_errors.AuthorizationError):
            return access_error(self._settings, failure)
        if isinstance(failure, _TOO_LARGE):
            return MessageTooLarge(topic, size)
        return BrokerError(f"the broker rejects a message ({type(failure).__name__})", topic, "see its log")
