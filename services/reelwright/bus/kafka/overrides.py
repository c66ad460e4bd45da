"""Everything here relies on private parts of kafka-python. Written against version 3.0.12.

`tests/unit/test_kafka_overrides.py` compares those parts with that version. When it fails after an upgrade, read the
new source of the part it names, change what stands here, and then the digest in the test.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import TypeVar

from kafka import KafkaConsumer, KafkaProducer
from kafka import TopicPartition as KafkaTopicPartition
from kafka import errors as kafka_errors
from kafka.net.compat import KafkaNetClient
from kafka.net.connection import KafkaConnection
from kafka.net.inet import KafkaNetSocket
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaTCPTransport
from kafka.protocol.consumer import OffsetSpec

from reelwright.bus.kafka.client import ACCESS_ERRORS

Client = TypeVar("Client")

# After this many connections that the broker has closed during the login, the login counts as refused.
_MAX_CLOSED_LOGINS = 3
_READ_BYTES = 256 << 10
_CONNECTING = {errno.EINPROGRESS, errno.EALREADY}
# None where the system has no error queues: they are Linux's.
_ERROR_QUEUE: int | None = getattr(socket, "MSG_ERRQUEUE", None)
# Room for a control message with a `sock_extended_err` and an address.
_ERROR_BYTES = 512


def open_client(kind: Callable[..., Client], **options: object) -> Client:
    """Opens a client of kafka-python; when that fails, closes what it leaves behind.

    A client that finds no broker leaves its thread and sockets open, and its error does not say why. The error raised
    here is the one of the last connection.

    Args:
        kind: KafkaProducer, KafkaConsumer or KafkaAdminClient.
        **options: for its constructor.

    Raises:
        KafkaError: of kafka-python: no broker was found, or it refuses the client.
    """
    opened: list[KafkaNetClient] = []

    def make_net_client(**all_options: object) -> KafkaNetClient:
        net = NetworkSelector(**all_options)
        opened.append(KafkaNetClient(net, _ConnectionManager(net, **all_options), **all_options))
        return opened[-1]

    try:
        return kind(kafka_client=make_net_client, **options)
    except BaseException as error:
        for client in opened:
            with suppress(Exception):
                client.close()
            reason = client._manager.last_failure
            if isinstance(error, kafka_errors.KafkaTimeoutError) and reason is not None:
                raise reason from None
        raise


def force_close(producer: KafkaProducer) -> None:
    """Ends the producer's thread. `close` raises before it has done that when messages are still unsent."""
    producer._sender.force_close()


def wait_full_polls(consumer: KafkaConsumer, seconds: float) -> None:
    """Makes `poll` wait for records instead of returning whenever a heartbeat is due.

    Another thread of the library sends the heartbeats. While a heartbeat is not answered, `poll` would return at once
    every time: a busy loop, in which the library also leaks memory.
    """
    consumer._coordinator.time_to_next_poll = lambda: seconds


def set_fetch_wait(consumer: KafkaConsumer, milliseconds: int) -> None:
    """Sets how long the broker holds the next fetches open while there are no records."""
    consumer._fetcher.config["fetch_max_wait_ms"] = milliseconds


def call_when_fetched(consumer: KafkaConsumer, call: Callable[[bool], None]) -> None:
    """Tells a function, on a thread of the library, whether a fetch that is in flight now was answered.

    Records that have arrived since the last poll looked for some count as an answer; their fetch may be forgotten.
    """
    for future in list(consumer._fetcher._fetch_futures):
        future.add_callback(lambda _: call(True))
        future.add_errback(lambda _: call(False))
    if consumer._fetcher._completed_fetches:
        call(True)


def next_offset(consumer: KafkaConsumer, partition: KafkaTopicPartition) -> int | None:
    """The offset of the record that the client fetches next, without asking the broker; None while it is not known.

    Args:
        consumer: the consumer.
        partition: one of its assigned partitions.
    """
    position = consumer._subscription.assignment[partition].position
    return None if position is None else int(position.offset)


def request_end_offsets(
    consumer: KafkaConsumer,
    partitions: Collection[KafkaTopicPartition],
    call: Callable[[Mapping[KafkaTopicPartition, int]], None],
) -> None:
    """Asks the brokers for the ends of partitions, and does not wait. `end_offsets` would, for as long as none answers.

    Args:
        consumer: the consumer.
        partitions: the partitions.
        call: called once, on a thread of the library, with the offsets after the last records of those partitions
            whose leaders have answered; with none after a failure.
    """
    fetcher = consumer._fetcher
    timestamps = dict.fromkeys(partitions, OffsetSpec.LATEST)
    future = fetcher._manager.call_soon(
        fetcher._fetch_offsets_by_times_async, timestamps, consumer.config["request_timeout_ms"]
    )
    future.add_callback(lambda found: call({partition: end.offset for partition, end in found.items()}))
    future.add_errback(lambda _: call({}))


def call_when_rejoin_requested(consumer: KafkaConsumer, call: Callable[[], None]) -> None:
    """Calls a function whenever the member must join its group again, which the next poll does.

    A heartbeat's answer says so, on a thread of the library.
    """
    request = consumer._coordinator.request_rejoin

    def request_and_call() -> None:
        request()
        call()

    consumer._coordinator.request_rejoin = request_and_call


def needs_join(consumer: KafkaConsumer) -> bool:
    """Whether the member must join its group at the next poll."""
    return bool(consumer._coordinator.need_rejoin())


def has_heartbeat(consumer: KafkaConsumer) -> bool:
    """Whether the consumer sends heartbeats. The library stops them silently when the member is fenced."""
    return bool(consumer._coordinator._heartbeat_enabled)


def request_rejoin(consumer: KafkaConsumer) -> None:
    """Makes the consumer join its group again at the next poll, which makes the group assign partitions again."""
    consumer._coordinator.request_rejoin()


class _BrokerSocket(KafkaNetSocket):  # type: ignore[misc] # the library has no types
    """Connects to a broker, and takes ICMP errors out of the socket's error queue, which the library does not.

    Linux (since 5.8, commit 45af29ca761c) queues an ICMP error that answers the first packet of a connection. One that
    arrives before `connect` has returned does not end the attempt: the errors of a machine's own packet filter, such as
    kube-proxy's for a Service without a pod. A socket with a queued error is always ready to read and write, also once
    it is connected, until its end. The library's loop would not wait any more, and take a whole core.

    The library takes this class for connections with a `proxy_url` of this scheme; there is no proxy.
    """

    SCHEMES = ("reelwright-broker",)

    def connect_ex(self, sock: socket.socket, address: tuple[object, ...]) -> int:
        """Begins to connect, or goes on; returns 0 or an error number. A queued error ends the attempt."""
        code: int = super().connect_ex(sock, address)
        queued = _take_queued_error(sock)
        return queued if queued and code in _CONNECTING else code


def _take_queued_error(sock: socket.socket) -> int:
    """Empties the error queue of a socket; returns the error number that was queued last, or 0."""
    found = 0
    if _ERROR_QUEUE is not None:
        with suppress(OSError):  # the queue is empty
            while True:
                _, messages, _, _ = sock.recvmsg(0, _ERROR_BYTES, _ERROR_QUEUE)
                # A `sock_extended_err` begins with the error number; see ip(7), IP_RECVERR.
                found = next((struct.unpack_from("=I", data)[0] for _, _, data in messages), errno.ECONNREFUSED)
    return found


class _LargeReadSocket:
    """A socket that reads 256 KiB at a time. The library reads 4 KiB, which takes a third of a consumer's CPU time."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def recv(self, _size: int) -> bytes:
        return self._sock.recv(_READ_BYTES)

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


class _ConnectionManager(KafkaConnectionManager):  # type: ignore[misc] # the library has no types
    """Keeps the error of the last connection, which the library only logs.

    Attributes:
        last_failure: why the last connection failed; None when it was established.
    """

    last_failure: Exception | None = None
    _closed_logins = 0

    def __init__(self, net: NetworkSelector, **options: object) -> None:
        super().__init__(net, **options)
        # The clients accept this option and do not pass it on. A request for a missing topic would then create it, with
        # the broker's default settings.
        self.cluster.config["allow_auto_create_topics"] = False
        self.config["proxy_url"] = f"{_BrokerSocket.SCHEMES[0]}:"

    async def _build_transport(self, node: object, timeout_at: float | None = None) -> KafkaTCPTransport:
        transport = await super()._build_transport(node, timeout_at)
        transport._sock = _LargeReadSocket(transport._sock)
        return transport

    async def _connect(self, node: object, conn: KafkaConnection, **options: object) -> None:
        await super()._connect(node, conn, **options)
        self.last_failure = conn.init_future.exception
        if (
            isinstance(self.last_failure, kafka_errors.KafkaConnectionError)
            and conn.sasl_enabled
            and conn.broker_version
        ):
            # The library drops data that arrives together with the end of a connection, and brokers send the refusal of
            # a login that way. A broker that sent its version and then closes each connection refuses the login.
            self._closed_logins += 1
            if self._closed_logins >= _MAX_CLOSED_LOGINS:
                self.last_failure = kafka_errors.SaslAuthenticationFailedError("connection closed during the login")
        if isinstance(self.last_failure, ACCESS_ERRORS) and not self.bootstrapped:
            # Ends the search for a broker. After bootstrap the client keeps trying: a broker that has just started may
            # not have loaded its users yet.
            self._auth_failures[node.node_id] = self.last_failure  # type: ignore[attr-defined]
