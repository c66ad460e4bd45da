"""Where the dark and the bright end of each shot of a film lay and lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from reelwright.ledger.measured_frame import MeasuredFrame
from reelwright.ledger.shot_means import mean_of


class ShotContrast(BaseModel):
    """Dark and bright end of a shot's frames, the mean of each figure; see `ContrastPoints`.

    Attributes:
        black_before: of the source's frames.
        white_before: the same.
        black_after: of the restored frames.
        white_after: the same.
        gain: factor of the contrast by which the step brought it back; 1 where it left the shot.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    black_before: float
    white_before: float
    black_after: float
    white_after: float
    gain: float


@dataclass(slots=True)
class ContrastSums:
    """Sums of each figure of `ShotContrast`, in its order, over the frames of a shot that were measured."""

    frames: int = 0
    sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(ShotContrast.model_fields, 0.0))

    def add(self, frame: MeasuredFrame) -> None:
        """Adds a frame of the shot."""
        before, after = frame.record.fading, frame.points
        if before is None or after is None:
            return
        self.frames += 1
        figures = (before.black, before.white, after.black, after.white, before.gain)
        for name, figure in zip(self.sums, figures, strict=True):
            self.sums[name] += figure

    def shot(self) -> ShotContrast | None:
        """The means; None when nothing was measured."""
        if not self.frames:
            return None
        return ShotContrast(**{name: round(total / self.frames, 4) for name, total in self.sums.items()})


def contrast_of(shots: Sequence[tuple[ShotContrast | None, int]]) -> ShotContrast | None:
    """The means over the shots whose contrast was brought back; over all that were measured if it was of none.

    Args:
        shots: each shot's contrast and its number of frames.
    """
    return mean_of([each for each in shots if each[0] is not None and each[0].gain != 1]) or mean_of(shots)
