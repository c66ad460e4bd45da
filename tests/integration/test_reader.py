from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from reelwright.media.frame_record import DecodedFrame, FrameRecord
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.media.source_info import SourceInfo
from reelwright.titles.errors import InputError
from reelwright.titles.recipe import Recipe
from tests.support.clipmaker import Film, write_film
from tests.support.clips import FILMS, clip, truth
from tests.support.damaged_files import bad_file, joined, without_first
from tests.support.films import REAL, whole_film
from tests.support.scenes import interlaced, scene

# Coded without loss in a format that the pipeline carries as it is.
_EXACT = {
    "ffv1": "yuv420p",
    "ffv1_unchecked": "yuv420p",
    "odd_420": "yuv420p",
    "gray10": "gray10le",
    "yuv444p12_ffv1": "yuv444p12le",
    "alpha": "yuv420p",
    "packed_uyvy": "yuv422p",
    "sixteen_bit": "gray12le",
}
# Whose frames are not one plain moment of the scene: fields, borders, another scene.
_MIXED = {
    "interlaced_tff",
    "interlaced_bff",
    "interlaced_mpeg2",
    "interlaced_unflagged",
    "telecine",
    "pillarbox",
    "letterbox",
    "windowbox_noisy",
    "dark",
    "dv_411",
}


def _info(name: str) -> SourceInfo:
    return probe(str(clip(name)))


def _read(name: str, threads: int = 2, **recipe: Any) -> list[DecodedFrame]:
    return list(FrameReader(_info(name), Recipe(**recipe), threads=threads))


def _digests(frames: Sequence[DecodedFrame]) -> list[tuple[FrameRecord, str]]:
    return [(frame.record, frame.picture.digest()) for frame in frames]


@pytest.mark.parametrize("name", FILMS)
def test_every_frame_comes_once_in_order_at_its_own_time(name: str) -> None:
    """Times are exactly those that were written, in the container's own units."""
    frames, video = _read(name), _info(name).video
    assert [frame.record.pts for frame in frames] == truth(name).ticks(video.time_base)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert not any(frame.record.concealed for frame in frames)


@pytest.mark.parametrize("name", [name for name in FILMS if name not in _MIXED])
def test_every_frame_is_the_picture_of_its_time(name: str) -> None:
    """Each picture is nearer to the moment that was written at its time than to the moments beside it."""
    frames, moments = _read(name), truth(name).moments
    for frame, moment in zip(frames, moments, strict=True):
        own = _distance(frame, moment)
        assert own < 12
        for other in (moment - 1, moment + 1):
            if other >= 0:
                assert own < _distance(frame, other)


def _distance(frame: DecodedFrame, moment: float) -> float:
    luma = frame.picture.planes[0] >> (frame.picture.format.depth - 8)
    drawn = scene(moment, "gray", frame.picture.width, frame.picture.height).planes[0]
    return float(np.abs(luma.astype(int) - drawn).mean())


@pytest.mark.parametrize("name", _EXACT)
def test_lossless_films_are_read_sample_for_sample(name: str) -> None:
    """Nothing between the file and the picture touches a sample: odd sizes, 8 to 16 bits, packed or planar."""
    assert _info(name).video.pix_fmt == _EXACT[name]
    for frame, moment in zip(_read(name), truth(name).moments, strict=True):
        width, height = frame.picture.width, frame.picture.height
        assert frame.picture.digest() == scene(moment, _EXACT[name], width, height).digest()


@pytest.mark.parametrize("name", ["bframes_mp4", "bframes_hevc", "av1_mp4", "vp9_webm", "ffv1", "interlaced_tff"])
def test_reading_again_with_other_threads_gives_the_same(name: str) -> None:
    """Frames, times and shots depend on the file alone."""
    once = _digests(_read(name, threads=1))
    assert once == _digests(_read(name, threads=4))
    reader = FrameReader(_info(name), Recipe())
    assert once == _digests(list(reader)) == _digests(list(reader))


def test_borders_are_left_out_unless_ignored() -> None:
    """The pictures are the active area; `ignore` hands over the whole frame."""
    sizes = {
        bars: {(frame.picture.width, frame.picture.height) for frame in _read("windowbox_noisy", bars=bars)}
        for bars in ("keep", "crop", "ignore")
    }
    assert sizes == {"keep": {(276, 212)}, "crop": {(276, 212)}, "ignore": {(320, 240)}}


@pytest.mark.parametrize("name", ["interlaced_tff", "interlaced_bff", "interlaced_mpeg2", "interlaced_unflagged"])
def test_interlaced_films_are_made_whole_frame_by_frame(name: str) -> None:
    """Combs go, the frame count and the times stay."""
    combed, whole = _read(name, deinterlace="off"), _read(name)
    assert [frame.record.pts for frame in whole] == [frame.record.pts for frame in combed]
    assert _combing(whole) < _combing(combed) / 3


def test_deinterlacing_can_be_switched_off_and_on() -> None:
    """`off` hands over both fields as stored, `on` treats a film that looks progressive too."""
    stored = _read("interlaced_unflagged", deinterlace="off")
    large = ("yuv420p", 320, 240)
    for frame in stored[:5]:
        both = interlaced(scene(frame.index, *large), scene(frame.index + 0.5, *large), top_first=True)
        assert frame.picture.digest() == both.digest()
    forced, plain = _read("rate_25", deinterlace="on"), _read("rate_25")
    assert len(forced) == len(plain)
    assert forced[5].picture.digest() != plain[5].picture.digest()


def test_a_pull_down_gives_the_film_frames_back() -> None:
    """Telecined frames are put together from their fields again, one for one."""
    stored, whole = _read("telecine", deinterlace="off"), _read("telecine")
    assert [frame.record.pts for frame in whole] == [frame.record.pts for frame in stored]
    assert _combing(whole) < _combing(stored) / 2


def _combing(frames: Sequence[DecodedFrame]) -> float:
    """How much more a row differs from its neighbours than from the row two away; large where fields disagree."""
    total = 0.0
    for frame in frames[2:-2]:
        luma = frame.picture.planes[0].astype(int)
        inner = luma[2:-2]
        neighbours = np.abs(inner - luma[1:-3]) + np.abs(inner - luma[3:-1])
        total += float(np.maximum(neighbours - 2 * np.abs(inner - luma[:-4]), 0).mean())
    return total


def test_shots_are_marked() -> None:
    """The first frame of each of the film's shots starts one."""
    assert [frame.index for frame in _read("long") if frame.record.shot_start] == list(range(0, 240, 24))


def test_frames_without_a_time_of_their_own_get_the_next_free_one() -> None:
    """Two frames at one time are both kept, in order, and the repair is noted."""
    reader = FrameReader(probe(str(bad_file("doubled"))), Recipe())
    frames = list(reader)
    assert [frame.record.pts for frame in frames] == [161 if i == 5 else 40 * i for i in range(24)]
    assert [frame.picture.digest() for frame in frames] == [scene(i).digest() for i in range(24)]
    assert any("no time of their own" in note for note in reader.notes)


@pytest.mark.parametrize("name", REAL)
def test_real_films_are_read_whole(name: str) -> None:
    """Frames and times of a film from the world are those that plain decoding gives."""
    path = whole_film(name)
    with av.open(str(path)) as container:
        expected = [frame.pts for frame in container.decode(video=0)]
    assert [frame.record.pts for frame in FrameReader(probe(str(path)), Recipe())] == expected


@pytest.mark.parametrize(
    ("name", "cut", "first"),
    [
        ("bframes_mkv", 5, 12),
        ("hevc_open_gop", 5, 12),
        ("mpeg4_gop", 5, 12),
        ("bframes_ts", 5, 12),
        ("mpeg2_ps", 5, 12),
        ("vp9_gop", 5, 12),
    ],
)
def test_a_recording_that_begins_between_key_frames_begins_at_its_first_whole_picture(
    name: str, cut: int, first: int
) -> None:
    """What refers to pictures in front of the file is left out and counted, for every codec; the rest is all there."""
    reader = FrameReader(probe(str(without_first(name, cut))), Recipe())
    frames = list(reader)
    assert len(frames) == len(truth(name).times) - first
    for frame, moment in zip(frames, truth(name).moments[first:], strict=True):
        assert _distance(frame, moment) < 12
    assert any("before the first whole picture were left out" in note for note in reader.notes)


def test_recordings_joined_without_a_gap_in_time_are_one_film(tmp_path: Path) -> None:
    """A jump in the packet counters of a transport stream is no damage where every frame decodes."""
    for codec, options in (("libx264", {"bf": "2"}), ("libx265", {"x265-params": "log-level=0"}), ("mpeg2video", {})):
        parts = [tmp_path / f"{codec}{number}.ts" for number in range(2)]
        for number, part in enumerate(parts):
            shots = [(Fraction(number * 24 + i, 25) + 5, scene(number * 24 + i)) for i in range(24)]
            write_film(part, Film(shots, codec=codec, options=options))
        frames = list(FrameReader(probe(str(joined(*parts))), Recipe()))
        assert len(frames) == 48
        assert not any(frame.record.concealed for frame in frames)


def test_a_sample_shape_that_changes_is_refused_where_it_changes() -> None:
    """An MPEG-2 broadcast that goes from 4:3 to 16:9 is not shown stretched in silence."""
    with pytest.raises(InputError, match="display aspect ratio changes from 4:3 to 16:9") as refusal:
        list(FrameReader(probe(str(bad_file("reshaped"))), Recipe()))
    assert "at 00:00:01." in refusal.value.where or "at 00:00:00.9" in refusal.value.where


def test_the_containers_sample_shape_overrules_the_codecs() -> None:
    """Matroska states one shape for the whole film, which players take; the codec's change is noted."""
    reader = FrameReader(probe(str(bad_file("reshaped_mkv"))), Recipe())
    assert len(list(reader)) == 50
    assert any("display aspect ratio changes" in note for note in reader.notes)
