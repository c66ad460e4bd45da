"""What a source may be at most and at least. Settings, not facts: a larger machine raises them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from reelwright.titles.errors import InputError


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

    def check_size(self, width: int, height: int, location: str) -> None:
        """Checks a picture's size; a size of 0 is not known yet and passes.

        Raises:
            InputError: the picture is too small or too large; the message names `location`.
        """
        if not width or not height:
            return
        if min(width, height) < self.min_side:
            raise InputError(
                f"its picture is {width}x{height}, too small to restore",
                location,
                f"the least is {self.min_side} on each side",
            )
        if width > self.max_width or height > self.max_height:
            raise InputError(
                f"its picture is {width}x{height}, too large",
                location,
                f"the most is {self.max_width}x{self.max_height}; scale it down first",
            )
