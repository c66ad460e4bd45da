"""Settings of the bus: address, login and limits, from `REELWRIGHT_BUS_*`."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from reelwright.settings import installation
from reelwright.titles.errors import BrokerError

ENVELOPE_BYTES = 64 << 10
"""Room in a message beside its inline payload, for key, headers and the other fields."""

BROKER_BYTES = (1 << 20) + 12
"""Kafka's default of `message.max.bytes`, which limits a message on any broker that is not configured otherwise."""


class BusSettings(BaseSettings):
    """Address and login of the broker, limits of the clients, and the topics that `reelwright topics apply` creates.

    Attributes:
        bootstrap_servers: `host:port`, several separated by commas.
        prefix: first part of the names of topics and consumer groups; the installation's name unless set.
        security_protocol: Kafka's name of the listener's protocol.
        sasl_mechanism: used when the protocol has SASL.
        username: for SASL.
        password: for SASL; read from the environment only, never shown.
        password_file: file that holds the password instead, as Kubernetes mounts secrets.
        tls_ca: certificate authorities (PEM) that sign the broker's certificate; the system's when not set.
        tls_cert: the client's certificate (PEM), for a broker that requires one.
        tls_key: the private key of `tls_cert` (PEM).
        inline_bytes: largest payload inside a message; larger ones go to the store. 900 KiB pass any broker. A larger
            value needs larger topics (`reelwright topics apply`).
        max_bytes: bytes of messages that the broker has not acknowledged, at which publishers wait.
        prefetch_bytes: bytes of records that a consumer fetches ahead. A partition without such records may fetch
            once more, so memory can exceed this by one fetch per partition.
        instance: static membership: name of this process in its groups, such as a StatefulSet's pod name. A restart
            within `session_seconds` then moves no partitions. None makes every start a new member.
        session_seconds: time without a heartbeat after which the broker assigns a member's partitions to others.
        poll_seconds: time without a poll after which a member, whose consumer thread must be blocked, leaves its
            group (`max.poll.interval.ms`).
        answer_seconds: time after which a request without a response has failed.
        commit_seconds: time between two commits of acknowledged offsets.
        partitions: partitions of topics to create; as many consumers can share one topic.
        replication_factor: replicas of topics to create; -1 takes the broker's default.
        stream_hours: retention of frames and restored frames.
        stream_bytes: retention of frames and restored frames, bytes in each partition.
        event_days: retention of events.
        dead_letter_days: retention of dead letters.
    """

    model_config = SettingsConfigDict(env_prefix="REELWRIGHT_BUS_", frozen=True)
    bootstrap_servers: str = "127.0.0.1:9092"
    prefix: str = Field(default_factory=installation, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
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
    def _require_login(self) -> BusSettings:
        has_login = self.username is not None and (self.password is not None or self.password_file is not None)
        if self.sasl and not has_login:
            raise ValueError(
                f"no login for {self.security_protocol}: set REELWRIGHT_BUS_USERNAME, "
                "and REELWRIGHT_BUS_PASSWORD or REELWRIGHT_BUS_PASSWORD_FILE"
            )
        return self

    @property
    def sasl(self) -> bool:
        """Whether the clients log in."""
        return self.security_protocol.startswith("SASL")

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.security_protocol.endswith("SSL")

    @property
    def message_bytes(self) -> int:
        """Largest message that these clients publish, and the limit of a new topic."""
        return max(self.inline_bytes + ENVELOPE_BYTES, BROKER_BYTES)

    def client_options(self) -> dict[str, Any]:
        """Options that every kind of kafka-python client gets.

        Raises:
            BrokerError: a certificate, key or password file cannot be used.
        """
        options: dict[str, Any] = {
            "bootstrap_servers": [server.strip() for server in self.bootstrap_servers.split(",")],
            "client_id": self.instance or "reelwright",
            "security_protocol": self.security_protocol,
            "request_timeout_ms": round(1000 * self.answer_seconds),
            # kafka-python waits up to 30 s by default; clients are to continue soon after a broker is back.
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
                "sasl_plain_password": self._read_password(),
            }
        return options

    def tls_context(self) -> ssl.SSLContext:
        """The TLS context of every connection.

        Raises:
            BrokerError: a certificate or key file cannot be used.
        """
        try:
            context = ssl.create_default_context(cafile=self.tls_ca)
        except (OSError, ssl.SSLError) as error:
            remedy = "set REELWRIGHT_BUS_TLS_CA to a PEM file"
            raise BrokerError(f"no certificates: {_reason(error)}", str(self.tls_ca), remedy) from None
        if self.tls_cert is not None:
            try:
                context.load_cert_chain(self.tls_cert, self.tls_key)
            except (OSError, ssl.SSLError) as error:
                where = f"{self.tls_cert} and {self.tls_key or 'no key'}"
                remedy = "set REELWRIGHT_BUS_TLS_CERT and REELWRIGHT_BUS_TLS_KEY to PEM files"
                raise BrokerError(f"no certificate with its key: {_reason(error)}", where, remedy) from None
        return context

    def _read_password(self) -> str:
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
