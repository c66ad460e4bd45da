from __future__ import annotations

import av
import numpy as np
import pytest

from reelwright.media.formats import conversion, picture_of
from reelwright.media.source_info import Bars
from reelwright.titles.errors import InputError
from tests.support.clipmaker import frame_of
from tests.support.scenes import scene


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("yuv420p", "yuv420p"),
        ("yuvj420p", "yuv420p"),
        ("nv12", "yuv420p"),
        ("yuyv422", "yuv422p"),
        ("p010le", "yuv420p10le"),
        ("yuv420p10be", "yuv420p10le"),
        ("yuv420p9le", "yuv420p10le"),
        ("gray9le", "gray10le"),
        ("gray", "gray"),
        ("monob", "gray"),
        ("y210le", "yuv422p10le"),
    ],
)
def test_formats_that_fit_lose_nothing(source: str, target: str) -> None:
    """A format that only has another layout is converted without a note."""
    assert (conversion(source).target, conversion(source).note) == (target, "")


@pytest.mark.parametrize(
    ("source", "target", "word"),
    [
        ("yuv420p14le", "yuv420p12le", "bits"),
        ("gray16le", "gray12le", "bits"),
        ("yuv444p16le", "yuv444p12le", "bits"),
        ("yuva444p10le", "yuv444p10le", "transparency"),
        ("ya8", "gray", "transparency"),
        ("yuv411p", "yuv422p", "chroma"),
        ("yuv410p", "yuv420p", "chroma"),
        ("yuv440p", "yuv444p", "chroma"),
        ("rgb24", "yuv444p", "RGB"),
        ("gbrp10le", "yuv444p10le", "RGB"),
        ("rgb48le", "yuv444p12le", "RGB"),
        ("pal8", "yuv444p", "RGB"),
    ],
)
def test_formats_that_do_not_fit_say_what_is_lost(source: str, target: str, word: str) -> None:
    """The nearest carried format is taken, and the note says what it cannot hold."""
    assert conversion(source).target == target
    assert word in conversion(source).note


@pytest.mark.parametrize("source", ["cuda", "vaapi", "bayer_rggb8"])
def test_formats_that_are_no_pictures_are_refused(source: str) -> None:
    """Hardware surfaces and raw sensor data need converting first."""
    with pytest.raises(InputError, match=source):
        conversion(source)


@pytest.mark.parametrize(
    ("source", "fmt"),
    [
        ("nv12", "yuv420p"),
        ("nv16", "yuv422p"),
        ("nv24", "yuv444p"),
        ("yuyv422", "yuv422p"),
        ("uyvy422", "yuv422p"),
        ("p010le", "yuv420p10le"),
        ("yuv420p10be", "yuv420p10le"),
        ("yuva420p", "yuv420p"),
        ("gray10be", "gray10le"),
    ],
)
@pytest.mark.parametrize("size", [(64, 48), (62, 46)])
def test_samples_survive_a_change_of_layout(source: str, fmt: str, size: tuple[int, int]) -> None:
    """A lossless conversion keeps every sample."""
    picture = scene(1, fmt, *size)
    assert picture_of(frame_of(picture, source), Bars()).digest() == picture.digest()


def test_full_range_samples_keep_their_values() -> None:
    """Packing does not pull full-range samples into the limited range."""
    picture = scene(1, "yuv420p", 64, 48)
    frame = frame_of(picture, "nv12")
    frame.color_range = 2
    assert picture_of(frame, Bars()).digest() == picture.digest()


def test_gray_rgb_has_no_colour() -> None:
    """A black-and-white film stored as RGB comes out with neutral chroma and limited-range luma."""
    ramp = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], 48, 0).repeat(3, 2)
    picture = picture_of(av.VideoFrame.from_ndarray(np.ascontiguousarray(ramp), format="rgb24"), Bars())
    assert (picture.planes[1] == 128).all()
    assert (picture.planes[2] == 128).all()
    assert (int(picture.planes[0].min()), int(picture.planes[0].max())) == (16, 235)


def test_planes_are_tight_copies() -> None:
    """A picture outlives FFmpeg's frame and is laid out without padding."""
    picture = picture_of(frame_of(scene(1, "yuv420p", 61, 47)), Bars(left=4, top=2, right=6, bottom=2))
    for plane in picture.planes:
        assert plane.flags.c_contiguous
        assert plane.flags.owndata
    assert [plane.shape for plane in picture.planes] == [(43, 51), (22, 26), (22, 26)]
