"""Samples are rounded to the code values of their format."""

from __future__ import annotations

import numpy as np
import pytest

from reelwright.media.code_table import code_gain
from reelwright.media.picture import pixel_format
from reelwright.restoration.quantise import quantise


@pytest.mark.parametrize(("pix_fmt", "top"), [("gray", 255), ("gray10le", 1023), ("yuv420p12le", 4095)])
def test_samples_are_rounded_and_clipped_to_the_depth(pix_fmt: str, top: int) -> None:
    """Halves go to the even code, and what lies beyond black or white becomes black or white."""
    samples = np.array([[-3.0, 0.4, 0.6, 1.5, 2.5, top - 0.4, top + 9.0]], np.float32)
    found = quantise(samples, pixel_format(pix_fmt))
    assert found.tolist() == [[0, 0, 1, 2, 2, top, top]]
    assert found.dtype == (np.uint8 if top == 255 else np.uint16)


def test_levels_go_to_another_depth_by_their_range() -> None:
    """Studio range doubles for each bit, full range keeps white white."""
    eight, ten = pixel_format("gray"), pixel_format("gray10le")
    assert code_gain(eight, ten, full_range=False) == 4
    assert code_gain(eight, ten, full_range=True) * 255 == pytest.approx(1023)
    assert code_gain(ten, eight, full_range=False) == 0.25
