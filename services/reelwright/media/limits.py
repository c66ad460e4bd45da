"""What a source may be at most and at least. Settings, not facts: a larger machine raises them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Limits(BaseModel):
    """Bounds on a source's stored picture, in luma samples.

    Attributes:
        min_side: below this width or height a network has nothing to work with.
        max_width: widest picture taken; one frame of it must fit the bus and a worker's memory.
        max_height: highest picture taken; the default admits a full-aperture 4K film scan (4096x3112).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    min_side: int = Field(default=32, ge=1)
    max_width: int = Field(default=4096, ge=1)
    max_height: int = Field(default=4096, ge=1)
