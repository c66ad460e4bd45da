"""Dust is replaced by what the adjacent frames show, at any depth."""

from __future__ import annotations

import numpy as np

from reelwright.restoration.repair import repair, repair_luma
from reelwright.restoration.window_network import MIDDLE
from tests.support.windows import codes, panned


def test_where_no_dust_was_measured_nothing_changes() -> None:
    """Without dust the repaired frame is the frame, and luma of any depth stays as it is."""
    frames = codes(panned((0, 0), rows=48, columns=64))
    repaired = repair(frames, np.zeros((48, 64), np.uint8))
    assert np.array_equal(repaired, frames[MIDDLE])
    luma = np.random.default_rng(0).random((48, 64), np.float32)
    assert np.array_equal(repair_luma(luma.copy(), frames[MIDDLE], repaired), luma)


def test_dust_is_replaced_by_the_median_of_its_neighbours_in_time() -> None:
    """Certain dust becomes the median of the four neighbours, one of them dusty, and pixels away from it stay."""
    frames = codes(panned((0, 0), rows=48, columns=64))
    for frame, value in zip(frames, (104, 100, 250, 110, 255), strict=True):
        frame[20:24, 30:34] = value
    dust = np.zeros((48, 64), np.uint8)
    dust[20:24, 30:34] = 255
    repaired = repair(frames, dust)
    assert (repaired[20:24, 30:34] == 107).all()
    changed = repaired != frames[MIDDLE]
    assert not changed[:18].any()
    assert not changed[26:].any()


def test_deep_luma_changes_as_its_codes_do() -> None:
    """The change at eight bits is added to luma of a smaller picture at its own depth."""
    before, after = np.full((32, 32), 200, np.uint8), np.full((32, 32), 200, np.uint8)
    after[4, 5] = 80
    luma = np.full((17, 21), 0.784, np.float32)
    found = repair_luma(luma, before, after)
    assert found[4, 5] == np.float32(0.784) + np.float32(-120) * np.float32(1 / 255)
    assert (np.delete(found.ravel(), 4 * 21 + 5) == np.float32(0.784)).all()
