"""Where chroma lies is read from codec and tag, and films are tagged with where theirs lies."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from reelwright.media import ebml
from reelwright.media.probe import probe
from reelwright.media.track_header import elements, track_header
from tests.support.clipmaker import Film, write_film
from tests.support.clips import clip
from tests.support.scenes import scene
from tests.support.unrestored_films import make_unrestored_film

LEFT, TOP_LEFT = (ebml.COLLOCATED, ebml.HALFWAY), (ebml.COLLOCATED, ebml.COLLOCATED)


@pytest.mark.parametrize(
    ("name", "film", "siting"),
    [
        ("left.mp4", {}, (0, 0.5)),
        ("centre.mp4", {"options": {"x264-params": "chromaloc=1"}}, (0.5, 0.5)),
        ("centre.mkv", {"options": {"x264-params": "chromaloc=1"}}, (0.5, 0.5)),
        ("topleft.mp4", {"options": {"x264-params": "chromaloc=2"}}, (0, 0)),
        ("top.ts", {"options": {"x264-params": "chromaloc=3"}}, (0.5, 0)),
        ("hevc.mp4", {"codec": "libx265", "options": {"x265-params": "chromaloc=2:log-level=0"}}, (0, 0)),
        (
            "av1.mp4",
            {"codec": "libsvtav1", "options": {"svtav1-params": "lp=1:chroma-sample-position=topleft"}},
            (0, 0),
        ),
        ("mpeg1.mpg", {"codec": "mpeg1video", "options": {"b": "1M"}}, (0.5, 0.5)),
        ("mpeg2.mkv", {"codec": "mpeg2video", "options": {"b": "1M"}}, (0, 0.5)),
        ("mjpeg.mkv", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}, (0.5, 0.5)),
        ("flv1.flv", {"codec": "flv", "options": {"b": "1M"}}, (0.5, 0.5)),
        ("ffv1.mkv", {"codec": "ffv1"}, (0, 0.5)),
    ],
)
def test_the_source_s_chroma(name: str, film: dict[str, Any], siting: tuple[float, float], tmp_path: Path) -> None:
    """A tag in the bitstream counts; without one, the codec's own place."""
    shots = [(Fraction(i, 25), scene(i, "yuv420p")) for i in range(6)]
    write_film(tmp_path / name, Film(shots, **film))
    assert probe(str(tmp_path / name)).video.chroma_siting == siting


@pytest.mark.parametrize(
    ("name", "profile", "tag"),
    [
        ("mjpeg_avi", "web", LEFT),
        ("mjpeg_avi", "hevc10", LEFT),
        ("mjpeg_avi", "av1", LEFT),
        ("mjpeg_avi", "master", LEFT),
        ("yuv422p", "master", TOP_LEFT),
        ("yuv444p", "master", (0, 0)),
        ("gray10", "master", (0, 0)),
    ],
)
def test_the_film_s_tag(name: str, profile: str, tag: tuple[int, int], tmp_path: Path) -> None:
    """Players find the chroma where restoration has put it; what has a chroma sample for each pixel has no tag."""
    film = make_unrestored_film(clip(name), profile, tmp_path, limit=5)
    with av.open(str(film.path)) as container:
        found = elements(track_header(container.streams.video[0]), ebml.VIDEO, ebml.COLOUR)
    numbers = (found.get(place, b"\0") for place in (ebml.CHROMA_SITING_HORZ, ebml.CHROMA_SITING_VERT))
    assert tuple(int.from_bytes(number, "big") for number in numbers) == tag
