"""The dispatcher's settings: `REELWRIGHT_DISPATCHER_*`."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from reelwright.grpc_security import TlsFiles, require_pair


class DispatcherSettings(BaseSettings):
    """How batches are leased.

    Attributes:
        address: where gRPC listens: `host:port` (port 0 picks a free one) or `unix:/path`.
        scaler_address: where KEDA asks for the number of pods, and others for forecasts: `host:port`. Nothing is served
            there when it is not set. TLS as on `address`; it needs no token.
        scaler_target_seconds: time from its submission in which a title without a deadline should be restored.
        scaler_settle_seconds: how long a dispatcher that has started answers nothing, so that titles and
            pods have been reported to it. Longer than the interval of the decoders' reports.
        lease_seconds: how long a lease lasts, including the time a batch waits at its worker; after that the batch goes
            to another worker. The end of a stream shows a dead or frozen worker sooner; the lease's end shows one that
            hangs. Must be long enough for the slowest worker to restore all the batches it holds, three by default. A
            batch that is too large for every connected worker fails its title after the same time.
        max_failures: workers that reported a failure of a batch, after which it is given up. When fewer workers can
            restore it, it is given up after as many failures of all of them.
        max_losses: workers lost (stream broken, lease expired) while they restored a batch exclusively, after which it
            is given up. A batch is leased exclusively once it was lost twice together with others.
        prefer_other_seconds: how long a returned batch waits for a worker that has neither failed nor lost it.
        quarantine_runs: a worker is quarantined when, among its latest 20 batches, it failed batches of this many runs
            that other workers restored.
        quarantine_seconds: how long a worker of the same name is refused after that.
        unserved_seconds: how long batches wait for a model or an engine that no worker has before it is logged.
        hold_batches: limit on the batches of each class held at once, queued and leased together. A worker holds three
            by default, so this and `hold_bytes` limit how many workers a dispatcher can keep busy.
        hold_bytes: limit on their bytes; the limit that is reached first applies.
        keepalive_seconds: time between two pings to a worker, and how long it has to answer one.
        max_message_bytes: largest gRPC message to a worker.
        max_request_bytes: largest gRPC message from a worker; none of them contains frames.
        max_credits: batches that a worker may hold and ask for; what it asks for beyond that is ignored.
        max_streams: streams of all workers together.
        max_streams_per_peer: streams from one IP address.
        hello_seconds: how long a new stream has to name its worker.
        tls_certificate: PEM file of the dispatcher's certificate and those that signed it; turns on TLS. The files are
            read again for each new connection.
        tls_key: PEM file of its private key.
        tls_client_ca: PEM file of the authorities that sign the workers' certificates; turns on mutual TLS.
        token: what workers must know, at least 16 characters; use it together with TLS where others may listen.
        max_batch_bytes: most bytes that the pictures of a batch may take when they are decoded, at 6 bytes a pixel. The
            default admits a picture of 4096x4096 with six halo frames; raise it with the decoder's limits.
        drain_seconds: how long a stopping dispatcher waits for receipts of leased batches.
    """

    model_config = SettingsConfigDict(env_prefix="REELWRIGHT_DISPATCHER_", frozen=True)
    address: str = "127.0.0.1:0"
    scaler_address: str = ""
    scaler_target_seconds: float = Field(default=3600.0, gt=0)
    scaler_settle_seconds: float = Field(default=15.0, ge=0)
    lease_seconds: float = Field(default=180.0, gt=0)
    max_failures: int = Field(default=3, ge=1)
    max_losses: int = Field(default=3, ge=1)
    prefer_other_seconds: float = Field(default=10.0, ge=0)
    quarantine_runs: int = Field(default=3, ge=1)
    quarantine_seconds: float = Field(default=60.0, ge=0)
    unserved_seconds: float = Field(default=10.0, ge=0)
    hold_batches: int = Field(default=512, ge=1)
    hold_bytes: int = Field(default=256 << 20, ge=1)
    keepalive_seconds: float = Field(default=5.0, gt=0)
    max_message_bytes: int = Field(default=128 << 20, ge=1 << 20)
    max_request_bytes: int = Field(default=64 << 10, ge=4 << 10)
    max_credits: int = Field(default=256, ge=1)
    max_streams: int = Field(default=2000, ge=1)
    max_streams_per_peer: int = Field(default=256, ge=1)
    hello_seconds: float = Field(default=10.0, gt=0)
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    token: SecretStr | None = Field(default=None, min_length=16)
    max_batch_bytes: int = Field(default=768 << 20, ge=1)
    drain_seconds: float = Field(default=20.0, ge=0)

    @property
    def tls(self) -> TlsFiles | None:
        """The certificate files; None without TLS."""
        if self.tls_certificate is None:
            return None
        return TlsFiles(self.tls_certificate, self.tls_key, self.tls_client_ca)

    @property
    def knows_workers(self) -> bool:
        """Whether only workers that prove who they are can connect."""
        return self.token is not None or self.tls_client_ca is not None or self.address.startswith("unix:")

    @model_validator(mode="after")
    def _require_key(self) -> Self:
        require_pair(self.tls_certificate, self.tls_key)
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise ValueError("TLS_CLIENT_CA needs TLS_CERTIFICATE and TLS_KEY")
        return self
