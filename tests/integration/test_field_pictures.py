"""Frames that are coded as two field pictures come out whole, each at its own time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from reelwright.media.finished_film import read_timeline
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.titles.recipe import Recipe
from tests.support.field_pictures import write_fields
from tests.support.unrestored_films import make_unrestored_film

KINDS = [
    ("h264", False, False),
    ("h264", True, False),
    ("h264", False, True),
    ("h264", True, True),
    ("mpeg2video", False, False),
    ("mpeg2video", False, True),
]


def remuxed(source: Path, suffix: str) -> Path:
    """The same packets in another container, from zero on."""
    path = source.with_suffix(suffix)
    with av.open(str(source)) as given, av.open(str(path), "w") as out:
        target = out.add_stream_from_template(given.streams.video[0], opaque=True)
        last = 0
        for packet in given.demux(given.streams.video[0]):
            if packet.size:
                # The demuxer gives the second field of a packet no time.
                time = last + 1_800 if packet.pts is None else packet.pts
                packet.stream, packet.pts, packet.dts, last = target, time - 90_000, time - 90_000, time
                out.mux(packet)
    return path


@pytest.mark.parametrize("suffix", [".ts", ".mkv", ".mp4"])
@pytest.mark.parametrize(("codec", "mixed", "apart"), KINDS)
def test_every_frame_is_whole_and_in_time(codec: str, mixed: bool, apart: bool, suffix: str, tmp_path: Path) -> None:
    """Both fields of a frame are there, wherever packets begin, and rate and fields are found."""
    source = tmp_path / "source.ts"
    frames = write_fields(source, codec, mixed=mixed, apart=apart)
    source = remuxed(source, suffix) if suffix != ".ts" else source
    info = probe(str(source))
    found = list(FrameReader(info, Recipe(bars="ignore", deinterlace="off")))
    assert len(found) == len(frames)
    assert all(np.array_equal(one.picture.planes[0], frame[0]) for one, frame in zip(found, frames, strict=True))
    times = [one.record.pts * info.video.time_base for one in found]
    assert all(abs(time - times[0] - Fraction(number, 25)) <= info.video.time_base for number, time in enumerate(times))
    assert info.video.average_rate == 25
    assert abs(info.video.frames_estimate - len(frames)) <= 1
    assert info.video.field_order == "tff"


@pytest.mark.parametrize("profile", ["web", "master"])
def test_a_film_of_field_pictures(profile: str, tmp_path: Path) -> None:
    """The film made of it has every frame at its source's time."""
    source = tmp_path / "source.ts"
    frames = write_fields(source, "h264", apart=True)
    film = make_unrestored_film(source, profile, tmp_path)
    timeline = read_timeline(film.path)
    expected = [1 + Fraction(number, 25) for number in range(len(frames))]
    assert [pts * timeline.time_base for pts in timeline.pts] == expected
