"""Each profile decides the film's pixel format and size from the source's."""

from __future__ import annotations

from typing import get_args

import pytest

from reelwright.media.picture import PIXEL_FORMATS
from reelwright.media.profiles import encoded_size, out_pix_fmt, profile_spec
from reelwright.titles.recipe import Profile

PROFILES = get_args(Profile)


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_is_complete(name: str) -> None:
    """Each profile of a recipe has a spec, and a known pixel format for every source format."""
    assert profile_spec(name).name == name
    assert {out_pix_fmt(name, source) for source in PIXEL_FORMATS} <= set(PIXEL_FORMATS)


@pytest.mark.parametrize(
    ("source", "film"),
    [
        ("gray", "gray10le"),
        ("gray12le", "gray12le"),
        ("yuv420p", "yuv420p10le"),
        ("yuv422p10le", "yuv422p10le"),
        ("yuv444p12le", "yuv444p12le"),
    ],
)
def test_master_keeps_chroma_and_depth(source: str, film: str) -> None:
    """The master profile keeps the source's chroma subsampling, and has at least ten bits."""
    assert out_pix_fmt("master", source) == film


def test_web_is_always_8_bit_420() -> None:
    """The web profile gives 8-bit 4:2:0 for every source format."""
    assert {out_pix_fmt("web", source) for source in PIXEL_FORMATS} == {"yuv420p"}


def test_odd_sizes_are_rounded_up_where_the_codec_needs_it() -> None:
    """Profiles whose codec allows no odd size use the next even size; the others keep it."""
    sizes = {name: encoded_size(profile_spec(name), 161, 121) for name in PROFILES}
    assert sizes == {
        "web": (162, 122),
        "master": (161, 121),
        "hevc10": (162, 122),
        "av1": (161, 121),
        "prores": (162, 122),
    }
    assert encoded_size(profile_spec("web"), 160, 120) == (160, 120)


def test_an_unknown_profile_is_a_key_error() -> None:
    """A name that no recipe can have raises KeyError."""
    with pytest.raises(KeyError):
        profile_spec("divx")
