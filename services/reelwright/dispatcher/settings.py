"""The dispatcher's settings: `REELWRIGHT_DISPATCHER_*`."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class DispatcherSettings(BaseSettings):
    """How batches are leased.

    Attributes:
        address: where gRPC listens: `host:port` (port 0 picks a free one) or `unix:/path`.
        lease_seconds: how long a lease lasts, including the time a batch waits at its worker; after that the batch goes
            to another worker. The end of a stream shows a dead or frozen worker sooner; the lease's end shows one that
            hangs. Must be long enough for the slowest worker to restore all the batches it holds, three by default.
        max_failures: failures reported by workers after which a batch is given up.
        max_losses: workers lost (stream broken, lease expired) while they restored a batch exclusively, after which it
            is given up. A batch is leased exclusively once it was lost twice together with others.
        prefer_other_seconds: how long a returned batch waits for a worker that has not failed it.
        unserved_seconds: how long batches wait for a model that no worker serves before it is logged.
        hold_batches: limit on the batches of each class held at once, queued and leased together. A worker holds three
            by default, so this and `hold_bytes` limit how many workers a dispatcher can keep busy.
        hold_bytes: limit on their bytes; the limit that is reached first applies.
        keepalive_seconds: time between two pings to a worker, and how long it has to answer one.
        max_message_bytes: largest gRPC message.
        drain_seconds: how long a stopping dispatcher waits for receipts of leased batches.
    """

    model_config = SettingsConfigDict(env_prefix="REELWRIGHT_DISPATCHER_", frozen=True)
    address: str = "127.0.0.1:0"
    lease_seconds: float = Field(default=180.0, gt=0)
    max_failures: int = Field(default=3, ge=1)
    max_losses: int = Field(default=3, ge=1)
    prefer_other_seconds: float = Field(default=10.0, ge=0)
    unserved_seconds: float = Field(default=10.0, ge=0)
    hold_batches: int = Field(default=512, ge=1)
    hold_bytes: int = Field(default=256 << 20, ge=1)
    keepalive_seconds: float = Field(default=5.0, gt=0)
    max_message_bytes: int = Field(default=128 << 20, ge=1 << 20)
    drain_seconds: float = Field(default=20.0, ge=0)
