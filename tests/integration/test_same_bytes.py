"""The same pictures give the same encoded bytes, whatever was in memory before; a resumed film relies on this."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ENCODE = """
import sys
from fractions import Fraction
from pathlib import Path
from reelwright.media.film_format import FilmFormat
from reelwright.media.encode import SegmentEncoder
from reelwright.media.profiles import profile_spec
from reelwright.media.types import ColourInfo
from tests.support.scenes import scene

path, profile, pix_fmt, width = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
film = FilmFormat(width, 112, pix_fmt, Fraction(1, 25), Fraction(25), Fraction(1), (), ColourInfo())
encoder = SegmentEncoder(path, profile_spec(profile), film)
for index in range(18):
    encoder.add(scene(index, pix_fmt, width, 112))
encoder.finish()
"""


# 144 and 320 are not multiples of 128, so vector code reads beyond the end of a row.
@pytest.mark.parametrize(
    ("profile", "pix_fmt", "width"),
    [
        ("web", "yuv420p", 144),
        ("web", "yuv420p", 320),
        ("master", "yuv420p", 144),
        ("hevc10", "yuv420p10le", 144),
        ("av1", "yuv420p10le", 144),
        ("prores", "yuv422p10le", 144),
    ],
)
def test_stale_memory_does_not_reach_the_film(profile: str, pix_fmt: str, width: int, tmp_path: Path) -> None:
    """A segment's file does not depend on uninitialised memory."""
    files = []
    for fill in ("0", "1"):
        path = tmp_path / f"{fill}.mkv"
        arguments = [sys.executable, "-c", _ENCODE, str(path), profile, pix_fmt, str(width)]
        # glibc fills allocated memory with the complement of this number; 0 leaves it unchanged.
        environment = {**os.environ, "MALLOC_PERTURB_": fill}
        subprocess.run(arguments, check=True, env=environment, capture_output=True)
        files.append(path.read_bytes())
    assert files[0] == files[1]
