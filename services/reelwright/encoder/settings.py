"""The encoder's settings: `REELWRIGHT_ENCODER_*`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class EncoderSettings(BaseSettings):
    """How much an encoder does at once.

    Attributes:
        parallel_segments: segments encoded at the same time, one thread each.
        open_segments: segments whose codec is open at the same time; the others wait for their last batch, and are then
            encoded at once. A codec takes most of an encoder's memory. One for each of `parallel_segments` at least.
        waiting_bytes: bytes of frames that wait in memory for their segment's codec; what is more goes to the store.
        scratch: folder for files under way; the system's temporary folder when not set.
        max_crashes: deaths of encoders while they encoded the same segment or assembled the same film, after which the
            title fails; 0 for no limit.
        retry_unavailable: retry on a temporary error, such as a full scratch folder, instead of failing the title.
    """

    model_config = SettingsConfigDict(env_prefix="REELWRIGHT_ENCODER_", frozen=True)
    parallel_segments: int = Field(default=1, ge=1)
    open_segments: int = Field(default=4, ge=1)
    waiting_bytes: int = Field(default=64 << 20, ge=0)
    scratch: Path | None = None
    max_crashes: int = Field(default=3, ge=0)
    retry_unavailable: bool = True
