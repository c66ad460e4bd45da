"""A shot's certificate follows from what was measured in its frames."""

from __future__ import annotations

import math

import pytest

from reelwright.ledger.shot_fidelity import ShotFidelity, ShotFidelitySums
from reelwright.media.frame_correction import FrameCorrection
from reelwright.media.frame_fidelity import FrameFidelity
from tests.support.ledgers import fidelity_of


def shot(frames: list[FrameFidelity], corrections: list[FrameCorrection] | None = None, first: int = 0) -> ShotFidelity:
    sums = ShotFidelitySums()
    for index, found in enumerate(frames):
        sums.add(first + index, found, corrections[index] if corrections else None)
    result = sums.shot()
    assert result is not None
    return result


def test_figures_are_means_and_the_worst_frame_is_named() -> None:
    """Means over the frames, the largest tint, and the first of the frames that depart most."""
    found = shot(
        [
            fidelity_of(difference=1, tint=2),
            fidelity_of(difference=4, unsupported=3, coarse_difference=4),
            fidelity_of(),
        ],
        first=7,
    )
    assert found.difference == pytest.approx(5 / 3)
    assert (found.tint, found.worst_frame, found.worst) == (2, 8, 5)
    assert shot([fidelity_of(unsupported=1), fidelity_of(unsupported=1)], first=3).worst_frame == 3


def test_a_shot_that_was_not_wholly_measured_has_no_figures() -> None:
    """A worker of an earlier version measured nothing in one of the frames."""
    sums = ShotFidelitySums()
    sums.add(0, fidelity_of(), None)
    sums.add(1, None, None)
    assert sums.shot() is None
    assert ShotFidelitySums().shot() is None


def test_flicker_of_a_known_size_is_found_before_and_after() -> None:
    """Levels that change by 4 % and 1 % from frame to frame, on a fade, have that flicker; the fade has none."""
    # At this frequency a sine differs from the mean of its neighbours as much as independent flicker does.
    waves = [2**0.5 * math.sin(2 * math.pi * 0.286 * index) for index in range(240)]
    frames = [
        fidelity_of(level_before=100 + 4 * wave + index / 24, level_after=100 + wave + index / 24)
        for index, wave in enumerate(waves)
    ]
    found = shot(frames)
    assert found.flicker_before == pytest.approx(4 * found.flicker_after, rel=0.01)
    assert found.flicker_before == pytest.approx(4 * 100 / 105, rel=0.1)
    fade = shot([fidelity_of(level_before=index, level_after=index) for index in range(200)])
    assert (fade.flicker_before, fade.flicker_after) == (0, 0)


def test_flicker_before_is_the_sources() -> None:
    """What deflickering corrected is counted as the source's flicker, and the mean brightness as the source's too."""
    corrections = [FrameCorrection(gain=2 if index % 2 else 1, offset=0.1 * (index % 2)) for index in range(40)]
    frames = [fidelity_of(level_before=60, level_after=61) for _ in corrections]
    found = shot(frames, corrections)
    assert found.flicker_after == 0
    # Levels alternate between 60 and (60 - 25.5) / 2.
    assert found.flicker_before == pytest.approx((60 - 17.25) / 1.5**0.5 / ((60 + 17.25) / 2) * 100, rel=0.01)
    assert found.brightness == pytest.approx(61 - (60 + 17.25) / 2, abs=0.01)


def test_short_and_black_shots_have_no_flicker() -> None:
    """A shot of two frames has none, and a level more in black film is little."""
    assert shot([fidelity_of(level_before=10), fidelity_of(level_before=90)]).flicker_before == 0
    black = shot([fidelity_of(level_before=index % 2) for index in range(40)])
    assert 0 < black.flicker_before < 15
