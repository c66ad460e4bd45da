"""`make demo`: what a person sees first."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from reelwright.media.picture import Picture
from scripts.side_by_side import SECONDS, write_side_by_side
from tests.support.clipmaker import Film, write_film
from tests.support.films import small_film
from tests.support.pyav import in_seconds
from tests.support.scenes import scene

ROOT = Path(__file__).resolve().parents[2]


def _enlarged(picture: Picture) -> Picture:
    """A picture of twice the size with less light, in place of a restored one."""
    planes = tuple(np.repeat(np.repeat(plane, 2, axis=0), 2, axis=1) for plane in picture.planes)
    luma = np.asarray(planes[0] // 2 + 8, np.uint8)
    return Picture(picture.pix_fmt, 2 * picture.width, 2 * picture.height, (luma, *planes[1:]))


def _film(path: Path, pictures: list[Picture], rate: int = 25) -> Path:
    write_film(path, Film([(Fraction(i, rate), each) for i, each in enumerate(pictures)], Fraction(rate), audio="aac"))
    return path


def test_the_demo_shows_a_film_before_and_after(tmp_path: Path) -> None:
    """The demo restores a given film and writes both beside each other, with the sound, at the same times."""
    film = tmp_path / "my film.mp4"
    shutil.copy(small_film(24), film)
    command = [sys.executable, "-m", "scripts.demo", str(film)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    both = tmp_path / "my film.side-by-side.mp4"
    assert str(both) in done.stdout
    with av.open(str(both)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        assert (container.streams.video[0].width, container.streams.video[0].height) == (128 + 4 + 128, 96)
        frames = [frame.time for frame in container.decode(video=0)]
    assert frames == pytest.approx([i / 25 for i in range(24)])
    with av.open(str(both)) as container:
        (sound,) = container.streams.audio
        seconds = [in_seconds(packet.pts, packet.time_base) for packet in container.demux(sound) if packet.size]
    assert 0.8 < float(seconds[-1] - seconds[0]) < 1.2


@pytest.mark.parametrize("name", ["my film.mp4", "it's.mp4", ""])
def test_make_gives_the_demo_one_film(name: str) -> None:
    """A film of any name is one argument of the demo, and no name is none."""
    command = ["make", "-n", "demo", f"FILM={name}"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert shlex.split(printed.splitlines()[-1])[3:] == ([name] if name else [])


def test_the_same_part_of_the_same_frame_is_on_both_sides(tmp_path: Path) -> None:
    """Of a long, large film the middle seconds and the middle of the picture are shown, frame for frame."""
    pictures = [scene(number, "yuv420p", 640, 352) for number in range(9 * 10)]
    source = _film(tmp_path / "source.mkv", pictures, rate=10)
    restored = _film(tmp_path / "restored.mp4", [_enlarged(each) for each in pictures], rate=10)
    target = tmp_path / "both.mp4"
    assert write_side_by_side(source, restored, target) in {10 * SECONDS, 10 * SECONDS + 1}
    with av.open(str(target)) as container:
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert frames[0].shape == (704, 958 + 4 + 958)
    for shown, picture in ((frames[0], pictures[15]), (frames[30], pictures[45])):
        luma = np.asarray(cv2.resize(picture.planes[0], (1280, 704), interpolation=cv2.INTER_CUBIC), np.float64)
        left, right = (luma[:, 161 : 161 + 958] - 16) / 219 * 255, (luma[:, 161 : 161 + 958] / 2 - 8) / 219 * 255
        assert np.mean(np.abs(shown[:, :958] - left)) < 4
        assert np.mean(np.abs(shown[:, 962:] - right)) < 4


def test_films_without_a_common_time_are_refused(tmp_path: Path) -> None:
    """A film that has none of the source's times is not shown beside it."""
    pictures = [scene(number, "yuv420p", 64, 48) for number in range(4)]
    source = _film(tmp_path / "source.mkv", pictures[:1], rate=25)
    restored = _film(tmp_path / "restored.mkv", [_enlarged(each) for each in pictures] * 25, rate=10)
    with pytest.raises(ValueError, match="same time"):
        write_side_by_side(source, restored, tmp_path / "both.mp4")
