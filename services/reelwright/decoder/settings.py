"""The decoder's settings: `REELWRIGHT_DECODER_*`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from reelwright.media.limits import Limits


class DecoderSettings(BaseSettings):
    """How much a decoder does at once.

    Attributes:
        titles: titles of each priority class decoded at the same time. Classes do not wait for each other. A decode
            spends most of its time waiting for its window.
        window: segments of a title in flight, from published to committed.
        codec: transport codec of frames (`auto` chooses what pays).
        limits: what sources are accepted.
        stall_seconds: time without a commit after which the uncommitted segments of a title are published again, in
            case the bus has lost them; doubled each time up to an hour. Segments that only wait for workers are then
            published twice, so the value is large.
        max_crashes: deaths of decoders while they decoded the same frames, after which the title fails; 0 for no limit.
        retry_unavailable: retry on a temporary error, such as a source's store that does not answer, instead of failing
            the title.
    """

    model_config = SettingsConfigDict(env_prefix="REELWRIGHT_DECODER_", env_nested_delimiter="__", frozen=True)
    titles: int = Field(default=2, ge=1)
    window: int = Field(default=3, ge=2)
    codec: Literal["raw", "zstd", "delta-zstd", "auto"] = "auto"
    limits: Limits = Limits()
    stall_seconds: float = Field(default=300.0, gt=0)
    max_crashes: int = Field(default=3, ge=0)
    retry_unavailable: bool = True
