"""Brokers that cannot be used: each cause has its own one-line error, and passwords are never shown."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient
from pydantic import ValidationError

from reelwright.bus.kafka.bus import KafkaBus
from reelwright.bus.protocol import BusClosed
from reelwright.bus.settings import BusSettings
from reelwright.titles.errors import BrokerError, OneLineError, UnavailableError
from scripts.servers.kafka import PASSWORD, USER, KafkaServer
from tests.contract.bus import collect, finishes, in_thread, values
from tests.support.brokers import new_group, new_topic, open_bus
from tests.support.role_processes import free_port, until

MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


def sasl(kafka: KafkaServer, **settings: Any) -> BusSettings:
    login = {"security_protocol": "SASL_PLAINTEXT", "username": USER, "password": PASSWORD}
    return BusSettings(**({"bootstrap_servers": kafka.sasl} | login | settings))


def crosses(kafka: KafkaServer, settings: BusSettings) -> bool:
    """A message goes out and comes back with these settings."""
    topic = new_topic(kafka, partitions=1)
    bus = KafkaBus.connect(settings, required_topics=[topic])
    try:
        bus.publish(topic, b"k", b"value")
        return values(collect(bus.consumer([topic], new_group()), 1)) == [b"value"]
    finally:
        bus.close()


def published(bus: KafkaBus, topic: str) -> bool:
    """Whether a message was taken before the bus was closed."""
    try:
        bus.publish(topic, b"k", b"value")
    except BusClosed:
        return False
    return True


def refused(
    settings: BusSettings, kind: type[OneLineError], required_topics: tuple[str, ...] = (), timeout_seconds: float = 3
) -> str:
    """The one line with which a connection is refused."""
    with pytest.raises(OneLineError) as caught:
        KafkaBus.connect(settings, timeout_seconds=timeout_seconds, required_topics=required_topics)
    assert type(caught.value) is kind
    line = str(caught.value)
    assert "\n" not in line
    assert PASSWORD not in line
    return line


def test_an_unreachable_broker() -> None:
    """The error names the broker and the setting and is temporary, and no thread is left."""
    port = free_port()
    before = set(threading.enumerate())
    line = refused(BusSettings(bootstrap_servers=f"127.0.0.1:{port}"), UnavailableError)
    assert f"127.0.0.1:{port}" in line
    assert "REELWRIGHT_BUS_BOOTSTRAP_SERVERS" in line
    until(lambda: set(threading.enumerate()) <= before, "the client's threads end")


def test_the_wrong_protocol(kafka: KafkaServer) -> None:
    """A broker that requires a login does not answer a client without one; the error names the setting."""
    line = refused(BusSettings(bootstrap_servers=kafka.sasl), UnavailableError)
    assert "REELWRIGHT_BUS_SECURITY_PROTOCOL" in line


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_login(kafka: KafkaServer, mechanism: str) -> None:
    """Each mechanism logs in, and a message crosses."""
    assert crosses(kafka, sasl(kafka, sasl_mechanism=mechanism))


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_wrong_password(kafka: KafkaServer, mechanism: str) -> None:
    """The error is permanent and names the user."""
    line = refused(sasl(kafka, sasl_mechanism=mechanism, password="wrong"), BrokerError)
    assert USER in line
    assert "REELWRIGHT_BUS_USERNAME" in line


def test_a_login_over_tls(kafka: KafkaServer, tmp_path: Path) -> None:
    """SASL over TLS works with a private certificate authority and the password from a file."""
    (tmp_path / "password").write_text(PASSWORD + "\n")
    settings = sasl(
        kafka,
        bootstrap_servers=kafka.sasl_tls,
        security_protocol="SASL_SSL",
        tls_ca=kafka.certificate,
        password=None,
        password_file=tmp_path / "password",
    )
    assert crosses(kafka, settings)


def test_a_client_certificate(kafka: KafkaServer) -> None:
    """A broker that requires a client certificate accepts the client."""
    tls: dict[str, Any] = {"tls_ca": kafka.certificate, "tls_cert": kafka.certificate, "tls_key": kafka.private_key}
    assert crosses(kafka, BusSettings(bootstrap_servers=kafka.mtls, security_protocol="SSL", **tls))


@pytest.mark.parametrize("lacking", ["authority", "certificate", "file"])
def test_tls_that_fails(kafka: KafkaServer, lacking: str) -> None:
    """An unknown certificate authority, a missing client certificate and a missing file each give a one-line error."""
    files: dict[str, dict[str, Any]] = {
        "authority": {},
        "certificate": {"tls_ca": kafka.certificate},
        "file": {"tls_ca": kafka.certificate, "tls_cert": Path("missing.pem")},
    }
    settings = BusSettings(bootstrap_servers=kafka.mtls, security_protocol="SSL", **files[lacking])
    # An attempt under way when the time is over has no reason yet. After some seconds attempts are a second apart.
    line = refused(settings, BrokerError, timeout_seconds=8)
    assert ("missing.pem" if lacking == "file" else "REELWRIGHT_BUS_TLS_CA") in line


def test_a_login_needs_both_halves() -> None:
    """SASL settings without a password are rejected before any connection."""
    with pytest.raises(ValidationError, match="REELWRIGHT_BUS_PASSWORD"):
        BusSettings(security_protocol="SASL_SSL", username=USER)


def test_a_password_is_shown_nowhere(kafka: KafkaServer, caplog: pytest.LogCaptureFixture) -> None:
    """Neither settings as text nor the log at level DEBUG contain a password, whether it is right or wrong."""
    caplog.set_level(logging.DEBUG)
    settings = sasl(kafka)
    assert crosses(kafka, settings)
    refused(sasl(kafka, password=PASSWORD + "!"), BrokerError)
    assert PASSWORD not in f"{settings!r} {settings} {settings.model_dump_json()} {caplog.text}"


def test_a_missing_topic(kafka: KafkaServer) -> None:
    """The error names the topic and is temporary; requesting, publishing to and reading the topic do not create it."""
    missing = f"missing-{new_group()}"
    line = refused(BusSettings(bootstrap_servers=kafka.bootstrap), UnavailableError, required_topics=(missing,))
    assert missing in line
    assert "reelwright topics apply" in line
    bus, outcomes = open_bus(kafka), list[bool]()
    try:
        consumer = bus.consumer([missing], new_group())
        publisher = in_thread(lambda: outcomes.append(published(bus, missing)))
        until(lambda: bus.unacknowledged_bytes, "the message is on its way")
        assert consumer.poll(1.0) == []
        with KafkaAdminClient(bootstrap_servers=kafka.bootstrap) as admin:
            assert missing not in admin.list_topics()
    finally:
        bus.close()
    assert finishes(publisher)
    assert outcomes == [False]


def test_a_topic_with_too_small_a_limit(kafka: KafkaServer) -> None:
    """The error at connection names topic and sizes, and a message that is too large is rejected and not retried."""
    small = new_topic(kafka, max_message_bytes="100000")
    settings = BusSettings(bootstrap_servers=kafka.bootstrap)
    line = refused(settings, BrokerError, required_topics=(small,))
    assert small in line
    assert "100000" in line
    bus = open_bus(kafka)
    try:
        with pytest.raises(BrokerError, match=small):
            bus.publish(small, b"k", bytes(200_000))
    finally:
        bus.close()


def test_messages_as_large_as_settings_say(kafka: KafkaServer) -> None:
    """On topics with a larger limit, an inline payload far above a broker's default arrives."""
    settings = BusSettings(bootstrap_servers=kafka.bootstrap, inline_bytes=3 << 20)
    topic = new_topic(kafka, max_message_bytes=str(settings.message_bytes))
    bus = KafkaBus.connect(settings, required_topics=[topic])
    try:
        value = bytes((3 << 20) + (60 << 10))
        bus.publish(topic, b"run/1", value, headers={"deadline": "1"})
        assert values(collect(bus.consumer([topic], new_group()), 1)) == [value]
    finally:
        bus.close()
