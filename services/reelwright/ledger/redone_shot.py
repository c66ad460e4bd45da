"""A shot that was restored again, and the manifest of the film that it was put into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from reelwright.ledger.edits import UNITS, EditAccount, EditStep
from reelwright.ledger.film_facts import FilmFacts
from reelwright.ledger.manifest import Manifest, ShotEntry, ShotSteadiness
from reelwright.ledger.manifest_builder import limited_notes
from reelwright.ledger.measured_frame import MeasuredFrame
from reelwright.ledger.shot_entries import shots_of
from reelwright.ledger.shot_fidelity import CurveAccount, FrameCurves
from reelwright.media.colour import RANGE_FULL


class RestoredShot(BaseModel):
    """A shot of a film, restored again.

    Attributes:
        index: of the shot in the film, from 0.
        frames: its frames, with what was measured in them.
        digests: SHA-256 of each restored picture, as hex.
        steadiness: before and after; None when the recipe steadies nothing.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    index: int
    frames: tuple[MeasuredFrame, ...]
    digests: tuple[str, ...]
    steadiness: ShotSteadiness | None


def with_shot(manifest: Manifest, shot: RestoredShot, edits: EditAccount, film: FilmFacts) -> Manifest:
    """The manifest of a film into which a shot was put; what it says about every other frame stays.

    Args:
        manifest: of the film before.
        shot: the shot.
        edits: an account with nothing in it, of the shot's recipe.
        film: the film after.
    """
    entry = manifest.shots[shot.index]
    frames = range(entry.first_frame, entry.first_frame + entry.frames)
    curves = CurveAccount()
    for index, frame in zip(frames, shot.frames, strict=True):
        edits.add(index, frame)
        curves.add(frame.fidelity)
    shots = list(manifest.shots)
    full_range = manifest.source.video.colour.range == RANGE_FULL
    shots[shot.index] = _entry(shot, frames.start, full_range=full_range)
    steps = _merged(manifest.edits, edits.steps(), frames)
    outdated = limited_notes(manifest.shots, manifest.edits)
    notes = [note for note in manifest.notes if note not in outdated]
    changes: dict[str, Any] = {
        "film_sha256": film.sha256,
        "film_bytes": film.size,
        "pts": tuple(film.pts),
        "streams": film.streams,
        "frame_digests": _replaced(manifest.frame_digests, frames, shot.digests),
        "shots": tuple(shots),
        "edits": steps,
        "notes": (*notes, *limited_notes(shots, steps)),
        "frame_fidelity": _curves(manifest.frame_fidelity, curves.whole(), frames),
    }
    return manifest.model_copy(update=changes)


def _entry(shot: RestoredShot, first: int, *, full_range: bool) -> ShotEntry:
    (entry,) = shots_of(shot.frames, full_range=full_range)
    fidelity = entry.fidelity
    if fidelity is not None:
        fidelity = fidelity.model_copy(update={"worst_frame": first + fidelity.worst_frame})
    return entry.model_copy(
        update={
            "first_frame": first,
            "preview_frame": first + entry.preview_frame,
            "fidelity": fidelity,
            "steadiness": shot.steadiness,
        }
    )


def _merged(before: Sequence[EditStep], shot: Sequence[EditStep], frames: range) -> tuple[EditStep, ...]:
    rows: dict[str, list[tuple[int, int, float]]] = {step: [] for step in UNITS}
    for step in before:
        # A row ends with its shot, so none of them is cut.
        rows[step.step] += [row for row in step.ranges if row[0] not in frames]
    for step in shot:
        rows[step.step] += step.ranges
    return tuple(
        EditStep(step=step, unit=UNITS[step], ranges=tuple(sorted(ranges))) for step, ranges in rows.items() if ranges
    )


def _curves(film: FrameCurves | None, shot: FrameCurves | None, frames: range) -> FrameCurves | None:
    if film is None or shot is None:
        return None
    figures = {name: _replaced(getattr(film, name), frames, getattr(shot, name)) for name in FrameCurves.model_fields}
    return FrameCurves(**figures)


def _replaced(values: Sequence[Any], frames: range, new: Sequence[Any]) -> tuple[Any, ...]:
    return (*values[: frames.start], *new, *values[frames.stop :])
