"""The dispatcher's settings: `REELWRIGHT_DISPATCHER_*`."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class DispatcherSettings(BaseSettings):
    """How batches are leased.

    Attributes:
        address: where gRPC listens: `host:port` (port 0 picks a free one) or `unix:/path`.
        lease_seconds: time a worker has for a batch, waiting in its prefetch included; after it the batch goes to
            another. A worker that dies or freezes is noticed sooner, by its stream; this is for one that hangs. Give
            the slowest worker room for as many batches as it holds, three with its defaults.
        attempts: failures reported by workers after which a batch is given up.
        losses: workers lost (stream broken, lease expired) with a batch that they were restoring alone, after which
            it is given up. A batch is restored alone once it was lost twice with others beside it.
        prefer_other_seconds: how long a batch that came back waits for a worker that has not failed it.
        unserved_seconds: how long batches wait for a model that no worker serves before the log says so.
        hold_batches: batches of each class held at once, waiting and leased together. A worker holds three, so this
            and `hold_bytes` bound how many workers one dispatcher keeps busy.
        hold_bytes: the same in bytes; whichever is reached first.
        keepalive_seconds: a worker is pinged this often, and taken for gone when it does not answer a ping for as long.
        max_message_bytes: largest gRPC message.
        drain_seconds: time that leased batches get to finish when the dispatcher stops.
    """

    model_config = SettingsConfigDict(env_prefix="REELWRIGHT_DISPATCHER_", frozen=True)
    address: str = "127.0.0.1:0"
    lease_seconds: float = Field(default=90.0, gt=0)
    attempts: int = Field(default=3, ge=1)
    losses: int = Field(default=3, ge=1)
    prefer_other_seconds: float = Field(default=10.0, ge=0)
    unserved_seconds: float = Field(default=10.0, ge=0)
    hold_batches: int = Field(default=512, ge=1)
    hold_bytes: int = Field(default=256 << 20, ge=1)
    keepalive_seconds: float = Field(default=5.0, gt=0)
    max_message_bytes: int = Field(default=128 << 20, ge=1 << 20)
    drain_seconds: float = Field(default=20.0, ge=0)
