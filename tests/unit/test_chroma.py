"""Chroma is enlarged without a shift, without tint, and rounded to the target depth."""

from __future__ import annotations

import numpy as np
import pytest

from reelwright.media.picture import PIXEL_FORMATS, PixelFormat
from reelwright.restoration.chroma import enlarge_chroma, neutral_chroma
from reelwright.restoration.quantise import quantise

LAYOUTS = ("yuv420p", "yuv422p", "yuv444p")
WIDTH, HEIGHT = 64, 48


def positions(count: int, shift: int, *, left: bool) -> np.ndarray:
    """Positions of chroma samples, in luma samples from the picture's edge (H.264's default siting)."""
    return (1 << shift) * np.arange(count) + (0.5 if left else (1 << shift) / 2)


def ramp(layout: PixelFormat, width: int, height: int, scale: int = 1) -> np.ndarray:
    """A horizontal and vertical gradient over a picture, at the positions of the layout's chroma samples."""
    rows, columns = layout.plane_shape(1, width * scale, height * scale)
    across = positions(columns, layout.chroma_width_shift, left=True) / scale
    down = positions(rows, layout.chroma_height_shift, left=False) / scale
    return np.asarray(60 + 1.5 * across[None, :] + down[:, None])


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("target", LAYOUTS)
@pytest.mark.parametrize("source", LAYOUTS)
def test_chroma_is_not_shifted(source: str, target: str, scale: int) -> None:
    """A gradient keeps its place for each enlargement and each pair of chroma subsamplings."""
    before, after = PIXEL_FORMATS[source + "12le"], PIXEL_FORMATS[target + "12le"]
    fine = 8  # a ramp of twelve bits, so that rounding does not hide an error
    plane = quantise(ramp(before, WIDTH, HEIGHT).astype(np.float32) * fine, before)
    found = enlarge_chroma(
        plane, source=before, target=after, size=(WIDTH * scale, HEIGHT * scale), scale=scale, gain=1.0
    )
    wanted = ramp(after, WIDTH, HEIGHT, scale) * fine
    assert found.shape == wanted.shape
    inner = np.s_[4 * scale : -4 * scale, 4 * scale : -4 * scale]
    # A sixteenth of a luma sample. Wrong siting would be a quarter of a sample, which is four times as much.
    assert np.abs(found - wanted)[inner].max() <= 0.5 + 1.5 * fine / 16


@pytest.mark.parametrize("siting", [(0.5, 0.5), (0.0, 0.0), (-1.0, 0.5)])
def test_chroma_sited_elsewhere_is_moved_to_where_players_expect_it(siting: tuple[float, float]) -> None:
    """JPEG's, DV's and resampled chroma keep their place against the luma within a sixteenth of a sample."""
    layout, fine = PIXEL_FORMATS["yuv420p12le"], 8
    rows, columns = layout.plane_shape(1, WIDTH, HEIGHT)
    across, down = 2 * np.arange(columns) + 0.5 + siting[0], 2 * np.arange(rows) + 0.5 + siting[1]
    plane = quantise(((60 + 1.5 * across[None, :] + down[:, None]) * fine).astype(np.float32), layout)
    found = enlarge_chroma(
        plane, source=layout, target=layout, size=(WIDTH * 2, HEIGHT * 2), scale=2, gain=1.0, siting=siting
    )
    wanted = ramp(layout, WIDTH, HEIGHT, 2) * fine
    assert np.abs(found - wanted)[8:-8, 8:-8].max() <= 0.5 + 1.5 * fine / 16


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("source", "target"), [("yuv420p", "yuv420p10le"), ("yuv444p12le", "yuv420p")])
def test_neutral_stays_exactly_neutral(source: str, target: str, scale: int) -> None:
    """A neutral plane stays neutral at any depth, without a difference of one code value."""
    before, after = PIXEL_FORMATS[source], PIXEL_FORMATS[target]
    plane = neutral_chroma(before, (33, 21))
    gain = 2.0 ** (after.depth - before.depth)
    size = (33 * scale, 21 * scale)
    assert np.array_equal(
        enlarge_chroma(plane, source=before, target=after, size=size, scale=scale, gain=gain),
        neutral_chroma(after, size),
    )


def test_flat_colour_stays_flat_up_to_the_edge() -> None:
    """Samples outside of the plane repeat its edge, so a flat plane stays flat."""
    layout = PIXEL_FORMATS["yuv420p"]
    plane = np.full(layout.plane_shape(1, 31, 17), 77, np.uint8)
    assert (enlarge_chroma(plane, source=layout, target=layout, size=(62, 34), scale=2, gain=1.0) == 77).all()


def test_code_values_are_rounded_and_clipped_to_the_depth() -> None:
    """`quantise` rounds to the nearest code value and clips at both ends."""
    samples = np.array([[-3.0, 0.4, 0.6, 1022.6, 1030.0]], np.float32)
    assert quantise(samples, PIXEL_FORMATS["gray10le"]).tolist() == [[0, 0, 1, 1023, 1023]]
