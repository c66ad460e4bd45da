"""A restored picture keeps levels, size, colour and the requested share of its grain."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright.media.picture import PIXEL_FORMATS, Picture
from reelwright.restoration.engine import Engine
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.frame_windows import FrameWindows
from reelwright.restoration.models import resolve_model
from reelwright.restoration.restore import Restorer
from reelwright.restoration.window import prepare
from reelwright.restoration.window_network import NetworkInput
from tests.support.scenes import scene
from tests.support.windows import codes, panned
from tests.support.windows import grainy as scenes_with_grain


@pytest.fixture(scope="module")
def engine() -> Engine:
    """The packaged network with fp32 arithmetic."""
    return create_engine("openvino", resolve_model("reel-s"), threads=1, precision="fp32")


def flat(pix_fmt: str, luma: int, width: int = 24, height: int = 16) -> Picture:
    """A picture with one luma code value and neutral chroma."""
    layout = PIXEL_FORMATS[pix_fmt]
    shapes = [layout.plane_shape(plane, width, height) for plane in range(layout.planes)]
    values = [luma, layout.neutral, layout.neutral]
    planes = tuple(np.full(shape, value, layout.dtype) for shape, value in zip(shapes, values, strict=False))
    return Picture(pix_fmt, width, height, planes)  # type: ignore[arg-type]


def halved(luma: NDArray[np.generic]) -> NDArray[np.float32]:
    """Luma reduced to half its size by averaging."""
    rows, columns = luma.shape
    small = cv2.resize(np.asarray(luma, np.float32), (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


@pytest.mark.parametrize(
    ("source", "target", "full_range", "before", "after"),
    [
        ("gray", "gray10le", False, 16, 64),
        ("gray", "gray10le", False, 235, 940),
        ("gray", "gray12le", False, 235, 3760),
        ("gray10le", "gray", False, 940, 235),
        ("gray", "gray10le", True, 255, 1023),
        ("gray", "gray10le", True, 0, 0),
        ("gray10le", "gray10le", False, 502, 502),
        ("gray10le", "gray", True, 1023, 255),
    ],
)
def test_levels_are_converted_to_another_depth(
    engine: Engine, source: str, target: str, full_range: bool, before: int, after: int
) -> None:
    """Studio levels scale by powers of two, full-range levels by the maximum code values."""
    bicubic = Restorer(_Bicubic(), 2, 0.0)
    found = bicubic.restore(flat(source, before), target, full_range=full_range).picture.planes[0]
    assert (found == after).all()
    restored = Restorer(engine, 2, 0.4).restore(flat(source, before), target, full_range=full_range).picture.planes[0]
    # The network may change a flat picture a little, but by far less than a wrong range would.
    assert np.abs(restored.astype(int) - after).max() <= max(2, (1 << PIXEL_FORMATS[target].depth) // 128)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(17, 16), (33, 21), (64, 47)])
@pytest.mark.parametrize("pix_fmt", ["gray", "yuv420p", "yuv422p10le", "yuv444p12le"])
def test_any_size_and_format_is_enlarged(engine: Engine, pix_fmt: str, size: tuple[int, int], scale: int) -> None:
    """Every plane of the result has the shape and dtype of its format, also for odd sizes."""
    width, height = size
    found = Restorer(engine, scale, 0.4).restore(scene(0, pix_fmt, width, height), pix_fmt).picture
    layout = PIXEL_FORMATS[pix_fmt]
    assert (found.width, found.height) == (width * scale, height * scale)
    for index, plane in enumerate(found.planes):
        assert plane.shape == layout.plane_shape(index, width * scale, height * scale)
        assert plane.dtype == layout.dtype
        assert plane.flags.c_contiguous


@pytest.mark.parametrize("target", ["yuv420p", "yuv422p10le", "yuv444p12le"])
def test_gray_gets_no_tint(engine: Engine, target: str) -> None:
    """A gray picture gets exactly neutral chroma if the film's format has chroma."""
    found = Restorer(engine, 2, 0.4).restore(scene(0, "gray", 40, 30), target).picture
    neutral = PIXEL_FORMATS[target].neutral
    assert all((plane == neutral).all() for plane in found.planes[1:])


def test_luma_does_not_depend_on_colour(engine: Engine) -> None:
    """A picture and its luma alone give the same restored luma."""
    coloured = scene(0, "yuv420p", 64, 48)
    gray = Picture("gray", 64, 48, coloured.planes[:1])
    restorer = Restorer(engine, 2, 0.4)
    assert np.array_equal(
        restorer.restore(coloured, "yuv420p").picture.planes[0], restorer.restore(gray, "gray").picture.planes[0]
    )


def grainy() -> Picture:
    """A scene with strong grain, in twelve bits so that rounding does not hide an error."""
    clean = scene(0, "gray12le", 96, 80)
    noise = np.random.default_rng(5).normal(0, 120, clean.planes[0].shape)
    luma = np.clip(clean.planes[0] + noise, 0, 4095).astype(np.uint16)
    return Picture("gray12le", 96, 80, (luma,))


def restored(engine: Engine, keep: float) -> NDArray[np.float32]:
    """Luma code values of the grainy scene, enlarged with this share of the grain."""
    return Restorer(engine, 2, keep).restore(grainy(), "gray12le").picture.planes[0].astype(np.float32)


def test_with_all_grain_the_reduced_result_agrees_with_the_source(engine: Engine) -> None:
    """Reduced to the source's size, a result with all grain is much closer to the source than one without grain."""
    source = grainy().planes[0].astype(np.float32)
    clean, full = (halved(restored(engine, keep)) - source for keep in (0.0, 1.0))
    assert full.std() < 0.35 * clean.std()


def test_without_grain_the_result_is_the_networks(engine: Engine) -> None:
    """With `grain.keep` 0 the result is the network's rounded output."""
    luma = grainy().planes[0].astype(np.float32) * np.float32(1 / 4095)
    window = FrameWindows([grainy()], 0, [True]).window(0)
    found = engine.upscale(luma, prepare(window.codes).network_input(), 2)
    assert np.array_equal(restored(engine, 0.0), np.clip(np.rint(found * np.float32(4095)), 0, 4095))


def test_grain_is_linear_in_its_share(engine: Engine) -> None:
    """Half of the grain is the mean of none and all."""
    none, half, full = (restored(engine, keep) for keep in (0.0, 0.5, 1.0))
    inside = (full > 0) & (full < 4095) & (none > 0) & (none < 4095)
    assert np.abs(half - (none + full) / 2)[inside].max() <= 1.0


def test_scales_3_and_4_agree_with_scale_2(engine: Engine) -> None:
    """Reduced to the size of scale 2, the results of scales 3 and 4 agree with it."""
    picture = scene(0, "gray12le", 64, 48)
    twice = Restorer(engine, 2, 0.0).restore(picture, "gray12le").picture.planes[0]
    for scale in (3, 4):
        other = Restorer(engine, scale, 0.0).restore(picture, "gray12le").picture.planes[0].astype(np.float32)
        back = cv2.resize(other, (128, 96), interpolation=cv2.INTER_AREA)
        inner = np.s_[8:-8, 8:-8]
        # A shift by a quarter of a sample would give a difference several times as large.
        assert np.abs(back - twice)[inner].mean() < 0.02 * float(np.ptp(twice))


def dusty_pan() -> list[Picture]:
    """Five frames of a moving scene with grain, and a white speck on the middle one."""
    frames = codes(scenes_with_grain(panned((3, 1), rows=96, columns=128), 4))
    frames[2, 40:44, 60:65] = 255
    return [Picture("gray", 128, 96, (frame,)) for frame in frames]


def test_dust_is_repaired_and_does_not_come_back_with_the_grain(engine: Engine) -> None:
    """A speck of one frame is gone, also where all of the grain is kept, and the frame says how much dust it had."""
    film = dusty_pan()
    window = FrameWindows(film, 2, [False]).window(0)
    alone = Restorer(engine, 2, 1.0).restore(film[2], "gray")
    found = Restorer(engine, 2, 1.0).restore(film[2], "gray", window=window)
    assert found.damage is not None
    assert alone.damage is not None
    assert found.damage.dust > 0 == alone.damage.dust
    assert found.damage.grain == pytest.approx(4, abs=1)
    speck = np.s_[82:86, 122:128]
    assert alone.picture.planes[0][speck].mean() > 230
    assert abs(found.picture.planes[0][speck].mean() - film[1].planes[0][40:44, 60:65].mean()) < 60


@pytest.mark.parametrize("scale", [2, 3])
def test_a_frame_is_restored_the_same_whatever_its_thread_did_before(engine: Engine, scale: int) -> None:
    """After a small film, and with eight OpenCV threads, a frame gets the same bytes as in a new thread."""
    film = [Picture("yuv420p", 128, 96, (*p.planes, *scene(0, "yuv420p", 128, 96).planes[1:])) for p in dusty_pan()]
    restorer, before = Restorer(engine, scale, 0.4), cv2.getNumThreads()

    def restore() -> Picture:
        return restorer.restore(film[2], "yuv420p", window=FrameWindows(film, 2, [False]).window(0)).picture

    with ThreadPoolExecutor(1) as pool:
        expected = pool.submit(restore).result()
    small = [scene(shift, "gray", 32, 32) for shift in range(5)]
    restorer.restore(small[2], "gray", window=FrameWindows(small, 2, [False]).window(0))
    cv2.setNumThreads(8)
    try:
        found = restore()
    finally:
        cv2.setNumThreads(before)
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(found.planes, expected.planes, strict=True))


def test_a_network_on_single_frames_measures_nothing() -> None:
    """Without a window nothing is repaired, and no damage is reported."""
    film = dusty_pan()
    found = Restorer(_Bicubic(), 2, 0.0).restore(film[2], "gray")
    assert found.damage is None
    assert found.picture.planes[0][82:86, 122:128].mean() > 230


class _Bicubic:
    """An engine that enlarges with a bicubic filter only."""

    identity, halo_frames = "bicubic", 0
    scales: tuple[int, ...] = (2,)

    def upscale(self, luma: NDArray[np.float32], window: NetworkInput | None, scale: int) -> NDArray[np.float32]:
        assert window is None
        return np.asarray(cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.float32)
