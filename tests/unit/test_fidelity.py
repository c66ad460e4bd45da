"""Each measure of a restored frame finds what is known to be in it, and nothing else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright.bus.conversion import fidelity_from_wire, fidelity_to_wire
from reelwright.media.frame_correction import FrameTone, Move
from reelwright.media.frame_fidelity import FrameFidelity
from reelwright.media.picture import Picture
from reelwright.restoration import invention
from reelwright.restoration.fidelity import Reference, measure_fidelity, repaired_samples
from reelwright.restoration.restore import Restorer
from reelwright.restoration.tint import tint_of
from reelwright.titles.errors import CorruptPayload
from reelwright.wire.frames_pb2 import FidelityInfo
from tests.support.scenes import scene
from tests.support.windows import texture

Luma = NDArray[np.float32]
ROWS, COLUMNS = 96, 128
LEVEL = np.float32(1 / 255)


class Bicubic:
    """An engine without a network, which removes no grain."""

    identity, halo_frames = "bicubic", 0
    scales: tuple[int, ...] = (2, 3, 4)

    def upscale(self, luma: Luma, window: object, scale: int) -> Luma:
        """A bicubic enlargement."""
        assert window is None
        return enlarged(luma, scale)


def enlarged(luma: Luma, scale: int) -> Luma:
    return np.asarray(cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.float32)


def grey() -> Luma:
    """A picture without detail."""
    return np.full((ROWS, COLUMNS), 100 * LEVEL, np.float32)


def detailed(sigma: float = 0.0) -> Luma:
    """A picture with detail of all sizes, and noise of so many levels."""
    noise = np.random.default_rng(3).normal(0, sigma, (ROWS, COLUMNS)) if sigma else 0
    return np.asarray((texture(ROWS, COLUMNS) + noise) * LEVEL, np.float32)


def squares(rows: int, columns: int, side: int) -> Luma:
    """A chequered pattern of 1 and -1."""
    y, x = np.indices((rows, columns)) // side
    return np.asarray(1 - 2.0 * ((x + y) % 2), np.float32)


def sharpened(scale: int) -> Luma:
    """The detailed picture enlarged, with edges that its source does not have."""
    sharper = enlarged(detailed(), scale)
    sharper += (sharper - cv2.GaussianBlur(sharper, (0, 0), 1)) * np.float32(0.8)
    return sharper


def measured(luma: Luma, restored: Luma, scratch: NDArray[np.uint8] | None = None) -> FrameFidelity:
    return measure_fidelity(Reference(luma, luma, None, scratch), restored).figures


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_bicubic_enlargement_invents_nothing(scale: int) -> None:
    """It has no detail that the source cannot confirm, and keeps the mean luma."""
    found = measured(detailed(), enlarged(detailed(), scale))
    assert (found.invention, found.invention_finest, found.unsupported) == (0, 0, 0)
    assert found.level_after == pytest.approx(found.level_before, abs=0.05)
    assert found.coarse_difference < 0.2


@pytest.mark.parametrize(("scale", "side", "octave", "finest"), [(2, 1, 5.0, 0.0), (4, 2, 5.0, 0.0), (4, 1, 0.0, 5.0)])
def test_invention_is_measured_by_octave(scale: int, side: int, octave: float, finest: float) -> None:
    """A pattern of five levels that area averaging loses is found in its octave, and is no difference."""
    pattern = 5 * LEVEL * squares(scale * ROWS, scale * COLUMNS, side)
    found = measured(grey(), enlarged(grey(), scale) + pattern)
    assert found.invention == pytest.approx(octave, abs=0.01)
    assert found.invention_finest == pytest.approx(finest, abs=0.01)
    assert found.unsupported == pytest.approx(5, abs=0.01)
    assert found.difference == pytest.approx(0, abs=0.05)


def test_invention_at_scale_3_is_measured_in_thirds() -> None:
    """A line in each third sample that the other two make up for is found at its root mean square."""
    line = np.tile(np.array([2, -1, -1], np.float32), COLUMNS)
    found = measured(grey(), enlarged(grey(), 3) + 5 * LEVEL * line)
    assert found.invention == pytest.approx(5 * 2**0.5, abs=0.02)
    assert (found.invention_finest, found.difference) == (0, 0)


def test_new_detail_is_supported_where_the_source_has_some() -> None:
    """The same pattern counts as unsupported on the half of the picture without detail only."""
    half_noisy = grey()
    half_noisy[:, COLUMNS // 2 :] += 5 * 2 * LEVEL * squares(ROWS, COLUMNS // 2, 1)
    pattern = 5 * LEVEL * squares(2 * ROWS, 2 * COLUMNS, 1)
    found = measured(half_noisy, enlarged(half_noisy, 2) + pattern)
    assert found.invention == pytest.approx(5, abs=0.01)
    assert found.unsupported == pytest.approx(5 / 2**0.5, abs=0.01)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_strips_change_no_figure(monkeypatch: pytest.MonkeyPatch, scale: int) -> None:
    """A picture that is compared strip by strip has the figures of one that is compared at once."""
    at_once = measured(detailed(), sharpened(scale))
    assert at_once.invention > 0.2
    monkeypatch.setattr(invention, "_SAMPLES", 5 * scale**2 * COLUMNS)
    assert measured(detailed(), sharpened(scale)) == at_once


@pytest.mark.parametrize("scale", [3, 4])
def test_some_rows_tell_of_all(monkeypatch: pytest.MonkeyPatch, scale: int) -> None:
    """Above scale 2 new detail is found within 5 % of what all rows tell, and the other figures are the same."""
    some = measured(detailed(), sharpened(scale))
    monkeypatch.setitem(invention._STRIDES, scale, 1)
    whole = measured(detailed(), sharpened(scale))
    parts = {"invention", "invention_finest", "unsupported"}
    for name in parts:
        assert getattr(some, name) == pytest.approx(getattr(whole, name), rel=0.05, abs=0.02), name
    assert some.model_dump(exclude=parts) == whole.model_dump(exclude=parts)


def test_a_lighter_picture_differs_by_as_much() -> None:
    """Three levels more everywhere are a difference of three, fine and coarse, and no invention."""
    found = measured(detailed(), enlarged(detailed(), 2) + 3 * LEVEL)
    assert found.level_after - found.level_before == pytest.approx(3, abs=0.05)
    assert found.coarse_difference == pytest.approx(3, abs=0.1)
    assert found.invention == pytest.approx(0, abs=0.01)


def test_removed_grain_is_a_difference_and_not_a_coarse_one() -> None:
    """Grain that is taken away is found before, not after, and averages out over 8x8 samples."""
    found = measured(detailed(8), enlarged(detailed(), 2))
    assert found.grain_before == pytest.approx(8, rel=0.12)
    assert found.grain_after < 1.5
    assert found.difference == pytest.approx(8, rel=0.1)
    assert found.coarse_difference < 1.3


@pytest.mark.parametrize("sigma", [2, 8, 20])
def test_grain_that_is_kept_is_found_after(sigma: float) -> None:
    """White grain of a known strength is found within 12 % of it."""
    noisy = detailed(sigma)
    found = measured(noisy, np.asarray(noisy.repeat(2, 0).repeat(2, 1)))
    assert found.grain_before == pytest.approx(sigma, rel=0.12)
    assert found.grain_after == pytest.approx(found.grain_before, rel=0.01)


def test_a_scratch_counts_where_it_became_weaker() -> None:
    """A bright line in three columns counts where it was taken away, and nowhere when it stays."""
    lines = np.full((ROWS, COLUMNS), 128, np.uint8)
    lines[:, 40:43] = 128 + 8 * 12
    scratched = detailed()
    scratched[:, 40:43] += 12 * LEVEL
    mended = np.asarray(detailed().repeat(2, 0).repeat(2, 1))
    assert measured(scratched, mended, lines).scratched == pytest.approx(3 / COLUMNS, abs=1e-6)
    left = np.asarray(scratched.repeat(2, 0).repeat(2, 1))
    assert measured(scratched, left, lines).scratched == 0


def test_repaired_samples_are_counted_inside_the_picture() -> None:
    """Samples of the extension of an odd picture are not counted."""
    codes, repaired = np.zeros((2, 10, 8), np.uint8)
    repaired[2:4, 3:5] = 9
    repaired[9] = 9
    changed = repaired_samples(codes, repaired, (9, 8))
    assert changed.shape == (9, 8)
    assert np.count_nonzero(changed) == 4


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "yuv444p12le"])
def test_black_and_white_has_no_tint(pix_fmt: str) -> None:
    """A gray picture, and one with neutral chroma, are restored with a tint of exactly 0."""
    gray = scene(0, "gray", 40, 30)
    found = Restorer(Bicubic(), 2, 0.4).restore(gray, pix_fmt).fidelity
    assert found is not None
    assert found.tint == 0
    restored = Restorer(Bicubic(), 2, 0.4).restore(gray, pix_fmt).picture
    again = Restorer(Bicubic(), 2, 0.4).restore(restored, pix_fmt).fidelity
    assert again is not None
    assert again.tint == 0


@pytest.mark.parametrize(("pix_fmt", "level"), [("yuv420p", 1), ("yuv422p10le", 4)])
def test_a_tint_in_one_corner_is_found(pix_fmt: str, level: int) -> None:
    """Six levels of colour in a sixteenth of the picture are a tint of six levels at any depth."""
    source = scene(0, pix_fmt, 64, 64)
    planes = [plane.repeat(2, 0).repeat(2, 1) for plane in source.planes]
    plain = Picture(pix_fmt, 128, 128, tuple(planes))
    assert tint_of(source, plain, 1.0) == 0
    tinted = planes[2].copy()
    tinted[-(len(tinted) // 4) :, : tinted.shape[1] // 4] += np.asarray(6 * level, tinted.dtype)
    assert tint_of(source, Picture(pix_fmt, 128, 128, (*planes[:2], tinted)), 1.0) == pytest.approx(6)


@pytest.mark.parametrize("size", [(2, 2), (4, 6), (6, 4)])
def test_the_tint_of_a_picture_with_few_chroma_samples_is_measured(size: tuple[int, int]) -> None:
    """A picture with less chroma than parts is compared in as many parts as it has."""
    small = (np.full((size[1], size[0]), 90, np.uint8), *[np.full((size[1] // 2, size[0] // 2), 120, np.uint8)] * 2)
    large = tuple(plane.repeat(4, 0).repeat(4, 1) for plane in small)
    tinted = Picture("yuv420p", 4 * size[0], 4 * size[1], (*large[:2], large[2] + np.uint8(6)))
    assert tint_of(Picture("yuv420p", *size, small), tinted, 1.0) == 6


def test_what_the_recipe_asks_for_is_no_difference() -> None:
    """Opened tone and a moved frame are compared with a reference that has both; the brightness has the tone in it."""
    picture = Picture("gray", COLUMNS, ROWS, (np.asarray(np.rint(texture(ROWS, COLUMNS)), np.uint8),))
    restorer = Restorer(Bicubic(), 2, 0.4)
    plain = restorer.restore(picture, "gray").fidelity
    tone = FrameTone(white=0.9, shadows=1.2, highlights=0.2, veil=0, detail=2)
    opened = restorer.restore(picture, "gray", moved=Move(0.7, -1.3), tone=tone).fidelity
    assert plain is not None
    assert opened is not None
    assert plain.level_after == pytest.approx(plain.level_before, abs=0.05)
    assert opened.level_before == plain.level_before
    assert abs(opened.level_after - opened.level_before) > 1
    assert opened.coarse_difference < plain.coarse_difference + 0.2
    assert opened.unsupported < 0.1


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 40), (9, 2), (17, 33)])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_any_size_is_measured(rows: int, columns: int, scale: int) -> None:
    """Pictures smaller than a block or a kernel have figures as well."""
    found = measured(detailed()[:rows, :columns], enlarged(np.ascontiguousarray(detailed()[:rows, :columns]), scale))
    assert found.invention == 0


def test_cells_have_the_mean_luma_of_their_part() -> None:
    """4x6 cells, row by row, in sixteenths of a level; pictures with fewer samples have none."""
    luma = np.repeat(np.repeat(np.arange(24, dtype=np.float32).reshape(4, 6), 10, axis=0), 11, axis=1) * 5 * LEVEL
    found = measured(luma, enlarged(luma, 2))
    assert found.cells_before == tuple(80 * cell for cell in range(24))
    assert np.abs(np.subtract(found.cells_after, found.cells_before)).max() <= 8
    tiny = measured(luma[:3], enlarged(luma[:3], 2))
    assert (tiny.cells_before, tiny.cells_after) == ((), ())


@pytest.mark.parametrize(("before", "after"), [(24, 0), (0, 24), (23, 23), (25, 25), (24, 23)])
def test_another_number_of_cells_is_refused(before: int, after: int) -> None:
    """A frame has all cells before and after, or none."""
    with pytest.raises(CorruptPayload, match=f"mean luma of {before} and {after} cells"):
        fidelity_from_wire(FidelityInfo(cells_before=[1] * before, cells_after=[1] * after))


def test_fidelity_arrives_as_it_was_sent() -> None:
    """Each figure of a frame is the same after its way over the bus."""
    found = measured(detailed(4), enlarged(detailed(), 2))
    assert fidelity_from_wire(FidelityInfo.FromString(fidelity_to_wire(found).SerializeToString())) == found


@pytest.mark.parametrize("figure", sorted(FrameFidelity.model_fields.keys() - {"cells_before", "cells_after"}))
@pytest.mark.parametrize("value", [-5000.0, 5000.0, float("nan"), float("inf")])
def test_a_figure_out_of_its_range_is_refused(figure: str, value: float) -> None:
    """A figure that no worker can have measured never reaches the ledger."""
    with pytest.raises(CorruptPayload, match=f"measured fidelity, {figure}"):
        fidelity_from_wire(FidelityInfo(**{figure: value}))  # type: ignore[arg-type]
