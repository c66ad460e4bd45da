"""The edit list of a film: which step changed which frames, and how much."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from reelwright.ledger.measured_frame import MeasuredFrame
from reelwright.media.source_info import VideoInfo
from reelwright.titles.recipe import Recipe

# Corrections smaller than these change no sample: in 8-bit levels, in samples, and in degrees.
_LEAST_LIGHT, _LEAST_MOVE, _LEAST_ROTATION = 0.02, 0.001, 0.001
_DIGITS = 5


class EditStep(BaseModel):
    """What one step of the restoration changed.

    Attributes:
        step: its name, a key of `UNITS`.
        unit: of its strength.
        ranges: first frame, last frame and mean strength of each row of frames that it changed, in order. A row ends
            with its shot.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    step: str
    unit: str
    ranges: tuple[tuple[int, int, float], ...]


UNITS = {
    "conceal": "frames that repeat the one before",
    "deinterlace": "frames",
    "repeat": "frames that show the restored frame before them again",
    "deflicker": "levels by which luma was changed",
    "fading": "per cent by which the contrast was raised",
    "repair": "share of the samples that were replaced as dust",
    "enlarge": "factor of width and height",
    "scratches": "share of the samples that were changed on lasting vertical lines",
    "limits": "share of the network's work that was taken back",
    "tone": "share of the samples that were changed by 1 % or more",
    "grain": "share of the removed grain that was not added back",
    "synthesis": "share of the grain's strength that was made anew",
    "stabilise": "samples of the source by which the picture was moved",
    "stabilise_rotation": "degrees by which the picture was turned",
}


def is_deinterlaced(recipe: Recipe, video: VideoInfo) -> bool:
    """Whether a film's frames were deinterlaced, or matched back to whole frames."""
    return recipe.deinterlace == "on" or (recipe.deinterlace == "auto" and video.field_order != "progressive")


def limited_frames(edits: Iterable[EditStep]) -> int:
    """In how many frames a limit of the recipe took some of the network's work back."""
    return sum(last - first + 1 for step in edits if step.step == "limits" for first, last, _ in step.ranges)


@dataclass(slots=True)
class _Row:
    """Frames in a row that a step changed."""

    first: int
    last: int
    total: float


@dataclass(slots=True)
class EditAccount:
    """Collects the edit list from a film's frames, which are added in order. Steps have their order in the chain.

    Attributes:
        recipe: of the film.
        deinterlaced: see `is_deinterlaced`.
    """

    recipe: Recipe
    deinterlaced: bool
    _rows: dict[str, list[_Row]] = field(default_factory=lambda: {name: [] for name in UNITS})

    def add(self, index: int, frame: MeasuredFrame) -> None:
        """Adds the frame of this index in the title."""
        for step, strength in self._strengths(frame).items():
            rows = self._rows[step]
            if rows and rows[-1].last == index - 1 and not frame.record.shot_start:
                rows[-1].last = index
                rows[-1].total += strength
            else:
                rows.append(_Row(index, index, strength))

    def steps(self) -> tuple[EditStep, ...]:
        """The steps that changed anything."""
        return tuple(
            EditStep(
                step=step,
                unit=UNITS[step],
                ranges=tuple(
                    (row.first, row.last, round(row.total / (row.last - row.first + 1), _DIGITS)) for row in rows
                ),
            )
            for step, rows in self._rows.items()
            if rows
        )

    def _strengths(self, frame: MeasuredFrame) -> dict[str, float]:
        """How much each step changed a frame; only those that did."""
        recipe, correction, fidelity = self.recipe, frame.record.correction, frame.fidelity
        found = {
            "conceal": float(frame.record.concealed),
            "deinterlace": float(self.deinterlaced),
            "repeat": float(recipe.duplicates == "restore-once" and frame.record.duplicate),
            "enlarge": float(recipe.scale),
            "grain": 1 - recipe.grain.keep,
        }
        if recipe.grain.mode != "residual" and recipe.grain.keep:
            found |= {"grain": 1.0, "synthesis": recipe.grain.keep}
        if correction is not None:
            whole = (correction.gain - 1) * correction.level + 255 * correction.offset
            # The terms have a mean square of 1.
            gained, added = correction.level * math.hypot(*correction.local), 255 * math.hypot(*correction.local_offset)
            light = math.hypot(whole, gained, added)
            found["deflicker"] = light if light >= _LEAST_LIGHT else 0.0
            move = math.hypot(correction.move_right, correction.move_down)
            found["stabilise"] = move if move >= _LEAST_MOVE else 0.0
            turn = abs(correction.move_rotation)
            found["stabilise_rotation"] = turn if turn >= _LEAST_ROTATION else 0.0
        if frame.record.fading is not None:
            found["fading"] = max(0.0, 100 * (frame.record.fading.gain - 1))
        if fidelity is not None:
            found |= {"repair": fidelity.repaired, "scratches": fidelity.scratched, "limits": fidelity.held_back}
        elif frame.damage is not None:
            found["repair"] = frame.damage.dust
        if frame.change is not None:
            found["tone"] = frame.change.changed
        return {step: strength for step, strength in found.items() if strength}
