from __future__ import annotations

from fractions import Fraction

import pytest

from reelwright.media.limits import Limits
from reelwright.media.probe import probe
from reelwright.media.source_info import SourceInfo
from reelwright.titles.errors import InputError
from tests.support.clips import FILMS, clip, truth
from tests.support.damaged_files import cut
from tests.support.films import REAL, whole_film


def _probed(name: str) -> SourceInfo:
    return probe(str(clip(name)))


@pytest.mark.parametrize("name", FILMS)
def test_every_film_is_described(name: str) -> None:
    """Size, first time and length of any film are known before it is read."""
    info, video = _probed(name), _probed(name).video
    assert info.size == clip(name).stat().st_size
    assert video.start_pts == truth(name).ticks(video.time_base)[0]
    assert video.width > 0
    assert video.height > 0


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("rate_23976", "24000/1001"),
        ("rate_24", "24/1"),
        ("rate_25", "25/1"),
        ("rate_2997", "30000/1001"),
        ("rate_50", "50/1"),
        ("dv_411", "30000/1001"),
    ],
)
def test_rates_are_exact(name: str, rate: str) -> None:
    """Frame rates are fractions, and the frame estimate follows them."""
    video = _probed(name).video
    assert video.average_rate == Fraction(rate)
    assert abs(video.frames_estimate - len(truth(name).times)) <= 1


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("interlaced_tff", "tff"),
        ("interlaced_bff", "bff"),
        ("interlaced_mpeg2", "tff"),
        ("interlaced_unflagged", "tff"),
        ("telecine", "telecine"),
        ("rate_25", "progressive"),
        ("yuv422p10_prores", "progressive"),
        ("short", "progressive"),
    ],
)
def test_fields_are_seen_whatever_the_flags_say(name: str, order: str) -> None:
    """Field order comes from the pictures, so that a wrong or missing flag does not matter."""
    assert _probed(name).video.field_order == order


def test_telecine_is_reported() -> None:
    """A pull-down is mentioned in the notes."""
    assert any("telecine" in note for note in _probed("telecine").notes)


@pytest.mark.parametrize(
    ("name", "sides"),
    [
        ("pillarbox", (40, 0, 40, 0)),
        ("letterbox", (0, 30, 0, 30)),
        ("windowbox_noisy", (20, 12, 24, 16)),
        ("rate_25", (0, 0, 0, 0)),
        ("dark", (0, 0, 0, 0)),
    ],
)
def test_borders_are_found_once_per_title(name: str, sides: tuple[int, int, int, int]) -> None:
    """Pillarbox and letterbox are measured; a dark film and a full frame have none."""
    bars = _probed(name).video.bars
    assert (bars.left, bars.top, bars.right, bars.bottom) == sides


@pytest.mark.parametrize(
    ("name", "colour"),
    [
        ("full_range", (2, 1, 1, 1)),
        ("bt601", (1, 5, 6, 5)),
        ("hdr", (1, 9, 16, 9)),
        ("rate_25", (0, 2, 2, 2)),
        ("gray8", (2, 2, 2, 2)),
        ("gray10", (2, 2, 2, 2)),
        ("sixteen_bit", (2, 2, 2, 2)),
        ("gray_limited", (1, 2, 2, 2)),
        ("bottom_up_bgr", (1, 2, 2, 6)),
    ],
)
def test_colour_is_carried_over(name: str, colour: tuple[int, int, int, int]) -> None:
    """Colour tags are the source's; untagged gray is of full range; RGB gets the matrix it is converted with."""
    found = _probed(name).video.colour
    assert (found.range, found.primaries, found.transfer, found.matrix) == colour


@pytest.mark.parametrize(
    ("name", "pix_fmt", "source"),
    [
        ("gray10", "gray10le", "gray10le"),
        ("yuv444p12_ffv1", "yuv444p12le", "yuv444p12le"),
        ("full_range", "yuv420p", "yuvj420p"),
        ("packed_uyvy", "yuv422p", "uyvy422"),
        ("bottom_up_bgr", "yuv444p", "bgr24"),
        ("sixteen_bit", "gray12le", "gray16le"),
    ],
)
def test_the_carried_format_is_the_nearest(name: str, pix_fmt: str, source: str) -> None:
    """The pipeline's format and the file's own are both known."""
    video = _probed(name).video
    assert (video.pix_fmt, video.source_pix_fmt) == (pix_fmt, source)


def test_geometry_is_of_the_stored_picture() -> None:
    """Rotation and sample aspect ratio are metadata; sizes are before both."""
    rotated, anamorphic = _probed("rotated").video, _probed("anamorphic").video
    assert (rotated.rotation, rotated.width, rotated.height) == (90, 160, 120)
    assert anamorphic.sample_aspect_ratio == Fraction(16, 15)
    assert (_probed("odd_420").video.width, _probed("odd_420").video.height) == (161, 121)


@pytest.mark.parametrize(("name", "turn"), [("mirrored", (0, True)), ("mirrored_rotated", (90, True))])
def test_mirrors_are_told_apart_from_turns(name: str, turn: tuple[int, bool]) -> None:
    """A mirrored picture is not taken for one that is turned."""
    video = _probed(name).video
    assert (video.rotation, video.mirrored) == turn


@pytest.mark.parametrize(
    ("name", "siting"),
    [
        ("rate_25", (0, 0.5)),
        ("mpeg2_ps", (0, 0.5)),
        ("mjpeg_avi", (0.5, 0.5)),
        ("dv_411", (-1, 0)),
        ("yuv444p", (0, 0)),
        ("hdr", (0, 0.5)),
    ],
)
def test_chroma_lies_where_the_codec_says(name: str, siting: tuple[float, float]) -> None:
    """MPEG-2, H.264 and HEVC put chroma on the left luma sample, JPEG in the middle; NTSC DV, resampled, follows."""
    assert _probed(name).video.chroma_siting == siting


def test_streams_chapters_and_metadata_are_listed() -> None:
    """Everything else in the file is known by kind, codec and name."""
    info = _probed("streams_mkv")
    assert [(stream.kind, stream.codec) for stream in info.streams] == [
        ("audio", "aac"),
        ("subtitle", "subrip"),
        ("attachment", "application/x-truetype-font"),
    ]
    assert info.streams[0].language == "eng"
    assert info.streams[0].details == "48000 Hz, mono"
    assert info.streams[2].title == "font.ttf"
    assert [(chapter.start, chapter.title) for chapter in info.chapters] == [
        (Fraction(0), "Part 1"),
        (Fraction(16, 25), "Part 2"),
        (Fraction(32, 25), "Part 3"),
    ]
    assert info.metadata["title"] == "A clip"


def test_a_cut_file_is_noted() -> None:
    """Probing shows that the end is missing and still describes the rest."""
    info = probe(str(cut("bframes_mkv", Fraction(1, 2))))
    assert any("cut off" in note for note in info.notes)
    assert info.video.width == 160


def test_limits_are_settings() -> None:
    """A film outside stricter limits is refused, within wider ones taken."""
    path = str(clip("rate_25"))
    with pytest.raises(InputError, match="160x120"):
        probe(path, Limits(max_width=159))
    with pytest.raises(InputError, match="160x120"):
        probe(path, Limits(min_side=121))
    assert probe(path, Limits(min_side=120, max_width=160, max_height=120)).video.width == 160


@pytest.mark.parametrize("name", REAL)
def test_real_films_are_described(name: str) -> None:
    """A film from the world has a rate, a length and whole frames."""
    info = probe(str(whole_film(name)))
    assert info.duration > 1
    assert info.video.field_order == "progressive"
    assert info.video.frames_estimate > 20
