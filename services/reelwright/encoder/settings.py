"""The encoder's settings: `REELWRIGHT_ENCODER_*`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class EncoderSettings(BaseSettings):
    """How much an encoder does at once.

    Attributes:
        parallel_segments: segments encoded at the same time, one thread each.
        scratch: folder for files under way; the system's temporary folder when not set.
        max_crashes: deaths of encoders while they encoded the same segment or assembled the same film, after which the
            title fails; 0 for no limit.
        retry_unavailable: retry on a temporary error, such as a full scratch folder, instead of failing the title.
    """

    model_config = SettingsConfigDict(env_prefix="REELWRIGHT_ENCODER_", frozen=True)
    parallel_segments: int = Field(default=1, ge=1)
    scratch: Path | None = None
    max_crashes: int = Field(default=3, ge=0)
    retry_unavailable: bool = True
