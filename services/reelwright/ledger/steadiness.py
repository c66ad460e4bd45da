"""How steady each shot of a film was and is, from what decoder and encoder measured in its frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from reelwright.ledger.manifest import ShotEntry, ShotSteadiness
from reelwright.ledger.records import SegmentRecord
from reelwright.media.frame_correction import ScenePlace

# What changes within a second is unsteadiness, what takes longer is the scene: half a second on either side.
_HALF_SECOND = 12
# Fewer frames on either side say little.
_LEAST_HALF = 4


@dataclass(slots=True)
class _Squares:
    """Sums of squares over a shot, in the order of `ShotSteadiness`."""

    sums: list[float] = field(default_factory=lambda: [0.0] * len(ShotSteadiness.model_fields))
    frames: int = 0


class SteadinessAccount:
    """Adds up a film's segments. The scene is counted anew in each segment, so segments are compared by themselves."""

    def __init__(self) -> None:
        self._shots: list[_Squares] = []

    def add(self, record: SegmentRecord) -> None:
        """Adds the next segment."""
        starts = [index for index, frame in enumerate(record.frames) if frame.shot_start or not (index or self._shots)]
        borders = sorted({0, *starts, len(record.frames)})
        for first, last in pairwise(borders):
            if first in starts:
                self._shots.append(_Squares())
            before = [frame.correction for frame in record.frames[first:last] if frame.correction is not None]
            after = record.scene[first:last]
            if len(before) == len(after):
                self._add_part(before, after)

    def shots(self) -> list[ShotSteadiness | None]:
        """What was found, shot by shot; None for shots without measurements."""
        return [_summary(shot) for shot in self._shots]

    def _add_part(self, before: Sequence[ScenePlace], after: Sequence[ScenePlace]) -> None:
        count, shot = len(before), self._shots[-1]
        for at in range(_LEAST_HALF, count - _LEAST_HALF):
            half = min(_HALF_SECOND, at, count - 1 - at)
            shot.frames += 1
            for number, places in ((0, before), (1, after)):
                right, down, light, rotation = _deviation(places[at - half : at + half + 1], places[at])
                shot.sums[number] += right**2 + down**2
                shot.sums[2 + number] += light**2
                shot.sums[4 + number] += rotation**2


def steadiness_of(shots: Sequence[ShotEntry]) -> ShotSteadiness | None:
    """The root mean squares over several shots, weighted by their frames; None when nothing was measured."""
    measured = [(shot.steadiness, shot.frames) for shot in shots if shot.steadiness is not None]
    if not measured:
        return None
    frames = sum(count for _, count in measured)
    return ShotSteadiness(
        **{
            name: (sum(getattr(found, name) ** 2 * count for found, count in measured) / frames) ** 0.5
            for name in ShotSteadiness.model_fields
        }
    )


def _deviation(around: Sequence[ScenePlace], place: ScenePlace) -> tuple[float, float, float, float]:
    """Distance of a place from the mean of those around it: samples right and down, per cent of the level, degrees."""
    count = len(around)
    names = ("right", "down", "light", "level", "rotation")
    right, down, light, level, rotation = (sum(getattr(each, name) for each in around) / count for name in names)
    # In black film a level more or less is nothing.
    lighter = (place.light - light) / max(level, 8.0) * 100
    return place.right - right, place.down - down, lighter, place.rotation - rotation


def _summary(shot: _Squares) -> ShotSteadiness | None:
    if not shot.frames:
        return None
    roots = [round((total / shot.frames) ** 0.5, 3) for total in shot.sums]
    return ShotSteadiness(**dict(zip(ShotSteadiness.model_fields, roots, strict=True)))
