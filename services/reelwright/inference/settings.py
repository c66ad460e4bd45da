"""The inference worker's settings: `REELWRIGHT_INFERENCE_*`."""

from __future__ import annotations

import os
import socket
import uuid
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from reelwright.grpc_security import ClientTlsSettings
from reelwright.titles.identity import DEFAULT_POOL, POOL_NAME


def _default_name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"


class InferenceSettings(ClientTlsSettings):
    """How a worker restores batches, and its certificates.

    Attributes:
        dispatcher: the dispatchers' addresses, separated by commas: `host:port` or `unix:/path`. The worker opens a
            stream to each.
        name: the worker's name, unique among the workers of a dispatcher.
        pool: its pool: workers of a pool have the same engine, model and kind of machine, and
            are scaled together.
        price_per_hour: what an hour of the worker's pod costs, in your currency; films and metrics tell the cost.
        model: the network it serves: the name of a packaged one, a safetensors file, or `sha256:` and the hash of one
            in the store.
        engine: what runs the network.
        threads: CPU threads of the network; all cores when not set.
        parallel: batches restored at the same time, each by one thread.
        prefetch: batches held in addition, so that no thread waits for the next batch or for the bus.
        codec: transport codec of restored frames; `auto` chooses the fastest overall, once per run.
        drain_seconds: how long a stopping worker waits for started batches; after it they are released at the next
            frame.
        retry_seconds: longest pause between two tries to reach a dispatcher.
        keepalive_seconds: time between two pings to a dispatcher, and how long it has to answer one.
        max_message_bytes: largest gRPC message.
        token: what the dispatchers ask for.
        max_batch_bytes: most bytes that the pictures of a batch may take when they are decoded, at 6 bytes a pixel. The
            default admits a picture of 4096x4096 with six halo frames; raise it with the decoder's limits.
    """

    model_config = SettingsConfigDict(env_prefix="REELWRIGHT_INFERENCE_", frozen=True)
    dispatcher: str = "127.0.0.1:7010"
    name: str = Field(default_factory=_default_name, min_length=1)
    pool: str = Field(default=DEFAULT_POOL, pattern=POOL_NAME.pattern)
    price_per_hour: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    model: str = "reel-s"
    engine: Literal["auto", "openvino", "torch"] = "auto"
    threads: int | None = Field(default=None, ge=1)
    parallel: int = Field(default=1, ge=1)
    prefetch: int = Field(default=2, ge=1)
    codec: Literal["raw", "zstd", "delta-zstd", "auto"] = "auto"
    drain_seconds: float = Field(default=20.0, ge=0)
    retry_seconds: float = Field(default=5.0, gt=0)
    keepalive_seconds: float = Field(default=5.0, gt=0)
    max_message_bytes: int = Field(default=128 << 20, ge=1 << 20)
    max_batch_bytes: int = Field(default=768 << 20, ge=1)
    token: SecretStr | None = Field(default=None, min_length=16)

    @property
    def dispatchers(self) -> tuple[str, ...]:
        """The dispatchers' addresses, each once."""
        return tuple(dict.fromkeys(part.strip() for part in self.dispatcher.split(",") if part.strip()))

    @field_validator("dispatcher")
    @classmethod
    def _require_address(cls, value: str) -> str:
        if not value.replace(",", " ").split():
            raise ValueError("give the address of at least one dispatcher, e.g. 127.0.0.1:7010")
        return value
