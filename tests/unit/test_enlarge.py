"""Luma is enlarged by the recipe's scale, whatever the network's is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright.restoration.enlarge import add_residual, enlarge
from reelwright.restoration.window_network import NetworkInput

Luma = NDArray[np.float32]


class Filter:
    """An engine that enlarges with a bicubic filter and remembers what it was asked for.

    Args:
        scales: the enlargements that it has.
    """

    identity, halo_frames = "filter", 0

    def __init__(self, *scales: int) -> None:
        self.scales = scales
        self.asked: list[tuple[NetworkInput | None, int]] = []

    def upscale(self, luma: Luma, window: NetworkInput | None, scale: int) -> Luma:
        self.asked.append((window, scale))
        return np.asarray(cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.float32)


def ramp() -> Luma:
    """Luma that rises from left to right; (40, 50) float32."""
    return np.tile(np.linspace(0, 1, 50, dtype=np.float32), (40, 1))


def test_the_networks_own_scale_is_its_result() -> None:
    """With the network's scale nothing is added to what it gives, and it gets the window."""
    engine, window = Filter(2, 4), NetworkInput(*[np.zeros(1)] * 4)  # type: ignore[arg-type]
    for scale in engine.scales:
        assert np.array_equal(enlarge(engine, ramp(), window, scale), engine.upscale(ramp(), window, scale))
        assert engine.asked.pop() == engine.asked.pop() == (window, scale)


@pytest.mark.parametrize(("scales", "scale", "own"), [((2,), 3, 2), ((2,), 4, 2), ((2, 4), 3, 2), ((4,), 2, 4)])
def test_other_scales_keep_every_sample_at_its_place(scales: tuple[int, ...], scale: int, own: int) -> None:
    """A ramp is enlarged by the network of the smallest scale, and is not shifted by a part of a sample."""
    engine = Filter(*scales)
    found = enlarge(engine, ramp(), None, scale)
    assert engine.asked == [(None, own)]
    assert found.shape == (40 * scale, 50 * scale)
    centres = (np.arange(50 * scale) + 0.5) / scale - 0.5
    wanted = np.interp(centres, np.arange(50), ramp()[0])
    inner = slice(6 * scale, -6 * scale)
    assert np.abs(found[20] - wanted)[inner].max() < 0.1 / 50


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_residual_is_added_to_the_bicubic_enlargement(scale: int) -> None:
    """The residual of an extended frame is added where the frame is, and neither argument is changed."""
    luma, residual = ramp()[:33], np.full((40 * scale, 52 * scale), 0.25, np.float32)
    found = add_residual(luma, residual, scale)
    bicubic = cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    assert np.array_equal(found, bicubic + np.float32(0.25))
    assert np.array_equal(luma, ramp()[:33])
    assert (residual == 0.25).all()
