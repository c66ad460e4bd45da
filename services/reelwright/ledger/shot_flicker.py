"""How the light of a shot flickers, in its source and restored, from what the workers measured in its frames."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from reelwright.media.cell_light import LocalFlickerSums
from reelwright.media.frame_correction import FrameCorrection
from reelwright.media.frame_fidelity import CELL_COLUMNS, CELL_ROWS, SIXTEENTHS, FrameFidelity
from reelwright.media.light_field import gains, offsets

# Levels of independent flicker have this variance, less the mean of both neighbours.
_VARIANCE = 1.5
# In black film a level more or less is nothing.
_LEAST_LEVEL = 8.0


@dataclass(slots=True)
class _MeanLuma:
    """How the mean luma of frames in a row changes, without what changes evenly, as a fade does."""

    total: float = 0.0
    _count: int = 0
    _squares: float = 0.0
    _latest: deque[float] = field(default_factory=lambda: deque(maxlen=3))

    def add(self, level: float) -> None:
        self.total += level
        self._count += 1
        self._latest.append(level)
        if len(self._latest) == 3:
            before, middle, after = self._latest
            self._squares += (middle - (before + after) / 2) ** 2

    def per_cent(self) -> float:
        if self._count < 3:
            return 0.0
        level = max(self.total / self._count, _LEAST_LEVEL)
        return round(math.sqrt(self._squares / (self._count - 2) / _VARIANCE) / level * 100, 3)


@dataclass(slots=True)
class ShotFlickerSums:
    """Sums over the frames of a shot, which are added in order.

    Attributes:
        black: level of black, in 8-bit levels.
    """

    black: int
    _before: _MeanLuma = field(default_factory=_MeanLuma)
    _after: _MeanLuma = field(default_factory=_MeanLuma)
    _local_before: LocalFlickerSums = field(default_factory=LocalFlickerSums)
    _local_after: LocalFlickerSums = field(default_factory=LocalFlickerSums)
    _has_cells: bool = True

    @property
    def brightness(self) -> float:
        """By how many levels the mean luma of all frames together rose."""
        return self._after.total - self._before.total

    def add(self, found: FrameFidelity, correction: FrameCorrection | None) -> None:
        """Adds the next frame.

        Args:
            found: what was measured in it, after its light was evened out.
            correction: how that was done; None when it was not.
        """
        even = correction or FrameCorrection()
        self._before.add((found.level_before - 255 * even.offset) / even.gain - even.local_lift)
        self._after.add(found.level_after)
        self._has_cells = self._has_cells and bool(found.cells_before)
        if self._has_cells:
            self._local_before.add(self._source_light(found, even))
            self._local_after.add([code / SIXTEENTHS - self.black for code in found.cells_after])

    def figures(self) -> dict[str, float | None]:
        """The figures of flicker in `ShotFidelity`."""
        return {
            "flicker_before": self._before.per_cent(),
            "flicker_after": self._after.per_cent(),
            "local_flicker_before": self._local_before.per_cent() if self._has_cells else None,
            "local_flicker_after": self._local_after.per_cent() if self._has_cells else None,
        }

    def _source_light(self, found: FrameFidelity, even: FrameCorrection) -> list[float]:
        """Light of the cells above black as it was in the source."""
        grid = CELL_ROWS, CELL_COLUMNS
        factors, shares = gains(even.local, grid).ravel().tolist(), offsets(even.local_offset, grid).ravel().tolist()
        levels = [(code / SIXTEENTHS - 255 * even.offset) / even.gain for code in found.cells_before]
        return [
            (level - 255 * share - self.black) / factor
            for level, share, factor in zip(levels, shares, factors, strict=True)
        ]
