"""The certificate in the report: each figure's curve over the film, and the worst shots first."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reelwright.ledger.manifest import Manifest, ShotEntry
from reelwright.ledger.report.formatting import frame_time
from reelwright.ledger.shot_fidelity import CURVE_UNITS, FrameCurves

WORST_SHOTS = 20
# Points of a curve, each the largest value of its frames, and the height of its drawing.
_POINTS, _HEIGHT = 800, 60
# A figure that stays below this many levels is drawn as the small one it is.
_LEAST_TOP = 1.0
_CURVES = {
    "Differs from the source": ("difference",),
    "New detail, which the source cannot confirm": ("invention", "invention_finest"),
    "New detail where the source has none": ("unsupported",),
    "Grain before and after": ("grain_before", "grain_after"),
    "Mean brightness before and after": ("level_before", "level_after"),
    "Tint": ("tint",),
}
_COMPARED = {
    "Differs from the source": "difference",
    "New detail, which the source cannot confirm": "invention",
    "The same, of a quarter of a sample": "invention_finest",
    "New detail where the source has none": "unsupported",
    "Grain that is left": "grain_after",
    "Mean brightness": "level_after",
    "Tint": "tint",
}


@dataclass(frozen=True, slots=True)
class Curve:
    """A figure over the film, drawn in a box of `width` by `height`.

    Attributes:
        name: what it shows.
        lines: points of the SVG polylines, the source's first where there are two.
        top: value at the upper edge, in levels.
        cuts: path of the shots' borders.
        width: of the box.
        height: of the box.
    """

    name: str
    lines: tuple[str, ...]
    top: float
    cuts: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class WorstShot:
    """A shot in the list of the worst.

    Attributes:
        number: in the film, from 1.
        shot: its entry in the manifest.
        at: time of its worst frame.
    """

    number: int
    shot: ShotEntry
    at: str


def curves(manifest: Manifest) -> Iterator[Curve]:
    """The curves of a film; none when it was not measured. A figure that is 0 throughout has none."""
    found = manifest.frame_fidelity
    if found is None or not found.difference:
        return
    for name, figures in _CURVES.items():
        lines = [_decimated(found, figure) for figure in figures]
        shown = [line for figure, line in zip(figures, lines, strict=True) if any(line) or figure.endswith("before")]
        yield from _drawn(manifest, name, shown)


def compared_curves(one: Manifest, other: Manifest) -> Iterator[Curve]:
    """The curves of two films of one source with the same shots, the first film's line first."""
    films = (one.frame_fidelity, other.frame_fidelity)
    for name, figure in _COMPARED.items():
        yield from _drawn(one, name, [_decimated(found, figure) for found in films if found is not None])


def _drawn(manifest: Manifest, name: str, lines: Sequence[Sequence[float]]) -> Iterator[Curve]:
    """A curve of these lines; none when all of them are 0 throughout."""
    if any(map(any, lines)):
        top = max(_LEAST_TOP, *(value for line in lines for value in line))
        points = tuple(_points(line, top) for line in lines)
        yield Curve(name, points, top, _cuts(manifest), _POINTS, _HEIGHT)


def worst_shots(manifest: Manifest, most: int = WORST_SHOTS) -> list[WorstShot]:
    """The shots that depart most from the source, worst first."""
    measured = (
        (-shot.fidelity.worst, index, shot) for index, shot in enumerate(manifest.shots) if shot.fidelity is not None
    )
    found = []
    for _, index, shot in heapq.nsmallest(most, measured, key=lambda each: each[:2]):
        assert shot.fidelity is not None, "shots without figures were left out"
        found.append(WorstShot(index + 1, shot, frame_time(manifest, shot.fidelity.worst_frame)))
    return found


def worst_frames_of(manifest: Manifest) -> dict[int, int]:
    """The worst frame of each of the worst shots, by the index of the shot, worst first."""
    known = ((each.number - 1, each.shot.fidelity) for each in worst_shots(manifest))
    return {index: fidelity.worst_frame for index, fidelity in known if fidelity is not None}


def edit_rows(manifest: Manifest) -> Iterator[tuple[str, int, int, float, str]]:
    """Each step of the edit list: name, frames and rows of frames that it changed, mean strength, and its unit."""
    for step in manifest.edits:
        counts = [last - first + 1 for first, last, _ in step.ranges]
        total = sum(count * row[2] for count, row in zip(counts, step.ranges, strict=True))
        yield step.step, sum(counts), len(counts), total / sum(counts), step.unit


def _decimated(found: FrameCurves, figure: str) -> list[float]:
    values: Sequence[int] = getattr(found, figure)
    unit, count = CURVE_UNITS[figure], min(_POINTS, len(values))
    borders = [index * len(values) // count for index in range(count + 1)]
    return [max(values[borders[i] : borders[i + 1]]) * unit for i in range(count)]


def _points(line: Sequence[float], top: float) -> str:
    step = _POINTS / max(1, len(line) - 1)
    return " ".join(
        f"{index * step:.1f},{_HEIGHT * (1 - max(0.0, value) / top):.1f}" for index, value in enumerate(line)
    )


def _cuts(manifest: Manifest) -> str:
    places = {round(shot.first_frame * _POINTS / manifest.frames_out) for shot in manifest.shots[1:]}
    return "".join(f"M{place} 0V{_HEIGHT}" for place in sorted(places))
