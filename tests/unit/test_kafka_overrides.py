"""The private parts of kafka-python that `bus/kafka/overrides.py` relies on are those of the version it names."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest
from kafka import KafkaConsumer
from kafka.consumer.fetcher import Fetcher
from kafka.consumer.subscription_state import TopicPartitionState
from kafka.coordinator.base import BaseCoordinator
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.net.compat import KafkaNetClient
from kafka.net.connection import KafkaConnection
from kafka.net.inet import KafkaNetSocket, create_connection
from kafka.net.manager import KafkaConnectionManager
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport
from kafka.producer.kafka import KafkaProducer
from kafka.producer.sender import Sender

from reelwright.bus.kafka.overrides import call_when_fetched

# First 16 hexadecimal digits of the SHA-256 of the source of each part, in kafka-python 3.0.12.
PRIVATE_PARTS: list[tuple[Callable[..., object], str]] = [
    # open_client and the error of the last connection.
    (KafkaNetClient.__init__, "9d5a78ad19c39989"),
    (KafkaNetClient.close, "b787785b18811e20"),
    (KafkaConnectionManager.__init__, "6f9e40f174130319"),
    (KafkaConnectionManager._do_bootstrap, "2c76a7a97d903257"),
    (KafkaConnectionManager._connect, "866ba191c36e23f8"),
    (KafkaConnectionManager.maybe_raise_auth_failure, "7bbd02a9bb65185c"),
    (KafkaConnection.__init__, "db466373ce859c54"),
    # The error queue of a socket that connects.
    (create_connection, "f5a387643a477c66"),
    (KafkaNetSocket.register_class, "852a5238a9b19b1c"),
    (KafkaNetSocket.__new__, "ad0f52b7e767d273"),
    (KafkaNetSocket.sock_connect, "36c15b0ce9196d15"),
    (KafkaNetSocket.connect_ex, "5657a535cb40c85a"),
    # Large reads.
    (KafkaConnectionManager._build_transport, "0362b0a783871097"),
    (KafkaTCPTransport.__init__, "6b9608f8e735f3b4"),
    (KafkaTCPTransport._sock_recv, "2594a6a62ec5a3e5"),
    (KafkaSSLTransport._sock_recv, "0a592f230c5c4455"),
    # force_close.
    (KafkaProducer.close, "431699b88f333650"),
    (Sender.force_close, "7963a0d23bc94fc9"),
    # set_fetch_wait.
    (Fetcher._create_fetch_requests, "4399843be7e40180"),
    # call_when_fetched.
    (Fetcher._handle_fetch_response, "8d8210236fb71cfc"),
    (Fetcher.fetch_records, "aec7275fea19760d"),
    (Fetcher._send_fetches_async, "a5d605e90e1e03c9"),
    (Fetcher._clean_done_fetch_futures, "522c88c9324e1421"),
    # next_offset.
    (TopicPartitionState._get_position, "753acdede90767fd"),
    # request_end_offsets.
    (Fetcher.beginning_or_end_offset, "ae57ab151ad9e90c"),
    (Fetcher._fetch_offsets_by_times_async, "1052309351e11dd2"),
    (KafkaConnectionManager.call_soon, "56ad0940f05ce02b"),
    # wait_full_polls, has_heartbeat, request_rejoin, needs_join, call_when_rejoin_requested.
    (ConsumerCoordinator.need_rejoin, "7f90bc6c6f09cb6e"),
    (BaseCoordinator._do_heartbeat, "7bcdc4e49cffee49"),
    (ConsumerCoordinator.time_to_next_poll, "e13264b23a42b5d1"),
    (BaseCoordinator._heartbeat_loop, "4b5e7d41d54a36b0"),
    (BaseCoordinator._enable_heartbeat, "f90d903029076ad6"),
    (BaseCoordinator._disable_heartbeat, "dc9e904684a5afa6"),
    (BaseCoordinator.request_rejoin, "ca6edacf2f0149e2"),
]


@pytest.mark.parametrize(("part", "digest"), PRIVATE_PARTS, ids=lambda value: getattr(value, "__qualname__", ""))
def test_a_private_part_is_unchanged(part: Callable[..., object], digest: str) -> None:
    """A new version of kafka-python that changes one of these parts needs a review of the override that uses it."""
    source = inspect.getsource(part)
    assert hashlib.sha256(source.encode()).hexdigest()[:16] == digest, f"review bus/kafka/overrides.py:\n{source}"


def test_an_answer_that_is_here_already_is_told() -> None:
    """Records that arrived after the last poll end the wait of an idle consumer, although no fetch is in flight."""
    answers: list[bool] = []
    for completed in ([], ["records"]):
        fetcher = SimpleNamespace(_fetch_futures=[], _completed_fetches=completed)
        call_when_fetched(cast("KafkaConsumer", SimpleNamespace(_fetcher=fetcher)), answers.append)
    assert answers == [True]
