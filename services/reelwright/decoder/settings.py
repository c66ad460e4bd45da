"""The decoder's settings: `REELWRIGHT_DECODER_*`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from reelwright.media.limits import Limits


class DecoderSettings(BaseSettings):
    """How much a decoder does at once.

    Attributes:
        titles: titles decoded at the same time.
        window: segments of a title in flight, from published to committed.
        codec: transport codec of frames (`auto` chooses what pays).
        limits: what sources are accepted.
    """

    model_config = SettingsConfigDict(env_prefix="REELWRIGHT_DECODER_", env_nested_delimiter="__", frozen=True)
    titles: int = Field(default=2, ge=1)
    window: int = Field(default=3, ge=2)
    codec: Literal["raw", "zstd", "delta-zstd", "auto"] = "auto"
    limits: Limits = Limits()
