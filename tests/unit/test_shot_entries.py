"""The manifest's shots cover the film, with the means of what was measured in them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reelwright.ledger.manifest import ShotDamage
from reelwright.ledger.measured_frame import MeasuredFrame
from reelwright.ledger.shot_entries import shots_of
from reelwright.media.frame_correction import ToneChange
from reelwright.media.frame_damage import FrameDamage
from tests.support.ledgers import planned


@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_shots_cover_the_film_once(lengths: list[int]) -> None:
    """Shots cover the film without gap or overlap, and each has one of its own previews."""
    frames = planned(lengths)
    shots = list(shots_of((MeasuredFrame(frame) for frame in frames), full_range=False))
    assert [shot.frames for shot in shots] == lengths
    assert [shot.first_frame for shot in shots] == [sum(lengths[:i]) for i in range(len(lengths))]
    for shot in shots:
        assert shot.first_frame <= shot.preview_frame < shot.first_frame + shot.frames
        assert frames[shot.preview_frame].preview


def test_a_shot_has_the_mean_of_what_was_measured_in_its_frames() -> None:
    """Figures are averaged within each shot; a shot in which nothing was measured or changed has none."""
    figures = {"grain_size": 0.5, "blockiness": 0.2, "sharpness": 0.4}
    measured = [
        FrameDamage(grain=4, dust=0, **figures),
        FrameDamage(grain=8, dust=0.001, **figures),
        FrameDamage(grain=2, dust=0, **figures),
        None,
    ]
    changed = [None, None, ToneChange(brightness=1, changed=0.2), ToneChange(brightness=-2, changed=0)]
    first, second, third = shots_of(map(MeasuredFrame, planned((2, 1, 1)), measured, changed), full_range=False)
    assert (first.tone_change, second.tone_change, third.tone_change) == (None, *changed[2:])
    assert first.damage == ShotDamage(grain=6, dust_frames=0.5, **figures)
    assert second.damage == ShotDamage(grain=2, dust_frames=0, **figures)
    assert third.damage is None
