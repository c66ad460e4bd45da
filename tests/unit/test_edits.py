"""The edit list names the frames that each step changed, and how much; the C2PA definition says the same."""

from __future__ import annotations

import json

import pytest

from reelwright.ledger.c2pa import definition
from reelwright.ledger.edits import EditAccount, EditStep, is_deinterlaced
from reelwright.ledger.manifest import Manifest
from reelwright.ledger.measured_frame import MeasuredFrame
from reelwright.media.frame_correction import FrameCorrection, ToneChange
from reelwright.titles.recipe import Grain, Recipe
from tests.support.ledgers import fidelity_of, manifest_of_shots, planned, video_of


def steps(frames: list[MeasuredFrame], recipe: Recipe | None = None) -> dict[str, tuple[tuple[int, int, float], ...]]:
    """The ranges of each step."""
    account = EditAccount(recipe or Recipe(grain=Grain(keep=1)), deinterlaced=False)
    for index, frame in enumerate(frames):
        account.add(index, frame)
    return {step.step: step.ranges for step in account.steps()}


def test_a_row_of_frames_ends_with_its_shot() -> None:
    """Each row has its first and last frame and its mean strength; frames that a step left are in none."""
    repaired = [0.1, 0.3, 0, 0.2, 0.4]
    frames = [
        MeasuredFrame(record, None, None, fidelity_of(repaired=share))
        for record, share in zip(planned((4, 1)), repaired, strict=True)
    ]
    assert steps(frames)["repair"] == ((0, 1, 0.2), (3, 3, 0.2), (4, 4, 0.4))
    assert steps(frames)["enlarge"] == ((0, 3, 2.0), (4, 4, 2.0))
    assert set(steps(frames)) == {"enlarge", "repair"}


def test_each_step_has_its_strength() -> None:
    """Light in levels, place in samples, rotation in degrees, tone and lost grain as shares, concealed frames."""
    (record,) = planned((1,), concealed=(0,))
    correction = FrameCorrection(gain=1.1, offset=-10 / 255, level=60, move_right=3, move_down=-4, move_rotation=-0.2)
    record = record.model_copy(update={"correction": correction})
    frame = MeasuredFrame(record, None, ToneChange(brightness=1, changed=0.25), fidelity_of(scratched=0.01))
    found = steps([frame], Recipe(grain=Grain(keep=0.25), scale=3))
    assert {step: ranges[0][2] for step, ranges in found.items()} == {
        "conceal": 1,
        "deflicker": pytest.approx(4),
        "enlarge": 3,
        "scratches": 0.01,
        "tone": 0.25,
        "grain": 0.75,
        "stabilise": 5,
        "stabilise_rotation": 0.2,
    }


def test_light_that_was_evened_out_in_parts_alone_is_said() -> None:
    """The strength is the root mean square over the picture; with the whole picture's change it adds up in squares."""
    (record,) = planned((1,))
    parts = FrameCorrection(level=100, local_x=0.03, local_yy=-0.04)
    added = FrameCorrection(level=100, local_offset=(0, 3 / 255, 0, 0, -4 / 255))
    whole = {"offset": 12 / 255}
    strengths = ((parts, 5.0), (parts.model_copy(update=whole), 13.0), (added, 5.0))
    for correction, levels in (*strengths, (added.model_copy(update=whole), 13.0)):
        frame = MeasuredFrame(record.model_copy(update={"correction": correction}), None, None, fidelity_of())
        ((first, last, strength),) = steps([frame])["deflicker"]
        assert (first, last) == (0, 0)
        assert strength == pytest.approx(levels)


def test_grain_that_was_made_anew_is_said() -> None:
    """None of the removed grain is back then, and the new grain has its share; without any there is no such step."""
    frame = MeasuredFrame(planned((1,))[0], None, None, fidelity_of())
    found = steps([frame], Recipe(grain=Grain(keep=0.25, mode="synthetic")))
    assert {step: ranges[0][2] for step, ranges in found.items()} == {"enlarge": 2, "grain": 1, "synthesis": 0.25}
    assert "synthesis" not in steps([frame], Recipe(grain=Grain(keep=0, mode="synthetic")))


def test_steps_that_change_nothing_are_not_listed() -> None:
    """A correction of nothing, tone that changed no sample, and all grain kept."""
    (record,) = planned((1,))
    record = record.model_copy(update={"correction": FrameCorrection(level=60)})
    frame = MeasuredFrame(record, None, ToneChange(brightness=0, changed=0), fidelity_of())
    assert set(steps([frame])) == {"enlarge"}


@pytest.mark.parametrize(
    ("setting", "order", "done"),
    [("auto", "tff", True), ("auto", "progressive", False), ("on", "progressive", True), ("off", "tff", False)],
)
def test_deinterlacing_is_listed(setting: str, order: str, done: bool) -> None:
    """By the recipe, or because the source is interlaced and the recipe says `auto`."""
    recipe = Recipe.model_validate({"deinterlace": setting})
    assert is_deinterlaced(recipe, video_of(field_order=order)) is done
    account = EditAccount(recipe, done)
    account.add(0, MeasuredFrame(planned((1,))[0]))
    assert ("deinterlace" in {step.step for step in account.steps()}) is done


def test_the_c2pa_definition_has_every_row() -> None:
    """Each step is an action with the frames of each row; the certificate names film, source and model."""
    manifest: Manifest = manifest_of_shots((4, 2))
    edits = (EditStep(step="repair", unit="share", ranges=((1, 2, 0.25), (5, 5, 0.5))),)
    found = definition(manifest.model_copy(update={"edits": edits}))
    actions, certificate = found["assertions"]
    opened, repair = actions["data"]["actions"]
    assert opened["action"] == "c2pa.opened"
    assert [change["region"][0]["frame"] for change in repair["changes"]] == [
        {"start": 1, "end": 2},
        {"start": 5, "end": 5},
    ]
    assert certificate["data"]["film_sha256"] == manifest.film_sha256
    assert certificate["data"]["fidelity"]["unsupported"] > 0
    assert json.loads(json.dumps(found)) == found
