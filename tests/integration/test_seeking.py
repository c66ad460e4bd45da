"""A reading that begins in the middle of a film gives the frames of one from the start, or says that it may not."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Literal

import pytest

from reelwright.media.frame_record import DecodedFrame, FrameRecord
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.media.seeking import SeekFailed, SeekPoint
from reelwright.media.source_info import SourceInfo
from reelwright.titles.recipe import Excerpt, Recipe
from tests.support import mp4_edit
from tests.support.clips import FILMS, clip
from tests.support.damaged_files import bad_file, broken
from tests.support.films import REAL, remuxed, whole_film

RECIPE = Recipe()
# Of whose frames each can be reached, or those before the first key frame that later pictures look behind.
REACHED = {"rate_25", "rate_23976_mkv", "vfr_mp4", "vfr_mkv", "bframes_mp4", "bframes_mkv", "bframes_hevc"}
REACHED |= {
    "late_start_mkv",
    "hevc_open_gop",
    "open_gop",
    "hdr",
    "gray",
    "yuv420p10",
    "yuv422p10_prores",
    "ffv1",
    "sixteen_bit",
    "long",
}
# Repaired, filtered, or of a container or codec about which nothing is claimed.
REFUSED = {"bframes_ts", "mpeg4_gop", "vp9_gop", "mpeg2_ps", "h264_avi", "edit_list", "interlaced_tff", "telecine"}
REFUSED |= {"yuv444p", "interlaced_mpeg2", "dv_411"}


def content(frames: Sequence[DecodedFrame]) -> list[tuple[int, FrameRecord, str]]:
    """Number, record and digest of each frame; of the first one, which begins a shot for a reading, no shot start."""
    found = [(frame.index, frame.record, frame.picture.digest()) for frame in frames]
    return [(index, record.model_copy(update={"shot_start": False}), digest) for index, record, digest in found]


def read_from(info: SourceInfo, frames: Sequence[DecodedFrame], index: int) -> list[DecodedFrame]:
    """The frames of a reading that begins at one of the frames of a reading from the start."""
    point = SeekPoint(index, frames[index].record.pts, frames[0].record.pts)
    reader = FrameReader(info, RECIPE, start=point)
    found = list(reader)
    assert reader.seekable
    assert not reader.notes
    assert reader.truncated_at is None
    return found


@pytest.mark.parametrize("name", FILMS)
def test_a_reading_from_any_frame(name: str) -> None:
    """Of every kind of film it has the pictures and times of a reading from the start, or it raises SeekFailed."""
    info = probe(str(clip(name)))
    reader = FrameReader(info, RECIPE)
    frames, reached = list(reader), 0
    for index in range(1, len(frames), 5):
        try:
            found = read_from(info, frames, index)
        except SeekFailed:
            continue
        assert content(found) == content(frames[index:])
        reached += 1
    assert reader.seekable or not reached
    assert reached or name not in REACHED
    assert not reader.seekable or name not in REFUSED


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("name", REAL)
def test_a_reading_from_the_shots_of_a_real_film(name: str, suffix: str, tmp_path: Path) -> None:
    """Shots included, it has what a reading from the start has, in the film's container and in another one."""
    info = probe(str(remuxed(whole_film(name), tmp_path / f"film.{suffix}")))
    reader = FrameReader(info, RECIPE)
    frames = list(reader)
    assert reader.seekable
    starts = [frame.index for frame in frames[1:] if frame.record.shot_start]
    for index in starts[-2:]:
        assert [(f.index, f.record, f.picture.digest()) for f in read_from(info, frames, index)] == [
            (f.index, f.record, f.picture.digest()) for f in frames[index:]
        ]


@pytest.mark.parametrize("name", ["doubled", "reshaped_mkv"])
def test_a_film_that_is_repaired_is_read_from_the_start(name: str) -> None:
    """Where times or shapes of samples are repaired, a reading says that none may begin behind the repair."""
    reader = FrameReader(probe(str(bad_file(name))), RECIPE)
    assert list(reader)
    assert reader.notes
    assert not reader.seekable


@pytest.mark.parametrize("recipe", [Recipe(deinterlace="on"), Recipe(excerpt=Excerpt(period=2))])
def test_a_recipe_by_which_a_frame_depends_on_others(recipe: Recipe) -> None:
    """Where frames are deinterlaced or parts left out, a reading says that none may begin in the middle."""
    reader = FrameReader(probe(str(clip("rate_25"))), recipe)
    assert list(reader)
    assert not reader.seekable


def test_an_index_that_names_other_frames_as_key_frames(tmp_path: Path) -> None:
    """A reading does not begin at a picture that refers to others, whatever the file's index says of it."""
    path = Path(shutil.copy(clip("rate_25"), tmp_path / "film.mp4"))
    data = bytearray(path.read_bytes())
    info = probe(str(path))
    frames = list(FrameReader(info, RECIPE))
    # ISO/IEC 14496-12, 8.6.2: the numbers of the key frames, four bytes each.
    table = data.index(b"stss") + 12
    count = int.from_bytes(data[table - 4 : table], "big")
    for entry in range(count):
        data[table + 4 * entry : table + 4 * entry + 4] = (1 + entry * 7).to_bytes(4, "big")
    path.write_bytes(data)
    with pytest.raises(SeekFailed, match="refer to others"):
        read_from(info, frames, 10)


def test_a_frame_that_is_not_there() -> None:
    """A reading does not begin where no frame has the time, or behind the last frame."""
    info = probe(str(clip("bframes_mkv")))
    frames = list(FrameReader(info, RECIPE))
    for pts in (frames[20].record.pts + 1, frames[-1].record.pts + 1):
        with pytest.raises(SeekFailed):
            list(FrameReader(info, RECIPE, start=SeekPoint(20, pts, 0)))


def test_a_film_of_an_early_encoder(tmp_path: Path) -> None:
    """Nothing is claimed of H.264 whose decoding depends on the version of x264 that the first packet alone names."""
    path = Path(shutil.copy(clip("bframes_mp4"), tmp_path / "film.mp4"))
    data = path.read_bytes()
    at = data.index(b"x264 - core ") + 12
    path.write_bytes(data[:at] + b"033" + data[at + 3 :])
    reader = FrameReader(probe(str(path)), RECIPE)
    assert list(reader)
    assert not reader.seekable


def test_a_film_that_an_edit_list_ends_early(tmp_path: Path) -> None:
    """A reading that begins in the middle ends where one from the start does."""
    path = Path(shutil.copy(clip("rate_25"), tmp_path / "film.mp4"))
    mp4_edit.trim(path, Fraction(0), Fraction(1))
    info = probe(str(path))
    frames = list(FrameReader(info, RECIPE))
    assert len(frames) == 25
    assert content(read_from(info, frames, 14)) == content(frames[14:])


@pytest.mark.parametrize("on_damage", ["fail", "conceal"])
def test_damage_behind_the_first_frame(on_damage: Literal["fail", "conceal"]) -> None:
    """A reading that began in the middle and meets damage raises SeekFailed, also where it would conceal the damage."""
    frames = list(FrameReader(probe(str(clip("bframes_mp4"))), RECIPE))
    point = SeekPoint(20, frames[20].record.pts, frames[0].record.pts)
    reader = FrameReader(probe(str(broken("bframes_mp4", 40))), Recipe(on_damage=on_damage), start=point)
    with pytest.raises(SeekFailed):
        list(reader)
    assert content(list(islice(reader, 5))) == content(frames[20:25])
