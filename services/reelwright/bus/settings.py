"""How to reach the broker, and how much of it to use: `REELWRIGHT_BUS_*`."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from reelwright.titles.errors import BrokerError

ENVELOPE_BYTES = 64 << 10
"""What a message may have beside its inline payload: keys, headers and the other fields."""

BROKER_BYTES = (1 << 20) + 12
"""Largest message of a broker and a topic that were not told otherwise (Kafka's `message.max.bytes`)."""

_HOUR_MS = 3_600_000


class BusSettings(BaseSettings):
    """The broker's address and login, sizes, and what `reelwright topics apply` makes.

    Attributes:
        bootstrap_servers: `host:port`, several separated by commas.
        security_protocol: as Kafka names them.
        sasl_mechanism: how to log in where the protocol has SASL.
        username: for SASL.
        password: for SASL; comes from the environment only, and is shown nowhere.
        password_file: a file that holds the password instead, as Kubernetes mounts secrets.
        tls_ca: certificates (PEM) that vouch for the broker; the system's when not set.
        tls_cert: the client's certificate (PEM) where the broker wants one.
        tls_key: the key to it.
        inline_bytes: largest payload inside a message; larger ones go to the store. 900 KiB pass any broker; raise it
            together with the topics (`reelwright topics apply`).
        max_bytes: of messages that the broker has not acknowledged; publishers wait at that.
        prefetch_bytes: of records that a consumer holds for its next polls. A partition that has none held may fetch
            once more, so memory can exceed it by one fetch per partition.
        instance: name of this process among its peers, such as a StatefulSet's pod name; with it, a restart within
            `session_seconds` moves no partitions. None makes every start a new member.
        session_seconds: silence after which the broker gives a member's partitions to others.
        poll_seconds: after which a member whose own thread hangs leaves its group.
        answer_seconds: how long one request may wait for its answer.
        commit_seconds: between two commits of what is finished.
        partitions: of topics to make; the most consumers that can share one.
        replication_factor: of topics to make; -1 is the broker's default.
        stream_hours: how long frames and restored frames are kept.
        stream_bytes: of them in each partition.
        event_days: how long events are kept.
        dead_letter_days: how long dead letters are kept.
    """

    model_config = SettingsConfigDict(env_prefix="REELWRIGHT_BUS_", frozen=True)
    bootstrap_servers: str = "127.0.0.1:9092"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    inline_bytes: int = Field(default=900 << 10, ge=1 << 10, le=64 << 20)
    max_bytes: int = Field(default=64 << 20, ge=1)
    prefetch_bytes: int = Field(default=32 << 20, ge=1)
    instance: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,200}$")
    session_seconds: float = Field(default=10.0, ge=1)
    poll_seconds: float = Field(default=60.0, ge=1)
    answer_seconds: float = Field(default=15.0, ge=1, le=300)
    commit_seconds: float = Field(default=1.0, gt=0)
    partitions: int = Field(default=12, ge=1)
    replication_factor: int = Field(default=-1, ge=-1)
    stream_hours: float = Field(default=24.0, gt=0)
    stream_bytes: int = Field(default=1 << 30, ge=64 << 20)
    event_days: float = Field(default=7.0, gt=0)
    dead_letter_days: float = Field(default=30.0, gt=0)

    @model_validator(mode="after")
    def _has_a_login(self) -> BusSettings:
        given = self.username is not None and (self.password is not None or self.password_file is not None)
        if self.sasl and not given:
            raise ValueError(
                f"no login for {self.security_protocol}: it takes REELWRIGHT_BUS_USERNAME, "
                "and REELWRIGHT_BUS_PASSWORD or REELWRIGHT_BUS_PASSWORD_FILE"
            )
        return self

    @property
    def sasl(self) -> bool:
        """Whether to log in."""
        return self.security_protocol.startswith("SASL")

    @property
    def tls(self) -> bool:
        """Whether to encrypt."""
        return self.security_protocol.endswith("SSL")

    @property
    def message_bytes(self) -> int:
        """Largest message published."""
        return max(self.inline_bytes + ENVELOPE_BYTES, BROKER_BYTES)

    def client_options(self) -> dict[str, Any]:
        """What every kind of kafka-python client is opened with.

        Raises:
            BrokerError: a certificate, key or password file that cannot be used.
        """
        options: dict[str, Any] = {
            "bootstrap_servers": [server.strip() for server in self.bootstrap_servers.split(",")],
            "client_id": self.instance or "reelwright",
            "security_protocol": self.security_protocol,
            "request_timeout_ms": _ms(self.answer_seconds),
            # Short, since a broker that is back should find its clients back too; kafka-python waits up to 30 s.
            "reconnect_backoff_ms": 100,
            "reconnect_backoff_max_ms": 1000,
            "metadata_max_age_ms": 30_000,
        }
        if self.tls:
            options["ssl_context"] = self.tls_context()
        if self.sasl:
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self._secret(),
            }
        return options

    def tls_context(self) -> ssl.SSLContext:
        """What TLS connections are made with.

        Raises:
            BrokerError: a file that cannot be used.
        """
        try:
            context = ssl.create_default_context(cafile=self.tls_ca)
        except (OSError, ssl.SSLError) as error:
            raise BrokerError(f"no certificates: {_reason(error)}", str(self.tls_ca), "name a PEM file") from None
        if self.tls_cert is not None:
            try:
                context.load_cert_chain(self.tls_cert, self.tls_key)
            except (OSError, ssl.SSLError) as error:
                where = f"{self.tls_cert} and {self.tls_key or 'no key'}"
                raise BrokerError(f"no certificate with its key: {_reason(error)}", where, "name PEM files") from None
        return context

    def topic_options(self, kind: Literal["titles", "stream", "events", "deadletter"]) -> dict[str, str]:
        """The configuration of a topic, by what it carries."""
        kept_ms, kept_bytes = {
            # A title waits for as long as it takes; it is also small.
            "titles": (-1, -1),
            "stream": (_hours(self.stream_hours), self.stream_bytes),
            "events": (_hours(24 * self.event_days), -1),
            "deadletter": (_hours(24 * self.dead_letter_days), -1),
        }[kind]
        options = {
            "max.message.bytes": str(self.message_bytes),
            "cleanup.policy": "delete",
            "retention.ms": str(kept_ms),
            "retention.bytes": str(kept_bytes),
        }
        # The broker deletes whole segments only, so small ones let go of what is past soon.
        segment = max(16 << 20, self.message_bytes)
        return options | ({"segment.bytes": str(segment)} if kind == "stream" else {})

    def _secret(self) -> str:
        if self.password is not None:
            return self.password.get_secret_value()
        assert self.password_file is not None
        try:
            return self.password_file.read_text(encoding="utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            what = f"the password cannot be read: {_reason(error)}"
            raise BrokerError(what, str(self.password_file), "check REELWRIGHT_BUS_PASSWORD_FILE") from None


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or getattr(error, "reason", None) or type(error).__name__)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _hours(hours: float) -> int:
    return round(hours * _HOUR_MS)
