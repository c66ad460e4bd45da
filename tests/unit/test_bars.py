"""Black bars are detected, cut off and put back around the restored picture."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright.media.bars import crop, detect_bars, output_size, put_back
from reelwright.media.picture import Picture
from reelwright.media.source_info import Bars, VideoInfo
from reelwright.titles.recipe import Recipe
from tests.support.scenes import scene, with_bars

_SIZE = (320, 240)


def _film(pix_fmt: str = "yuv420p") -> list[Picture]:
    return [scene(i * 7, pix_fmt, *_SIZE) for i in range(12)]


def _sides(bars: Bars) -> tuple[int, int, int, int]:
    return bars.left, bars.top, bars.right, bars.bottom


def _video(picture: Picture, bars: Bars) -> VideoInfo:
    return VideoInfo(
        index=0,
        codec="ffv1",
        width=picture.width,
        height=picture.height,
        pix_fmt=picture.pix_fmt,
        source_pix_fmt=picture.pix_fmt,
        time_base="1/25",
        start_pts=0,
        average_rate="25/1",
        frames_estimate=1,
        bars=bars,
    )


@pytest.mark.parametrize("sides", [(40, 0, 40, 0), (0, 30, 0, 30), (20, 12, 24, 16), (8, 0, 0, 0)])
def test_black_bars_are_measured_exactly(sides: tuple[int, int, int, int]) -> None:
    """The widths of pillarbox, letterbox, both together and a single bar are exact."""
    assert _sides(detect_bars([with_bars(picture, *sides) for picture in _film()])) == sides


LARGE = """
import resource
import numpy as np
from reelwright.media.bars import detect_bars
from reelwright.media.picture import Picture

planes = tuple(np.full((4096, 4096), 2048, np.uint16) for _ in range(3))
planes[0][:200] = planes[0][-200:] = 256
film = (Picture("yuv444p12le", 4096, 4096, planes) for _ in range(24))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(detect_bars(film))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_the_bars_of_large_pictures_take_little_memory() -> None:
    """Of 24 pictures of 96 MiB, detection keeps less than three together."""
    done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=True)
    bars, grown_kib = done.stdout.splitlines()
    assert bars == "left=0 top=200 right=0 bottom=200 fill=(256, 2048, 2048)"
    assert int(grown_kib) < 3 * 96 << 10


def test_bars_are_rounded_to_the_chroma_grid() -> None:
    """The last line of a bar of odd width counts as picture, so that no chroma sample is divided."""
    assert _sides(detect_bars([with_bars(picture, 21, 13, 25, 17) for picture in _film()])) == (20, 12, 24, 16)


def test_bars_without_chroma_subsampling_keep_odd_widths() -> None:
    """Bars of a 4:4:4 film are not rounded."""
    film = [with_bars(picture, 21, 13, 25, 17) for picture in _film("yuv444p")]
    assert _sides(detect_bars(film)) == (21, 13, 25, 17)


def test_noisy_bars_are_detected() -> None:
    """Bars with noise of up to 8 levels are measured exactly."""
    film = [with_bars(picture, 40, 0, 40, 0, noise=8) for picture in _film()]
    assert _sides(detect_bars(film)) == (40, 0, 40, 0)


def test_a_soft_edge_counts_as_picture() -> None:
    """Lines where a bar fades into the picture count as picture, and the bar before them is detected."""
    film = []
    for picture in _film():
        planes = [plane.copy() for plane in with_bars(picture, 40, 0, 40, 0).planes]
        for step, share in enumerate((0.25, 0.5, 0.75)):
            column = picture.planes[0][:, 40 + step]
            planes[0][:, 40 + step] = 16 + (np.maximum(column, 16) - 16) * share
        film.append(Picture(picture.pix_fmt, *_SIZE, tuple(planes)))
    bars = detect_bars(film)
    assert bars.left in {40, 42}
    assert bars.right == 40


def test_bars_of_a_ten_bit_film_have_ten_bit_levels() -> None:
    """The fill of the bars is in code values of the source's depth."""
    bars = detect_bars([with_bars(picture, 40, 0, 40, 0) for picture in _film("yuv420p10le")])
    assert _sides(bars) == (40, 0, 40, 0)
    assert bars.fill == (64, 512, 512)


def test_a_film_without_bars_has_none() -> None:
    """A picture that reaches the frame's edge has no bars."""
    assert not detect_bars(_film()).any


def test_a_scene_with_dark_sides_has_no_bars() -> None:
    """A dark area that moves with the picture is not a bar."""
    film = []
    for index, picture in enumerate(_film()):
        luma = picture.planes[0].copy()
        luma[:, : 60 + 4 * index] = luma[:, : 60 + 4 * index] // 8 + 14
        film.append(Picture(picture.pix_fmt, *_SIZE, (luma, *picture.planes[1:])))
    assert not detect_bars(film).any


def test_a_dark_film_has_no_bars() -> None:
    """A film in which only a small area is bright has no bars."""
    film = []
    for picture in _film():
        luma = np.full_like(picture.planes[0], 17)
        luma[100:140, 150:190] = 90
        film.append(Picture(picture.pix_fmt, *_SIZE, (luma, *picture.planes[1:])))
    assert not detect_bars(film).any


def test_an_area_that_one_scene_fills_is_no_bar() -> None:
    """A film with one scene in the full frame has no bars."""
    film = [with_bars(picture, 40, 0, 40, 0) for picture in _film()[:-1]] + _film()[-1:]
    assert not detect_bars(film).any


def test_black_frames_do_not_hide_bars() -> None:
    """Black frames between the scenes do not change the measured bars."""
    black = with_bars(scene(0, "yuv420p", *_SIZE), 160, 0, 160, 0)
    film = [with_bars(picture, 40, 0, 40, 0) for picture in _film()] + [black] * 12
    assert _sides(detect_bars(film)) == (40, 0, 40, 0)


_LAYOUTS = st.sampled_from(["gray", "yuv420p", "yuv422p10le", "yuv444p12le"])


@settings(max_examples=60, deadline=None)
@given(
    pix_fmt=_LAYOUTS,
    size=st.tuples(st.integers(48, 81), st.integers(48, 81)),
    halves=st.tuples(*[st.integers(0, 8)] * 4),
)
def test_put_back_reverses_crop(pix_fmt: str, size: tuple[int, int], halves: tuple[int, int, int, int]) -> None:
    """After crop and put_back the picture's samples are unchanged and the bars have one level, for any pixel format."""
    left, top, right, bottom = (2 * half for half in halves)
    whole = scene(3, pix_fmt, *size)
    fill = tuple(range(5, 5 + whole.format.planes))
    bars = Bars(left=left, top=top, right=right, bottom=bottom, fill=fill)
    inner = crop(whole, bars)
    assert (inner.width, inner.height) == (size[0] - left - right, size[1] - top - bottom)
    recipe = Recipe(scale=2)
    video = _video(whole, bars)
    doubled = Picture(
        pix_fmt,
        inner.width * 2,
        inner.height * 2,
        tuple(
            np.ascontiguousarray(plane.repeat(2, 0).repeat(2, 1)[:rows, :columns])  # type: ignore[misc]
            for plane, (rows, columns) in zip(
                inner.planes,
                (inner.format.plane_shape(p, inner.width * 2, inner.height * 2) for p in range(whole.format.planes)),
                strict=True,
            )
        ),
    )
    film = put_back(doubled, video, recipe)
    assert (film.width, film.height) == output_size(video, recipe) == (size[0] * 2, size[1] * 2)
    cropped_again = crop(film, Bars(left=left * 2, top=top * 2, right=right * 2, bottom=bottom * 2))
    assert cropped_again.digest() == doubled.digest()
    if bars.top:
        assert all((plane[0] == level).all() for plane, level in zip(film.planes, fill, strict=True))


def test_bars_are_converted_to_the_films_format() -> None:
    """Bars of an 8-bit gray source are black and neutral in a 10-bit colour film."""
    bars = Bars(left=8, right=8, fill=(16,))
    video = _video(scene(0, "gray", 64, 64), bars)
    film = put_back(scene(0, "yuv420p10le", 96, 128), video, Recipe(scale=2))
    assert [int(plane[0, 0]) for plane in film.planes] == [64, 512, 512]


@pytest.mark.parametrize(("choice", "width"), [("keep", 128), ("crop", 96), ("ignore", 128)])
def test_the_recipe_decides_about_bars(choice: str, width: int) -> None:
    """With `keep` bars are put back, with `crop` removed, with `ignore` restored like picture."""
    video = _video(scene(0, "yuv420p", 64, 64), Bars(left=8, right=8, fill=(16, 128, 128)))
    recipe = Recipe.model_validate({"bars": choice, "scale": 2})
    assert output_size(video, recipe) == (width, 128)
    restored = scene(0, "yuv420p", 128 if choice == "ignore" else 96, 128)
    film = put_back(restored, video, recipe)
    assert (film.width, film.height) == (width, 128)
