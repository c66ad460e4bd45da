"""Profiles: what each makes of a source's format and size."""

from __future__ import annotations

from typing import get_args

import pytest

from reelwright.media.picture import PIXEL_FORMATS
from reelwright.media.profiles import encoded_size, out_pix_fmt, profile_spec
from reelwright.titles.recipe import Profile

PROFILES = get_args(Profile)


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_is_complete(name: str) -> None:
    """Each profile that a recipe may name has a spec, and carries every source format in one the pipeline knows."""
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
    """An archive copy has the source's chroma grid or none, and at least ten bits."""
    assert out_pix_fmt("master", source) == film


def test_web_is_what_browsers_play() -> None:
    """The web profile is 8-bit 4:2:0 whatever comes in."""
    assert {out_pix_fmt("web", source) for source in PIXEL_FORMATS} == {"yuv420p"}


def test_odd_sizes() -> None:
    """Only codecs that cannot hold an odd size get the next even one."""
    sizes = {name: encoded_size(profile_spec(name), 161, 121) for name in PROFILES}
    assert sizes == {
        "web": (162, 122),
        "master": (161, 121),
        "hevc10": (162, 122),
        "av1": (161, 121),
        "prores": (162, 122),
    }
    assert encoded_size(profile_spec("web"), 160, 120) == (160, 120)


def test_unknown_profile() -> None:
    """A profile that no recipe may name is a bug of the caller."""
    with pytest.raises(KeyError):
        profile_spec("divx")
