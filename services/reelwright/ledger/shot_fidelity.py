"""How each shot of a film agrees with its source, from what the workers measured in its frames."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from reelwright.ledger.shot_flicker import ShotFlickerSums
from reelwright.media.frame_correction import FrameCorrection
from reelwright.media.frame_fidelity import FrameFidelity

# Figures whose mean over the shot is kept.
_MEANS = (
    "difference",
    "coarse_difference",
    "invention",
    "invention_finest",
    "unsupported",
    "grain_before",
    "grain_after",
    "repaired",
    "scratched",
    "held_back",
)


class ShotFidelity(BaseModel):
    """How a shot agrees with its source: means over its frames, unless it says otherwise. `FrameFidelity` has the rest.

    Attributes:
        difference: root mean square of the restored luma made small less the source's, in levels.
        coarse_difference: the same of the means over 8x8 samples.
        invention: root mean square of detail that the source cannot confirm, one octave above the source's, in levels.
        invention_finest: the same in the octave above that.
        unsupported: root mean square of new detail where the source has none, in levels.
        grain_before: standard deviation of the source's noise, in levels.
        grain_after: the same of the restored luma made small.
        repaired: share of the samples that were replaced as dust.
        scratched: share of the samples that were changed on lasting vertical lines.
        held_back: share of the network's work that a limit of the recipe took back.
        tint: the largest of its frames.
        brightness: by how many levels the mean luma rose.
        flicker_before: root mean square of a frame's mean luma less that of its neighbours, in per cent of it.
        flicker_after: the same in the restored frames.
        local_flicker_before: how much parts of the picture flicker against each other (`media.cell_light`): standard
            deviation over the picture and the frames, in per cent of the light. None when the shot has fewer than eight
            frames or very small ones, or a worker of an earlier version restored a part of it.
        local_flicker_after: the same in the restored frames.
        worst_frame: index in the title of the frame with the most `unsupported` and `coarse_difference` together.
        worst: what it has of both together, in levels.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    difference: float
    coarse_difference: float
    invention: float
    invention_finest: float
    unsupported: float
    grain_before: float
    grain_after: float
    repaired: float
    scratched: float
    held_back: float = 0.0
    tint: float
    brightness: float
    flicker_before: float
    flicker_after: float
    local_flicker_before: float | None = None
    local_flicker_after: float | None = None
    worst_frame: int
    worst: float


def film_fidelity(shots: Iterable[tuple[ShotFidelity | None, int]]) -> ShotFidelity | None:
    """How a film agrees with its source, from that of its shots, each with its number of frames.

    Means are weighted by frames, flicker by their squares. None when no shot was measured.
    """
    known = [(found, frames) for found, frames in shots if found is not None]
    if not known:
        return None
    total = sum(frames for _, frames in known)

    def mean(name: str, power: int = 1) -> float:
        powers = sum(getattr(found, name) ** power * frames for found, frames in known)
        return round(float((powers / total) ** (1 / power)), 6)

    def known_mean(name: str) -> float | None:
        values = [(value, frames) for found, frames in known if (value := getattr(found, name)) is not None]
        if not values:
            return None
        squares = sum(value**2 * frames for value, frames in values)
        return round(math.sqrt(squares / sum(frames for _, frames in values)), 6)

    worst = max((found for found, _ in known), key=lambda found: found.worst)
    return ShotFidelity(
        **{name: mean(name) for name in (*_MEANS, "brightness")},
        flicker_before=mean("flicker_before", 2),
        flicker_after=mean("flicker_after", 2),
        local_flicker_before=known_mean("local_flicker_before"),
        local_flicker_after=known_mean("local_flicker_after"),
        tint=max(found.tint for found, _ in known),
        worst_frame=worst.worst_frame,
        worst=worst.worst,
    )


class FrameCurves(BaseModel):
    """The figures of `FrameFidelity` for each frame of a film in order, as whole numbers, so that they are small.

    Levels are hundredths, mean luma tenths of a level, shares millionths.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    difference: tuple[int, ...]
    coarse_difference: tuple[int, ...]
    invention: tuple[int, ...]
    invention_finest: tuple[int, ...]
    unsupported: tuple[int, ...]
    level_before: tuple[int, ...]
    level_after: tuple[int, ...]
    grain_before: tuple[int, ...]
    grain_after: tuple[int, ...]
    tint: tuple[int, ...]
    repaired: tuple[int, ...]
    scratched: tuple[int, ...]
    held_back: tuple[int, ...] = ()


CURVE_UNITS = {
    **dict.fromkeys(FrameCurves.model_fields, 0.01),
    **dict.fromkeys(("level_before", "level_after"), 0.1),
    **dict.fromkeys(("repaired", "scratched", "held_back"), 1e-6),
}
"""What one unit of each figure of `FrameCurves` is."""


@dataclass(slots=True)
class CurveAccount:
    """Collects the figures of a film's frames, which are added in order."""

    _curves: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in CURVE_UNITS})
    _missing: bool = False

    def add(self, found: FrameFidelity | None) -> None:
        """Adds the next frame; None for one that was not measured."""
        if found is None or self._missing:
            self._missing = True
            return
        for name, values in self._curves.items():
            values.append(round(getattr(found, name) / CURVE_UNITS[name]))

    def whole(self) -> FrameCurves | None:
        """The figures of all frames; None when a frame was not measured."""
        if self._missing:
            return None
        return FrameCurves(**{name: tuple(values) for name, values in self._curves.items()})


@dataclass(slots=True)
class ShotFidelitySums:
    """Sums over the frames of a shot, which are added in order.

    Attributes:
        black: level of black, in 8-bit levels.
        frames: number of frames.
        missing: whether one of them was not measured.
    """

    black: int
    frames: int = 0
    missing: bool = False
    _sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_MEANS, 0.0))
    _tint: float = 0.0
    _worst: tuple[float, int] = (-1.0, 0)
    _flicker: ShotFlickerSums = field(init=False)

    def __post_init__(self) -> None:
        self._flicker = ShotFlickerSums(self.black)

    def add(self, index: int, found: FrameFidelity | None, correction: FrameCorrection | None) -> None:
        """Adds the next frame.

        Args:
            index: of the frame in the title.
            found: what was measured in it.
            correction: how its light was evened out before; None when it was not.
        """
        self.frames += 1
        if found is None:
            self.missing = True
            return
        for name in _MEANS:
            self._sums[name] += getattr(found, name)
        self._tint = max(self._tint, found.tint)
        # Of equal frames the first one counts.
        self._worst = max(self._worst, (found.departure, -index))
        self._flicker.add(found, correction)

    def shot(self) -> ShotFidelity | None:
        """The shot of these frames; None when one of them was not measured."""
        if self.missing or not self.frames:
            return None
        worst, frame = self._worst
        return ShotFidelity(
            **{name: round(total / self.frames, 6) for name, total in self._sums.items()},
            tint=self._tint,
            brightness=round(self._flicker.brightness / self.frames, 3),
            **self._flicker.figures(),
            worst_frame=-frame,
            worst=round(worst, 3),
        )
