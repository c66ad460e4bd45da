"""What the worker measures of a restored frame against its source, for records and messages."""

from __future__ import annotations

import math
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

CELL_ROWS, CELL_COLUMNS = 4, 6
"""The grid of `FrameFidelity.cells_before`."""
SIXTEENTHS = 16
"""Units of `FrameFidelity.cells_before` in a level."""
_Sixteenths = Annotated[int, Field(ge=-32768, le=32767)]


class FrameFidelity(BaseModel):
    """How a restored frame agrees with its source. Levels are 8-bit code values of luma.

    The reference is the source's luma as the enlargement was given it: after deflickering, with its dust repaired and
    its tone opened, and before the frame is moved. So what the recipe asks for is no disagreement.
    At scales 3 and 4 new detail (`invention`, `invention_finest`, `unsupported`) is measured in every fifth row of it.

    Attributes:
        difference: root mean square, in levels, of the restored luma made small by area averaging less the reference.
            Grain that was removed is part of it.
        coarse_difference: the same of the means over 8x8 samples of the source, which no grain reaches.
        invention: root mean square, in levels, of detail that the restored luma has over the bicubic enlargement of the
            reference and that area averaging loses, so that the source cannot confirm it: of half a sample of the
            source (of a third at scale 3).
        invention_finest: the same for detail of a quarter of a sample; 0 at scales 2 and 3.
        unsupported: root mean square, in levels, of the part of both by which they exceed, block by block of 16x16
            samples, the finest detail of the reference: new detail where the source has none.
        level_before: mean luma of the source after deflickering, in levels.
        level_after: mean luma of the restored frame, in levels.
        cells_before: the same as `level_before` in each of 4x6 cells of the picture, row by row, in sixteenths of a
            level. Empty for pictures that are smaller, and from workers of earlier versions.
        cells_after: the same of `level_after`.
        grain_before: noise of the source's quietest quarter, standard deviation in levels (of a single frame, unlike
            `FrameDamage.grain`).
        grain_after: the same of the restored luma made small.
        tint: by how many levels the mean chroma differs from the source's, from neutral if the source has no chroma, in
            that part of the picture (of 4x4) where it does most.
        repaired: share of the samples that were replaced as dust.
        scratched: share of the samples that lie on a thin vertical line that lasts, and lost at least two levels of it.
            Lines of a scene that stands still are among them.
        held_back: share of the network's work that a limit of the recipe took back; the others are figures after it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)
    difference: float = Field(ge=0, le=4096)
    coarse_difference: float = Field(ge=0, le=4096)
    invention: float = Field(ge=0, le=4096)
    invention_finest: float = Field(ge=0, le=4096)
    unsupported: float = Field(ge=0, le=4096)
    level_before: float = Field(ge=-4096, le=4096)
    level_after: float = Field(ge=-4096, le=4096)
    cells_before: tuple[_Sixteenths, ...] = ()
    cells_after: tuple[_Sixteenths, ...] = ()
    grain_before: float = Field(ge=0, le=4096)
    grain_after: float = Field(ge=0, le=4096)
    tint: float = Field(ge=0, le=4096)
    repaired: float = Field(ge=0, le=1)
    scratched: float = Field(ge=0, le=1)
    held_back: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _check_cells(self) -> Self:
        if {len(self.cells_before), len(self.cells_after)} not in ({0}, {CELL_ROWS * CELL_COLUMNS}):
            raise ValueError(f"mean luma of {len(self.cells_before)} and {len(self.cells_after)} cells")
        return self

    @property
    def departure(self) -> float:
        """How far the frame departs from its source, in levels: what it adds without support or contradicts."""
        return math.hypot(self.unsupported, self.coarse_difference)
