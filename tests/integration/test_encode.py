"""Segments: pictures in, the same pictures and the same bytes out."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from reelwright.media.colour import presumed_matrix
from reelwright.media.encode import SegmentEncoder
from reelwright.media.film_format import FilmFormat, film_colour
from reelwright.media.finished_film import frame_digests
from reelwright.media.picture import PIXEL_FORMATS, Picture
from reelwright.media.profiles import out_pix_fmt, profile_spec
from reelwright.media.source_info import ColourInfo, VideoInfo
from reelwright.titles.errors import OutputError, UnavailableError
from tests.support.scenes import scene
from tests.support.unrestored_films import PROFILES, decoded, mean_difference, write_segment

BT601_FULL = ColourInfo(range=2, primaries=5, transfer=6, matrix=5)


def film(pix_fmt: str, width: int = 160, height: int = 120, colour: ColourInfo | None = None) -> FilmFormat:
    """A film of 25 frames a second."""
    return FilmFormat(
        width=width,
        height=height,
        pix_fmt=pix_fmt,
        time_base=Fraction(1, 25),
        average_rate=Fraction(25),
        sample_aspect_ratio=Fraction(1),
        display_matrix=(),
        colour=colour or ColourInfo(),
    )


def ramp(pix_fmt: str, width: int = 128, height: int = 64) -> Picture:
    """Black and white from the darkest to the lightest code, with neutral chroma."""
    layout = PIXEL_FORMATS[pix_fmt]
    steps = np.tile(np.linspace(0, (1 << layout.depth) - 1, width), (height, 1)).astype(layout.dtype)
    chroma = [
        np.full(layout.plane_shape(p, width, height), layout.neutral, layout.dtype) for p in range(1, layout.planes)
    ]
    return Picture(pix_fmt, width, height, (steps, *chroma))  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(160, 120), (161, 121), (32, 32)])
@pytest.mark.parametrize("profile", PROFILES)
def test_pictures_come_back(profile: str, size: tuple[int, int], tmp_path: Path) -> None:
    """Each profile gives back every picture in order, at even and odd sizes; the segment starts with its one key."""
    pix_fmt = out_pix_fmt(profile, "yuv420p")
    pictures = [scene(i, pix_fmt, *size) for i in range(30)]
    path = write_segment(tmp_path / "s.mkv", profile_spec(profile), film(pix_fmt, *size), pictures)
    frames = list(decoded(path))
    assert len(frames) == len(pictures)
    limit = 0 if profile == "master" else 3
    assert max(mean_difference(picture, planes) for picture, (_, planes) in zip(pictures, frames, strict=True)) <= limit
    with av.open(str(path)) as container:
        assert next(container.demux(video=0)).is_keyframe


@pytest.mark.parametrize("profile", PROFILES)
def test_an_encoder_takes_no_priority_over_the_machine(profile: str, tmp_path: Path) -> None:
    """While and after a segment is encoded, no thread of the process is a real-time one, also for the superuser."""

    def policies() -> set[int]:
        return {os.sched_getscheduler(int(thread.name)) for thread in Path("/proc/self/task").iterdir()}

    pix_fmt = out_pix_fmt(profile, "yuv420p")
    encoder = SegmentEncoder(tmp_path / "s.mkv", profile_spec(profile), film(pix_fmt))
    opened = policies()
    for index in range(12):
        encoder.add(scene(index, pix_fmt))
    encoder.finish()
    assert opened == policies() == {os.SCHED_OTHER}


@pytest.mark.parametrize("pix_fmt", ["gray10le", "gray12le", "yuv422p10le", "yuv444p12le"])
def test_master_is_bit_exact(pix_fmt: str, tmp_path: Path) -> None:
    """FFV1 holds every layout bit for bit, extreme codes included."""
    rng = np.random.default_rng(1)
    layout = PIXEL_FORMATS[pix_fmt]
    pictures = [
        Picture(
            pix_fmt,
            37,
            33,
            tuple(
                rng.integers(0, 1 << layout.depth, layout.plane_shape(p, 37, 33)).astype(layout.dtype)  # type: ignore[misc]
                for p in range(layout.planes)
            ),
        )
        for _ in range(4)
    ]
    path = write_segment(tmp_path / "s.mkv", profile_spec("master"), film(pix_fmt, 37, 33), pictures)
    assert list(frame_digests(path)) == [picture.digest() for picture in pictures]


@pytest.mark.parametrize("profile", PROFILES)
def test_bytes_do_not_depend_on_process_or_threads(profile: str, tmp_path: Path) -> None:
    """The same pictures give the same file from another process and with another number of threads."""
    script = (
        "import sys; from pathlib import Path; from tests.integration.test_encode import encode_scene;"
        "encode_scene(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))"
    )
    digests = {hashlib.sha256(encode_scene(profile, tmp_path / "here.mkv", 2).read_bytes()).hexdigest()}
    for threads in (1, 3):
        path = tmp_path / f"{threads}.mkv"
        subprocess.run([sys.executable, "-c", script, profile, str(path), str(threads)], check=True)
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


def encode_scene(profile: str, path: Path, threads: int) -> Path:
    """Encodes ten pictures; also run in another process."""
    pix_fmt = out_pix_fmt(profile, "yuv420p")
    pictures = [scene(i, pix_fmt) for i in range(20, 30)]
    return write_segment(path, profile_spec(profile), film(pix_fmt), pictures, threads)


@pytest.mark.parametrize("colour_range", [0, 1, 2])
@pytest.mark.parametrize("profile", PROFILES)
def test_gray_levels_stay(profile: str, colour_range: int, tmp_path: Path) -> None:
    """A black and white ramp keeps its levels, read by the tags of the film, and gets no tint."""
    pix_fmt = out_pix_fmt(profile, "gray")
    picture = ramp(pix_fmt)
    colour = ColourInfo(range=colour_range, primaries=1, transfer=1, matrix=1)
    path = write_segment(tmp_path / "s.mkv", profile_spec(profile), film(pix_fmt, 128, 64, colour), [picture] * 3)
    codes = picture.planes[0] / 2.0 ** (picture.format.depth - 8)
    if profile == "prores" and colour_range == 2:
        codes = codes * 219 / 255 + 16
    if profile == "prores":
        # Its 10-bit video levels end at 4 and 1019 of 1023 (SMPTE RDD 36): what lies beyond is no code.
        codes = np.clip(codes, 1, 254.75)
    shown = list(decoded(path))
    assert len(shown) == 3
    for _, planes in shown:
        assert np.abs(planes[0] - codes).mean() < 0.6
        assert all(np.abs(chroma - 128).max() == 0 for chroma in planes[1:])


@pytest.mark.parametrize("profile", PROFILES)
def test_colour_tags(profile: str, tmp_path: Path) -> None:
    """Range, primaries, transfer and matrix are in the bitstream of every profile."""
    pix_fmt = out_pix_fmt(profile, "yuv420p")
    path = write_segment(
        tmp_path / "s.mkv", profile_spec(profile), film(pix_fmt, colour=BT601_FULL), [scene(0, pix_fmt)]
    )
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    # ProRes means limited range whatever is written beside it, so its pictures are converted.
    expected = 1 if profile == "prores" else 2
    assert (frame.color_range, frame.color_primaries, frame.color_trc, frame.colorspace) == (expected, 5, 6, 5)


@pytest.mark.parametrize(
    ("matrix", "source", "enlarged", "written"),
    [
        (2, (640, 360), (1280, 720), 6),
        (2, (320, 240), (640, 480), 2),
        (2, (1920, 1080), (3840, 2160), 2),
        (5, (640, 360), (1280, 720), 5),
    ],
)
def test_an_untagged_matrix_survives_enlarging(
    matrix: int, source: tuple[int, int], enlarged: tuple[int, int], written: int
) -> None:
    """A matrix that players presumed by size is written down where the enlarged size would presume another."""
    video = VideoInfo(
        index=0,
        codec="h264",
        width=source[0],
        height=source[1],
        pix_fmt="yuv420p",
        source_pix_fmt="yuv420p",
        time_base="1/25",
        start_pts=0,
        average_rate="25/1",
        frames_estimate=1,
        colour=ColourInfo(matrix=matrix),
    )
    assert film_colour(video, *enlarged).matrix == written
    assert presumed_matrix(*source) == (1 if source[0] >= 1280 else 6)


def test_a_picture_of_another_kind(tmp_path: Path) -> None:
    """A picture that is not of the film's format or size is refused, not converted in silence."""
    encoder = SegmentEncoder(tmp_path / "s.mkv", profile_spec("web"), film("yuv420p"))
    for picture in (scene(0, "yuv422p"), scene(0, "yuv420p", 162, 120)):
        with pytest.raises(ValueError, match="in a film of"):
            encoder.add(picture)
    encoder.abort()


def test_abort(tmp_path: Path) -> None:
    """An aborted segment leaves no file, a finished one stays, and both may be aborted again."""
    dropped, kept = tmp_path / "dropped.mkv", tmp_path / "kept.mkv"
    encoder = SegmentEncoder(dropped, profile_spec("web"), film("yuv420p"))
    encoder.add(scene(0))
    encoder.abort()
    encoder.abort()
    finished = SegmentEncoder(kept, profile_spec("web"), film("yuv420p"))
    finished.add(scene(0))
    finished.finish()
    finished.abort()
    assert list(tmp_path.iterdir()) == [kept]


@pytest.mark.parametrize("profile", PROFILES)
def test_no_room(profile: str) -> None:
    """A full disk is one clear line, wherever in the segment it is met."""
    pix_fmt = out_pix_fmt(profile, "yuv420p")

    def encode() -> None:
        write_segment(Path("/dev/full"), profile_spec(profile), film(pix_fmt), [scene(i, pix_fmt) for i in range(40)])

    with pytest.raises(UnavailableError, match="no space left"):
        encode()


def test_no_folder(tmp_path: Path) -> None:
    """A folder that is not there is one clear line before anything is encoded."""
    with pytest.raises(OutputError, match="no such file"):
        SegmentEncoder(tmp_path / "nowhere" / "s.mkv", profile_spec("web"), film("yuv420p"))
