"""Segments that are taken out of a film again make the same film."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reelwright.media.assemble import assemble_film
from reelwright.media.film_segments import taken_out
from reelwright.media.picture_clock import SegmentInput
from tests.support.carried_clips import write_hdr
from tests.support.clips import clip
from tests.support.films import real_film
from tests.support.unrestored_films import make_unrestored_film

SOURCES: dict[str, Callable[[Path], Path]] = {
    "real": lambda _: real_film("chaplin"),
    "anamorphic": lambda _: clip("anamorphic"),
    "hdr10": lambda folder: write_hdr(folder / "source.mp4"),
}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("profile", ["master", "hevc10"])
def test_a_film_of_its_own_segments_is_the_same(profile: str, name: str, tmp_path: Path) -> None:
    """The film is the same to the bit, though its segments say what those of an encoder do not say."""
    made = make_unrestored_film(SOURCES[name](tmp_path), profile, tmp_path, segment=2, limit=4)
    ranges = [range(2 * number, 2 * number + len(each.frames)) for number, each in enumerate(made.segments)]
    folder = tmp_path / "again"
    folder.mkdir()
    parts = taken_out(made.path, ranges, folder, rate=made.film.average_rate, reorder=made.spec.reorder)
    inputs = (SegmentInput(path, made.segments[number].frames) for number, path in parts)
    again = folder / made.path.name
    assemble_film(again, inputs, source=made.info, spec=made.spec, film=made.film)
    assert again.read_bytes() == made.path.read_bytes()
