from __future__ import annotations

import numpy as np
import pytest

from reelwright.media.picture import PIXEL_FORMATS, PixelFormat, pixel_format
from reelwright.restoration.chroma import enlarge_chroma, neutral_chroma

COLOUR = [name for name, layout in PIXEL_FORMATS.items() if layout.planes == 3]
SIZE = (61, 47)


def _positions(layout: PixelFormat, size: tuple[int, int], scale: int) -> tuple[np.ndarray, np.ndarray]:
    """Where a plane's chroma samples lie, (x, y), in units of the source's luma samples (centres at k + 0.5)."""
    rows, columns = layout.plane_shape(1, *size)
    wide, high = 2**layout.chroma_width_shift, 2**layout.chroma_height_shift
    # MPEG-2 siting: on the left luma sample across, midway between the two rows down.
    return (np.arange(columns) * wide + 0.5) / scale, (np.arange(rows) * high + high / 2) / scale


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("target", ["yuv420p12le", "yuv422p12le", "yuv444p12le"])
@pytest.mark.parametrize("source", ["yuv420p12le", "yuv422p12le", "yuv444p12le"])
def test_chroma_stays_where_it_was(source: str, target: str, scale: int) -> None:
    """A ramp of colour over the picture lies at the same places in the enlarged picture, whatever the samplings."""
    before, after = pixel_format(source), pixel_format(target)
    size = (SIZE[0] * scale, SIZE[1] * scale)
    x, y = _positions(before, SIZE, 1)
    plane = np.rint(300 + 40 * x[None, :] + 16 * y[:, None]).astype(np.uint16)
    found = enlarge_chroma(plane, before, after, size, scale, 1.0)
    x, y = _positions(after, size, scale)
    wanted = 300 + 40 * x[None, :] + 16 * y[:, None]
    # Beyond the outermost samples there is nothing to interpolate from.
    inside = np.ix_((y > 2) & (y < SIZE[1] - 4), (x > 2) & (x < SIZE[0] - 4))
    # cv2.warpAffine places samples to 1/32: of 40 + 16 code values, and one for the roundings.
    assert np.abs(found.astype(float) - wanted)[inside].max() <= 56 / 32 + 1


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("target", COLOUR)
def test_no_colour_in_is_no_colour_out(target: str, scale: int) -> None:
    """Neutral chroma comes out neutral to the last sample in every format."""
    after = pixel_format(target)
    size = (SIZE[0] * scale, SIZE[1] * scale)
    for source in COLOUR:
        before = pixel_format(source)
        plane = np.full(before.plane_shape(1, *SIZE), before.neutral, before.dtype)
        gain = 2.0 ** (after.depth - before.depth)
        found = enlarge_chroma(plane, before, after, size, scale, gain)
        assert found.dtype == after.dtype
        assert np.array_equal(found, neutral_chroma(after, size))


def test_the_strongest_colours_do_not_wrap() -> None:
    """Code values at either end of the range stay there."""
    layout = pixel_format("yuv420p")
    plane = np.zeros((24, 31), np.uint8)
    plane[:, 15:] = 255
    found = enlarge_chroma(plane, layout, layout, (122, 94), 2, 1.0)
    assert found[:, :28].max() == 0
    assert found[:, 33:].min() == 255
